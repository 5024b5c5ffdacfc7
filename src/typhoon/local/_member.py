"""``Member``: one worker's process, as the one who supervises it knows it."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typhoon.metrics import ProcessFigures, WorkerReport
from typhoon.worker import Channel

NOTICES = 20


@dataclass
class Member:
    """Slot ``port`` of a topology, and the start of a worker that it has now.

    ``incarnation`` is that of the start which was made last; ``alive`` whether its process may
    still live. ``past`` has what all earlier starts have counted, as of their last reports;
    ``figures`` are the last that any of them gave of its process.
    """

    index: int
    port: int
    incarnation: int = -1
    alive: bool = False
    running: bool = False
    ended: bool = False
    channel: Channel | None = None
    order: Path | None = None
    """The file of its order, which it removes when it begins to process tuples."""
    why: str = ""
    """What it said of its end before that."""
    moved: bool = False
    """It was asked to end, since its executors change."""
    address: str | None = None
    report: WorkerReport = field(default_factory=WorkerReport)
    past: list[WorkerReport] = field(default_factory=list)
    notices: deque[str] = field(default_factory=lambda: deque(maxlen=NOTICES))
    starts: int = 0
    figures: ProcessFigures | None = None
    held: bool = False
    """Nothing is read of it now: an answer would not be heard."""

    def begin(self, incarnation: int, channel: Channel, order: Path) -> None:
        """A process is about to be started, with the other end of ``channel``."""
        self.incarnation, self.channel, self.order = incarnation, channel, order
        self.alive, self.running, self.ended, self.address = True, False, False, None
        self.held, self.moved, self.why = False, False, ""
        self.starts += 1

    def is_over(self, incarnation: int) -> bool:
        """Whether that start of it is gone, or has nothing more to do."""
        return self.ended or not self.alive or self.incarnation != incarnation

    def reported(self, report: WorkerReport) -> None:
        self.report = report
        self.figures = report.process or self.figures

    @property
    def is_blameless(self) -> bool:
        """Whether no tuple can be why its process is gone: it ended in order, or had none yet."""
        return self.moved or (self.order is not None and self.order.exists())

    def die(self) -> None:
        """Its process is gone."""
        if self.order is not None:
            self.order.unlink(missing_ok=True)
        self.alive = self.running = False
        self.past.append(self.report.of_the_past())
        self.report = WorkerReport()


class Questions:
    """Questions to workers that wait for their answers. From any thread."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._lock = threading.Condition()
        self._answers: dict[int, Any] = {}
        self._open: dict[int, Member] = {}

    def ask(self, member: Member, what: str, *arguments: Any) -> int | None:
        """The question's number; None if the worker is not there to be asked."""
        channel = member.channel
        if not member.running or member.held or channel is None:
            return None
        number = next(self._numbers)
        with self._lock:
            self._open[number] = member
        try:
            channel.send("ask", number, what, *arguments)
        except OSError:
            self.drop(member)
        return number

    def answer(self, number: int, value: Any) -> None:
        with self._lock:
            if self._open.pop(number, None) is not None:
                self._answers[number] = value
                self._lock.notify_all()

    def drop(self, member: Member) -> None:
        """It is gone, and will not answer."""
        with self._lock:
            for number in [n for n, asked in self._open.items() if asked is member]:
                del self._open[number]
            self._lock.notify_all()

    def wait(self, number: int | None, timeout: float) -> Any:
        """The answer; None if there will be none, or not in time."""
        if number is None:
            return None
        with self._lock:
            self._lock.wait_for(lambda: number not in self._open, timeout)
            self._open.pop(number, None)
            return self._answers.pop(number, None)
