"""The event loop that drives the engine's line of coroutines, in steps between which they run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from math import isinf
from typing import TYPE_CHECKING

from typhoon._core import Engine, Stepper
from typhoon.errors import TopologyFailedError, TyphoonInternalError, told
from typhoon.worker._coroutines import END_S

if TYPE_CHECKING:
    from typhoon.worker._coroutines import CoroutineCalls
    from typhoon.worker._shell import Shell

GATHER_S = 0.001
"""Steps of the line for what comes from outside are no closer to each other than this."""
CANCEL_S = 1.0
"""How long coroutines may go on after they were cancelled, before ``close`` is called."""


class CoroutineLine:
    """Drives one line of the engine from an event loop. ``tell`` gets what the user should know."""

    def __init__(
        self, engine: Engine, line: int, shells: Sequence[Shell], tell: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._line = line
        self._shells = shells
        self._tell = tell

    def run(self) -> None:
        """Until the engine is stopped. Called on the thread that everything then runs on."""
        try:
            asyncio.run(self._main())
        except TyphoonInternalError:
            raise
        except BaseException as error:  # SystemExit out of a task that a coroutine made, say
            text = f"the event loop of {self._names} ended: {type(error).__name__}: {told(error)}"
            failure = TopologyFailedError(text, hint="raise an Exception; it is the bolt's to end")
            failure.__cause__ = error
            self._shells[0].stop(failure, False)

    @property
    def _names(self) -> str:
        return ", ".join(dict.fromkeys(f"'{shell.spec.id}'" for shell in self._shells))

    @property
    def _calls(self) -> list[CoroutineCalls]:
        return [shell.calls for shell in self._shells if shell.calls is not None]

    async def _main(self) -> None:
        stepper = self._engine.stepper(self._line)
        try:
            if stepper.open() and await self._opened(stepper):
                with _Rounds(self._held_up):
                    await _Steps(stepper).done()
            else:
                self._engine.stop()
        finally:
            await self._end(stepper)

    async def _opened(self, stepper: Stepper) -> bool:
        loop, main = asyncio.get_running_loop(), asyncio.current_task()

        def look() -> None:
            if stepper.stopping() and main is not None:
                main.cancel()

        loop.add_reader(stepper.fileno(), look)
        try:
            for calls in self._calls:
                if not await calls.opened(stepper.stopping):
                    return False
            return True
        finally:
            loop.remove_reader(stepper.fileno())

    async def _end(self, stepper: Stepper) -> None:
        deadline = asyncio.get_running_loop().time() + END_S
        for calls in self._calls:
            calls.give_up()
        running = [task for calls in self._calls for task in calls.cancel()]
        if running:
            await asyncio.wait(running, timeout=CANCEL_S)
        stepper.close()
        await asyncio.gather(*(calls.closed(deadline) for calls in self._calls))

    def _held_up(self) -> None:
        port = self._shells[0].contexts[0].worker_port
        self._tell(
            f"coroutines of {self._names} hold up the event loop of worker {port}, waiting without "
            "await: call what waits by asyncio.to_thread"
        )


class _Rounds:
    """Samples how long rounds of the event loop take. ``tell`` is called if within a second more
    than half of them, or of the time, was long rounds in which the thread hardly computed."""

    BEAT_S = 0.1
    ROUNDS = 5
    LONG_S = 0.02
    WINDOW_S = 1.0
    SHARE = 0.5
    PAUSE_S = 10.0

    def __init__(self, tell: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._tell = tell

    def __enter__(self) -> None:
        self._window(self.BEAT_S)

    def __exit__(self, *error: object) -> None:
        self._next.cancel()

    def _window(self, wait: float) -> None:
        self._samples: list[float] = []
        self._began = self._loop.time() + wait
        self._wait(wait)

    def _wait(self, seconds: float) -> None:
        self._computed = time.thread_time()
        self._due = self._loop.time() + seconds
        self._next: asyncio.Handle = self._loop.call_at(self._due, self._round)

    def _round(self) -> None:
        now = self._loop.time()
        self._longest = now - self._due
        self._next = self._loop.call_soon(self._look, now, self.ROUNDS)

    def _look(self, began: float, left: int) -> None:
        """One round after ``_round``, or after itself."""
        now = self._loop.time()
        self._longest = max(self._longest, now - began)
        if left > 1:
            self._next = self._loop.call_soon(self._look, now, left - 1)
            return
        waited = time.thread_time() - self._computed < self._longest / 2
        is_long = self._longest > self.LONG_S and waited
        self._samples.append(self._longest if is_long else 0.0)
        if now - self._began < self.WINDOW_S:
            self._wait(self.BEAT_S)
            return
        by_count = sum(map(bool, self._samples)) / len(self._samples)
        by_time = sum(self._samples) / (now - self._began)
        if max(by_count, by_time) > self.SHARE:
            self._tell()
            self._window(self.PAUSE_S)
        else:
            self._window(self.BEAT_S)


class _Steps:
    """Steps of a line as callbacks of the event loop: when it is rung, and when it is time."""

    def __init__(self, stepper: Stepper) -> None:
        self._stepper = stepper
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._again = False
        self._stepped = 0.0

    async def done(self) -> None:
        fd = self._stepper.fileno()
        self._loop.add_reader(fd, self._rung)
        try:
            self._step()
            await self._end
        finally:
            self._loop.remove_reader(fd)
            if self._timer is not None:
                self._timer.cancel()

    def _rung(self) -> None:
        """Step, but not for each tuple where they come in quick succession: waking the event loop
        costs more than what it does then."""
        if self._again:
            return
        soon = self._stepped + GATHER_S
        if self._loop.time() >= soon:
            self._step()
            return
        self._stepper.hush()
        self._again = True
        self._loop.call_at(soon, self._step)

    def _step(self) -> None:
        self._again = False
        self._stepped = self._loop.time()
        if self._end.done():
            return
        try:
            wait = self._stepper.step()
        except BaseException as error:
            self._end.set_exception(error)
            return
        if wait is None:
            self._end.set_result(None)
        elif wait == 0:
            self._again = True
            self._loop.call_soon(self._step)
        elif not isinf(wait):
            self._wait(self._loop.time() + wait)

    def _wait(self, until: float) -> None:
        """A step too early does no harm, so a timer that is set stays, unless it is too late."""
        if self._timer is not None:
            if self._timer.when() <= until:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(until, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self._rung()
