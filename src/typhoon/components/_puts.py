"""``Puts``: what an application holds of a ``QueueSpout``, to put tuples into its topology."""

from __future__ import annotations

import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from typing import Any

from typhoon.errors import NotRunningError, TupleFailedError


class Put:
    """One tuple on its way; ``future`` is done when it has been processed, or will not be."""

    __slots__ = ("future", "values")

    def __init__(self, values: Any) -> None:
        self.values = tuple(values) if isinstance(values, list) else values
        self.future: Future[None] = Future()

    def settle(self, error: BaseException | None) -> None:
        """Tell who waits, if somebody still does."""
        try:
            if error is None:
                self.future.set_result(None)
            else:
                self.future.set_exception(error)
        except InvalidStateError:  # cancelled: nobody wants to know
            pass


class Puts:
    """``topology["clicks"]`` of a running topology. All methods may be called from any thread.

    At most ``maxsize`` tuples are under way, from their put until they are completely processed;
    further puts wait, in the order in which they came. The tasks of the spout get a tuple each in
    turn.
    """

    def __init__(self, component: str, tasks: int, maxsize: int) -> None:
        self.component = component
        self.maxsize = maxsize
        self._lock = threading.Lock()
        self._under_way = 0
        self._waiting: deque[Put] = deque()
        self._inboxes: tuple[deque[Put], ...] = tuple(deque() for _ in range(tasks))
        self._wakes: list[Callable[[], None]] = [_nobody] * tasks
        self._next = 0
        self._closed = False
        self._over = False

    # For the application ----------------------------------------------------------------------

    def put(self, values: Sequence[Any], timeout: float | None = None) -> Any:
        """Put one tuple in; done when everything that came of it has been processed.

        Where an asyncio loop runs in this thread, this gives a coroutine, to be awaited; anywhere
        else it blocks. ``values`` is what a spout may emit on its default stream.

        Raises ``TupleFailedError`` when the tuple failed or timed out, or its worker ended before
        it was processed; ``NotRunningError`` when it was not sent, because ``close`` was called or
        the topology is over; ``EmitError`` and others when the spout could not emit it;
        ``TimeoutError`` after ``timeout`` seconds.

        A put that is cancelled or out of time while it waits for room is withdrawn. After that its
        tuple goes its way, and nobody is told how it ended. Not to be called by the topology's own
        components: they would wait for themselves.
        """
        if _loop_runs_here():
            return self._put_in_loop(values, timeout)
        waiting = self._enter(values, may_wait=True)
        try:
            waiting.future.result(timeout)
        except BaseException:
            waiting.future.cancel()
            raise
        return None

    def put_nowait(self, values: Sequence[Any]) -> None:
        """Put one tuple in and do not wait; nobody is told how it ends.

        Raises ``queue.Full`` when ``maxsize`` tuples are under way, ``NotRunningError`` as ``put``.
        """
        self._enter(values, may_wait=False)

    def close(self) -> None:
        """No more data: what was put is still processed, then the spout's tasks end."""
        with self._lock:
            self._closed = True
        self._wake_all()

    @property
    def under_way(self) -> int:
        """How many tuples were put and are not completely processed; never above ``maxsize``."""
        return self._under_way

    @property
    def waiting(self) -> int:
        """How many puts wait for room."""
        with self._lock:
            return sum(not put.future.cancelled() for put in self._waiting)

    async def _put_in_loop(self, values: Sequence[Any], timeout: float | None) -> None:
        import asyncio

        entered = self._enter(values, may_wait=True)
        # Cancelling the one that is awaited here cancels the other, too.
        await asyncio.wait_for(asyncio.wrap_future(entered.future), timeout)

    def _enter(self, values: Sequence[Any], *, may_wait: bool) -> Put:
        put = Put(values)
        with self._lock:
            if self._closed or self._over:
                raise self._refusal()
            if self._under_way < self.maxsize and not self._waiting:
                wake = self._accept(put)
            elif may_wait:
                self._waiting.append(put)
                return put
            else:
                raise queue.Full(f"'{self.component}' has {self.maxsize} tuples under way")
        wake()
        return put

    def _accept(self, put: Put) -> Callable[[], None]:
        """Hand ``put`` to the next task, and say how that task is woken."""
        self._under_way += 1
        task, self._next = self._next, (self._next + 1) % len(self._inboxes)
        self._inboxes[task].append(put)
        return self._wakes[task]

    def _refusal(self) -> NotRunningError:
        if self._over:
            return NotRunningError(
                f"'{self.component}' takes no tuples: its topology is over",
                hint="submit the topology again, and put into what that returns",
            )
        return NotRunningError(
            f"'{self.component}' takes no more tuples: close() was called",
            hint="call close() when nothing will be put any more",
        )

    def _wake_all(self) -> None:
        for wake in self._wakes:
            wake()

    # For the spout's tasks, and the worker ----------------------------------------------------

    def join(self, task: int, wake: Callable[[], None]) -> None:
        """A task begins to take what is dealt to it."""
        with self._lock:
            self._wakes[task] = wake

    def take(self, task: int) -> Put | None:
        """The next tuple for ``task``; None: there is none now."""
        inbox = self._inboxes[task]
        return inbox.popleft() if inbox else None

    def has_ended(self, task: int) -> bool:
        """Nothing will come for ``task`` any more."""
        with self._lock:
            return self._closed and not self._waiting and not self._inboxes[task]

    def settle(self, put: Put, error: BaseException | None = None) -> None:
        """``put`` is processed, or will not be; another one has room now."""
        put.settle(error)
        wakes = []
        with self._lock:
            self._under_way -= 1
            while self._waiting and self._under_way < self.maxsize:
                entering = self._waiting.popleft()
                if not entering.future.cancelled():
                    wakes.append(self._accept(entering))
            last = self._closed and not self._waiting
        for wake in wakes:
            wake()
        if last:
            self._wake_all()

    def end(self) -> None:
        """The topology is over: whoever waits is told that his tuple was not sent."""
        with self._lock:
            self._over = True
            left = [put for inbox in self._inboxes for put in inbox]
            self._under_way -= len(left)
            left += self._waiting
            self._waiting.clear()
            for inbox in self._inboxes:
                inbox.clear()
            self._wakes = [_nobody] * len(self._inboxes)
        for put in left:
            put.settle(self._refusal())


def failed(component: str, values: Any) -> TupleFailedError:
    """The error of a tuple whose tree failed."""
    return TupleFailedError(
        f"'{component}': the tuple {values!r} failed or timed out",
        hint="the log has the error of the component that failed it; a slow one needs a longer "
        "topology.message.timeout.secs",
    )


def lost(component: str, values: Any) -> TupleFailedError:
    """The error of a tuple that was sent and whose end nobody saw."""
    return TupleFailedError(
        f"'{component}': its worker ended before the tuple {values!r} was completely processed",
        hint="it may have been processed in part; put it again where that does no harm",
    )


def _loop_runs_here() -> bool:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _nobody() -> None:
    """In place of a task that has not begun: it will look for itself when it does."""
