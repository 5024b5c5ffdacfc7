"""Bolts whose ``process`` is a coroutine: one event loop, on one thread of the worker, runs all.

The engine's line for them is driven by that loop (``_event_loop.py``), in steps between which the
coroutines run; so a step starts a task for each tuple taken, and an emit or ack from a coroutine
goes straight to the engine, without another thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from typhoon._core import Tuple, current_tuple
from typhoon.worker._ordered import Held, held_back, hold_back

if TYPE_CHECKING:
    from typhoon.worker._shell import Shell, Starter

logger = logging.getLogger("typhoon.worker")

END_S = 1.7
"""How long coroutines, ``close`` and ``cleanup`` may take to end, in all."""


class CoroutineCalls:
    """The coroutines of one executor. Everything is called on the event loop's thread."""

    def __init__(self, shell: Shell) -> None:
        assert shell.spec.coroutines is not None
        self._shell = shell
        self._rules = shell.spec.coroutines
        self._loop = asyncio.get_running_loop()
        self._numbers = count()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._last: dict[int, asyncio.Future[None]] = {}
        self._opening: list[tuple[int, Awaitable[Any]]] = []
        self._closing: dict[str, list[Awaitable[Any]]] = defaultdict(list)
        self._ticking: set[int] = set()
        self._ended = False

    # For the shell ------------------------------------------------------------------------------

    def starters(self, slot: int) -> tuple[Starter, Starter]:
        """What the engine calls with a tuple, and with a tick, for this task."""
        instance = self._shell.instances[slot]
        if self._rules.ordered:
            hold_back(instance)
        run = self._run_ordered if self._rules.ordered else self._run
        return (
            partial(self._start, run, slot, instance.process),
            partial(self._start, self._run_tick, slot, instance.process_tick),
        )

    def initialize(self, slot: int, result: Any) -> None:
        if isinstance(result, Awaitable):
            self._opening.append((slot, result))

    def close(self, method: str, result: Any) -> None:
        if isinstance(result, Awaitable):
            self._closing[method].append(result)

    # For the line -------------------------------------------------------------------------------

    async def opened(self, is_stopping: Callable[[], bool]) -> bool:
        """What ``initialize`` left to await is done. False if the topology cannot start."""
        while self._opening:
            waiting = self._opening[0][1]
            try:
                await waiting
            except BaseException as error:
                if not is_stopping():
                    self._shell.cannot_start(error)
                return False
            del self._opening[0]
        return True

    def give_up(self) -> None:
        """Forget what ``initialize`` left to await: those tasks were not opened."""
        for slot, waiting in self._opening:
            self._shell.opened = min(self._shell.opened, slot)
            if isinstance(waiting, Coroutine):
                waiting.close()
        self._opening.clear()

    def cancel(self) -> list[asyncio.Task[None]]:
        """End all coroutines that still run; their tuples stay open."""
        self._ended = True
        running = [*self._running.values()]
        for task in running:
            task.cancel()
        return running

    async def closed(self, deadline: float) -> None:
        """What ``close`` left to await is done, or has had its time."""
        for method, waiting in self._closing.items():
            tasks = [asyncio.ensure_future(one) for one in waiting]
            left = deadline - self._loop.time()
            await asyncio.wait(tasks, timeout=max(0.0, left))
            for task in tasks:
                if (error := _ended_badly(task)) is not None:
                    self._shell.errors.add(method, error)

    # Calls --------------------------------------------------------------------------------------

    def _start(
        self,
        run: Callable[..., Coroutine[Any, Any, None]],
        slot: int,
        call: Callable[[Tuple], Any],
        tup: Tuple,
    ) -> None:
        number = next(self._numbers)
        self._running[number] = self._loop.create_task(run(number, slot, call, tup))

    async def _run(self, number: int, slot: int, call: Callable[..., Any], tup: Tuple) -> None:
        if self._shell.instances[slot].auto_anchor:
            current_tuple.set(tup)
        acked = await self._called(slot, call, tup)
        self._done(number, slot, tup, acked)

    async def _run_tick(self, number: int, slot: int, call: Callable[..., Any], tup: Tuple) -> None:
        try:
            if slot not in self._ticking:
                self._ticking.add(slot)
                try:
                    await self._in_time(_awaited(call, tup))
                finally:
                    self._ticking.discard(slot)
        except BaseException as error:
            self._failed(slot, "process_tick", error, None)
        self._done(number, slot, tup, None)

    async def _run_ordered(
        self, number: int, slot: int, call: Callable[..., Any], tup: Tuple
    ) -> None:
        before, mine = self._last.get(slot), self._loop.create_future()
        self._last[slot] = mine
        held = Held()
        held_back.set(held)
        if self._shell.instances[slot].auto_anchor:
            current_tuple.set(tup)
        acked = await self._called(slot, call, tup)
        try:
            if before is not None and not before.done():
                await before
            calls = held.release()
            if acked is not False:
                for one in calls:
                    one()
        except BaseException as error:
            acked = self._failed(slot, "process", error, tup)
        self._done(number, slot, tup, acked)
        if not mine.done():  # it is cancelled together with who waits for it
            mine.set_result(None)

    async def _called(self, slot: int, call: Callable[..., Any], tup: Tuple) -> bool | None:
        """Ack the tuple (True), fail it (False), or leave it as it is (None)?"""
        try:
            if self._rules.timeout_secs is None:
                await call(tup)
            else:
                await self._in_time(call(tup))
        except BaseException as error:
            return self._failed(slot, "process", error, tup)
        return True if self._shell.instances[slot].auto_ack else None

    async def _in_time(self, waiting: Awaitable[Any]) -> None:
        limit = self._rules.timeout_secs
        timer = asyncio.timeout(limit)
        try:
            async with timer:
                await waiting
        except TimeoutError as error:
            if timer.expired():
                raise TimeoutError(f"it took more than timeout_secs = {limit}") from error
            raise

    def _failed(
        self, slot: int, phase: str, error: BaseException, tup: Tuple | None
    ) -> bool | None:
        if self._ended:
            return None
        try:
            verdict = self._shell.failed(slot, phase, error, tup)
        except Exception:
            logger.exception("'%s' raised what cannot be reported", self._shell.spec.id)
            verdict = "fail"
        if verdict == "fail":
            return False if self._shell.instances[slot].auto_fail else None
        return True if verdict == "drop" else None

    def _done(self, number: int, slot: int, tup: Tuple, acked: bool | None) -> None:
        del self._running[number]
        self._shell.handles[slot].finish(tup, acked)


async def _awaited(call: Callable[..., Any], tup: Tuple) -> None:
    result = call(tup)
    if isinstance(result, Awaitable):
        await result


def _ended_badly(task: asyncio.Future[Any]) -> BaseException | None:
    """Why a task of ``close`` has not done its work; one that still goes on is cancelled."""
    if not task.done():
        task.cancel()
        return TimeoutError(f"it took more than {END_S} s after the topology was to end")
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception()
