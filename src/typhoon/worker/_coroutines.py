"""Bolts whose ``process`` is a coroutine: one event loop, on one thread of the worker, runs all.

The engine's line for them is driven by that loop, in steps between which the coroutines run; so a
step starts a task for each tuple taken, and an emit or ack from a coroutine goes straight to the
engine, without another thread.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from functools import partial
from itertools import count
from math import isinf
from typing import TYPE_CHECKING, Any

from typhoon._core import BoltBase, Engine, Tuple, current_tuple

if TYPE_CHECKING:
    from typhoon.worker._shell import Shell, Starter

CLOSE_S = 1.5
"""How long ``close`` may go on where it is a coroutine."""

Emit = tuple[str, tuple[Any, ...], dict[str, Any]]

_held: ContextVar[list[Emit] | None] = ContextVar("typhoon.held", default=None)
"""Of an ordered bolt: what the running coroutine has emitted so far."""


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
        self._opening: list[Awaitable[Any]] = []
        self._closing: dict[str, list[Awaitable[Any]]] = defaultdict(list)
        self._ended = False

    # For the shell ------------------------------------------------------------------------------

    def starters(self, slot: int) -> tuple[Starter, Starter]:
        """What the engine calls with a tuple, and with a tick, for this task."""
        instance = self._shell.instances[slot]
        if self._rules.ordered:
            for name in ("emit", "emit_many"):
                setattr(instance, name, partial(_hold, instance, name))
        run = self._run_ordered if self._rules.ordered else self._run
        return (
            partial(self._start, run, slot, instance.process),
            partial(self._start, self._run_tick, slot, instance.process_tick),
        )

    def initialize(self, slot: int, result: Any) -> None:
        if isinstance(result, Awaitable):
            self._opening.append(result)

    def close(self, method: str, result: Any) -> None:
        if isinstance(result, Awaitable):
            self._closing[method].append(result)

    # For the line -------------------------------------------------------------------------------

    async def opened(self) -> bool:
        """What ``initialize`` left to await is done. False if the topology cannot start."""
        for number, waiting in enumerate(self._opening):
            try:
                await waiting
            except Exception as error:
                self._shell.cannot_start(error)
                _give_up(self._opening[number + 1 :])
                return False
        return True

    async def cancel(self) -> None:
        """End all coroutines that still run; their tuples stay open."""
        self._ended = True
        running = [*self._running.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def closed(self) -> None:
        """What ``close`` left to await is done, or has had its time."""
        for method, waiting in self._closing.items():
            for one in waiting:
                try:
                    await asyncio.wait_for(one, CLOSE_S)
                except Exception as error:
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
        acked = await self._called(slot, "process", call, tup)
        self._done(number, slot, tup, acked)

    async def _run_tick(self, number: int, slot: int, call: Callable[..., Any], tup: Tuple) -> None:
        await self._called(slot, "process_tick", call, tup)
        self._done(number, slot, tup, None)

    async def _run_ordered(
        self, number: int, slot: int, call: Callable[..., Any], tup: Tuple
    ) -> None:
        before, mine = self._last.get(slot), self._loop.create_future()
        self._last[slot] = mine
        held: list[Emit] = []
        _held.set(held)
        try:
            acked = await self._called(slot, "process", call, tup)
            if before is not None:
                await before
            if acked is not False and held:
                acked = await self._called(slot, "process", partial(self._send, slot, held), tup)
        except asyncio.CancelledError:
            acked = None
        self._done(number, slot, tup, acked)
        mine.set_result(None)

    async def _send(self, slot: int, held: Sequence[Emit], tup: Tuple) -> None:
        """Emit what an ordered call has held back."""
        instance = self._shell.instances[slot]
        automatic = {"anchors": [tup]} if instance.auto_anchor else {}
        for name, args, options in held:
            getattr(BoltBase, name)(instance, *args, **{**automatic, **options})

    async def _called(
        self, slot: int, phase: str, call: Callable[..., Any], tup: Tuple
    ) -> bool | None:
        """Ack the tuple (True), fail it (False), or leave it as it is (None)?"""
        instance = self._shell.instances[slot]
        try:
            async with asyncio.timeout(self._rules.timeout_secs):
                result = call(tup)
                if isinstance(result, Awaitable):
                    await result
        except BaseException as error:
            if self._ended:
                return None
            verdict = self._shell.failed(slot, phase, self._explained(error), tup)
            if verdict == "fail":
                return False if instance.auto_fail else None
            return True if verdict == "drop" else None
        return True if instance.auto_ack else None

    def _explained(self, error: BaseException) -> BaseException:
        if isinstance(error, TimeoutError) and not error.args and self._rules.timeout_secs:
            return TimeoutError(f"it took more than timeout_secs = {self._rules.timeout_secs}")
        return error

    def _done(self, number: int, slot: int, tup: Tuple, acked: bool | None) -> None:
        del self._running[number]
        self._shell.handles[slot].finish(tup, acked)


def _hold(instance: Any, name: str, *args: Any, **options: Any) -> Any:
    """``emit`` of an ordered bolt: in a coroutine it waits for those that came before."""
    held = _held.get()
    if held is None:
        return getattr(BoltBase, name)(instance, *args, **options)
    if options.get("need_task_ids"):
        raise ValueError("an ordered bolt emits later, so it has no task ids to give")
    held.append((name, args, options))
    return None


def _give_up(waiting: Sequence[Awaitable[Any]]) -> None:
    for one in waiting:
        if isinstance(one, Coroutine):
            one.close()


class CoroutineLine:
    """Drives one line of the engine from an event loop."""

    def __init__(self, engine: Engine, line: int, shells: Sequence[Shell]) -> None:
        self._engine = engine
        self._line = line
        self._shells = shells

    def run(self) -> None:
        """Until the engine is stopped. Called on the thread that everything then runs on."""
        asyncio.run(self._main())

    @property
    def _calls(self) -> list[CoroutineCalls]:
        return [shell.calls for shell in self._shells if shell.calls is not None]

    async def _main(self) -> None:
        stepper = self._engine.stepper(self._line)
        try:
            if stepper.open() and await self._opened():
                await _Steps(stepper).done()
            else:
                self._engine.stop()
        finally:
            for calls in self._calls:
                await calls.cancel()
            stepper.close()
            for calls in self._calls:
                await calls.closed()

    async def _opened(self) -> bool:
        for calls in self._calls:
            if not await calls.opened():
                return False
        return True


class _Steps:
    """Steps of a line as callbacks of the event loop: when it is rung, and when it is time."""

    def __init__(self, stepper: Any) -> None:
        self._stepper = stepper
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.create_future()
        self._next: asyncio.Handle | None = None

    async def done(self) -> None:
        fd = self._stepper.fileno()
        self._loop.add_reader(fd, self._step)
        try:
            self._step()
            await self._end
        finally:
            self._loop.remove_reader(fd)
            if self._next is not None:
                self._next.cancel()

    def _step(self) -> None:
        if self._end.done():
            return
        if self._next is not None:
            self._next.cancel()
            self._next = None
        try:
            wait = self._stepper.step()
        except BaseException as error:
            self._end.set_exception(error)
            return
        if wait is None:
            self._end.set_result(None)
        elif wait == 0:
            self._next = self._loop.call_soon(self._step)
        elif not isinf(wait):
            self._next = self._loop.call_later(wait, self._step)
