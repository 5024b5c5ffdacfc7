"""What the user asks of a run while it runs: by signals, by ``--for``, by another process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from typhoon.cli._pause import Pause
from typhoon.cli._words import leave_closed_terminal

ONCE_S = 0.1
"""Within so many seconds a signal that comes again is the same order, unless that is answered:
`timeout`, say, signals both a process and its group."""


class StopNow(KeyboardInterrupt):
    """The second Ctrl-C, SIGTERM or SIGHUP: out of whatever is being waited for."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.status = 128 + number  # as shells tell of it


class Orders:
    """What the user has asked for so far: to end at a time, to drain, to stop at once.

    With a ``leader`` (a file descriptor) the user speaks to another process: Ctrl-C is its affair,
    and when it closes the descriptor, or ends, this run stops at once.
    """

    def __init__(
        self,
        duration: float | None,
        leader: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pause = Pause()
        self.answered = False
        """The user has been told that the order is heard."""
        self._duration = duration
        self._leader = leader
        self._clock = clock
        self._deadline: float | None = None
        self._first: float | None = None
        self._number = 0
        self._running = False

    def begin(self) -> None:
        """The topology runs from now on: a signal means drain, and the time counts."""
        self._running = self._leader is None
        if self._duration is not None:
            self._deadline = self._clock() + self._duration

    @property
    def interrupted(self) -> bool:
        return self._first is not None

    @property
    def to_end(self) -> bool:
        """Whether it is time to drain. The time in a debugger does not count."""
        now = self._clock() - self.pause.held_s
        return self.interrupted or (self._deadline is not None and now >= self._deadline)

    @contextmanager
    def taken_from_signals(self) -> Iterator[None]:
        before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
        hang_up = signal.getsignal(signal.SIGHUP)
        if hang_up is not signal.SIG_IGN:  # by nohup
            before[signal.SIGHUP] = hang_up
        try:
            for one in before:
                signal.signal(one, self._on_signal)
            if self._leader is not None:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                threading.Thread(target=self._follow_leader, daemon=True, name="leader").start()
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    @property
    def are_the_users(self) -> bool:
        """Whether they come from who looks at this run, and not at one that leads it."""
        return self._leader is None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_closed_terminal()
        if not self._running:
            raise StopNow(number)
        now = self._clock()
        if self._first is None:
            self._first, self._number = now, number
        elif self.answered or number != self._number or now - self._first >= ONCE_S:
            raise StopNow(number)

    def _follow_leader(self) -> None:
        os.read(self._leader or 0, 1)  # nothing is ever written: this is its end
        os.kill(os.getpid(), signal.SIGTERM)  # not to this thread: the main one may be asleep
