"""Bolts whose ``process`` is a coroutine: one event loop, on one thread of the worker, runs all.

The engine's line for them is driven by that loop, in steps between which the coroutines run; so a
step starts a task for each tuple taken, and an emit or ack from a coroutine goes straight to the
engine, without another thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from functools import partial
from itertools import count
from math import isinf
from typing import TYPE_CHECKING, Any

from typhoon._core import Engine, Stepper, Tuple, current_tuple
from typhoon.errors import TopologyFailedError, TyphoonInternalError

if TYPE_CHECKING:
    from typhoon.worker._shell import Shell, Starter

logger = logging.getLogger("typhoon.worker")

GATHER_S = 0.001
"""Steps of the line for what comes from outside are no closer to each other than this."""
CANCEL_S = 1.0
"""How long coroutines may go on after they were cancelled, before ``close`` is called."""
END_S = 1.7
"""How long that and what is a coroutine of ``close`` and ``cleanup`` may take in all."""

HELD = ("emit", "emit_many", "ack", "fail")
"""What waits for its turn when an ordered bolt calls it."""

_held: ContextVar[_Held | None] = ContextVar("typhoon.held", default=None)
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
        self._opening: list[tuple[int, Awaitable[Any]]] = []
        self._closing: dict[str, list[Awaitable[Any]]] = defaultdict(list)
        self._ticking: set[int] = set()
        self._ended = False

    # For the shell ------------------------------------------------------------------------------

    def starters(self, slot: int) -> tuple[Starter, Starter]:
        """What the engine calls with a tuple, and with a tick, for this task."""
        instance = self._shell.instances[slot]
        if self._rules.ordered:
            _hold_back(instance)
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
        held = _Held()
        _held.set(held)
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


class _Held:
    """Calls that a coroutine of an ordered bolt has made so far, until it is its turn. They may
    come from threads that it sent work to."""

    def __init__(self) -> None:
        self.waits = True
        self._calls: list[Callable[[], Any]] = []
        self._lock = threading.Lock()

    def add(self, call: Callable[[], Any]) -> bool:
        """False if it is too late for that: call it at once."""
        with self._lock:
            if self.waits:
                self._calls.append(call)
            return self.waits

    def release(self) -> Sequence[Callable[[], Any]]:
        """What was held back, to be called now."""
        with self._lock:
            self.waits = False
        return self._calls


def _hold_back(instance: Any) -> None:
    """Make the calls of an ordered bolt wait for those before them."""
    if not hasattr(instance, "__dict__"):
        name = type(instance).__name__
        raise TypeError(
            f"ordered = True needs attributes of its own: leave __slots__ out of {name}"
        )
    for name in HELD:
        setattr(instance, name, partial(_hold, name, getattr(instance, name)))


def _hold(name: str, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """``emit`` and others of an ordered bolt: in a coroutine they wait for those before it."""
    held = _held.get()
    if held is None or not held.waits:
        return method(*args, **options)
    if options.get("need_task_ids"):
        raise ValueError("an ordered bolt emits later, so it has no task ids to give")
    if name == "emit_many":
        args = ([_copied(values) for values in args[0]], *args[1:]) if args else args
    elif args:
        args = (_copied(args[0]), *args[1:])
    call = partial(method, *args, **options)
    return None if held.add(call) else call()


def _copied(values: Any) -> Any:
    """A list may change before it leaves."""
    return values.copy() if isinstance(values, list) else values


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
            text = f"the event loop of {self._names} ended: {type(error).__name__}: {error}"
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
