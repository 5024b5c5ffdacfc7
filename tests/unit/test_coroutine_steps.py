"""When the line of the coroutines is stepped: at once after a pause, in a burst together."""

import asyncio
import os
from collections.abc import Callable

from typhoon.worker._event_loop import GATHER_S, _Steps


class FakeStepper:
    """Rung through a pipe, as the real one by its waker; what is handed in waits for a step."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        os.set_blocking(self.read, False)
        self.waiting = 0
        self.taken: list[int] = []
        self.over = False

    def hand_in(self) -> None:
        """As a post to a mailbox: it rings only where nothing waited."""
        self.waiting += 1
        if self.waiting == 1:
            os.write(self.write, b"x")

    def fileno(self) -> int:
        return self.read

    def hush(self) -> None:
        try:
            os.read(self.read, 64)
        except BlockingIOError:
            pass

    def step(self) -> float | None:
        self.hush()
        if self.waiting:
            self.taken.append(self.waiting)
            self.waiting = 0
        return None if self.over else float("inf")

    def stopping(self) -> bool:
        return self.over

    def close(self) -> None:
        os.close(self.read)
        os.close(self.write)


def driven(play: Callable) -> FakeStepper:
    stepper = FakeStepper()

    async def main() -> None:
        steps = asyncio.create_task(_Steps(stepper).done())  # type: ignore[arg-type]
        await play(stepper)
        stepper.over = True
        os.write(stepper.write, b"x")
        await asyncio.wait_for(steps, 10)

    try:
        asyncio.run(main())
    finally:
        stepper.close()
    return stepper


async def until_taken(stepper: FakeStepper) -> None:
    async with asyncio.timeout(10):
        while stepper.waiting:
            await asyncio.sleep(0)


def test_a_burst_is_gathered_and_nothing_is_left() -> None:
    async def burst(stepper: FakeStepper) -> None:
        for _ in range(200):
            stepper.hand_in()
            await asyncio.sleep(0)
        await until_taken(stepper)

    began = asyncio.new_event_loop()
    start = began.time()
    stepper = driven(burst)
    lasted = began.time() - start
    began.close()
    assert sum(stepper.taken) == 200
    assert len(stepper.taken) <= lasted / GATHER_S + 2


def test_each_of_a_few_brings_a_step_of_its_own() -> None:
    async def a_few(stepper: FakeStepper) -> None:
        for _ in range(5):
            stepper.hand_in()
            await until_taken(stepper)

    assert driven(a_few).taken == [1] * 5
