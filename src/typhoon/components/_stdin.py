"""``StdinLines``: what is piped into the process, or typed."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any

from typhoon.components._lines import check_encoding, text_of
from typhoon.topology import ReliableSpout

if TYPE_CHECKING:
    from typhoon.topology import ComponentSpec

CHUNK = 1 << 16
AHEAD = 1 << 20
"""So many bytes at most are read ahead of what the topology has taken."""


class StdinLines(ReliableSpout):
    """Emits each line of standard input as ``[line]``, without its newline, and ends with it.

    A line is tracked under its number, from 1, and emitted again when it fails, ``max_fails``
    times. What was read and is not acked is kept in memory, over a restart of the worker too; it
    dies with the process, since a pipe cannot be read again. A line that ``encoding`` and
    ``errors`` cannot decode is reported and left out. Of several tasks the first one reads.
    Nothing else in the process should read standard input.
    """

    outputs = ("line",)

    def __init__(self, *, encoding: str = "utf-8", errors: str = "strict") -> None:
        check_encoding(encoding)
        self.encoding = encoding
        self.errors = errors

    @staticmethod
    def make_handle(spec: ComponentSpec) -> Input:
        """Called once per running topology: what is read outlives the task that reads it."""
        return Input(_descriptor())

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self._reads = context.task_index == 0
        self._input: Input = context.handle
        if self._reads:
            self._again = deque(sorted(self._input.under_way.items()))
            self._input.begin(self.wake)

    def next_tuple(self) -> None:
        taken = self._take()
        if taken is None:
            return
        number, line = taken
        if not line:
            raise StopIteration
        text = text_of(line, self.encoding, self.errors, "standard input, line {}", number)
        self._input.under_way[number] = line
        self.emit([text], tup_id=number)

    def _take(self) -> tuple[int, bytes] | None:
        if not self._reads:
            raise StopIteration
        return self._again.popleft() if self._again else self._input.take()

    def ack(self, tup_id: Any) -> None:
        super().ack(tup_id)
        self._forget_if_done(tup_id)

    def fail(self, tup_id: Any) -> None:
        super().fail(tup_id)
        self._forget_if_done(tup_id)

    def fail_by_worker_death(
        self, tup_id: Any, max_worker_deaths: int, death: Hashable = None
    ) -> None:
        super().fail_by_worker_death(tup_id, max_worker_deaths, death)
        self._forget_if_done(tup_id)

    def _forget_if_done(self, tup_id: int) -> None:
        if tup_id not in self.unacked_tuples:
            self._input.under_way.pop(tup_id, None)


def _descriptor() -> int:
    """Standard input; -1 where the process has none."""
    try:
        return -1 if sys.stdin is None else sys.stdin.fileno()
    except (OSError, ValueError):  # replaced, by a test or a notebook, or closed
        return -1


class Input:
    """A thread that waits for input, since no loop may; ``take`` gives the lines that it has read.

    It reads when there is something to read and no sooner, so that it can be ended at any time.
    ``under_way`` is the spout's: the lines that are emitted and not acked, by their number.
    """

    def __init__(self, fd: int) -> None:
        self.under_way: dict[int, bytes] = {}
        self._fd = fd
        self._wake: Callable[[], None] | None = None
        self._lines: deque[bytes] = deque()
        self._taken = 0
        self._ahead = 0
        self._room = threading.Condition()
        self._ended = False
        self._stop_here, self._stop_there = os.pipe()
        self._thread = threading.Thread(target=self._read, name="typhoon-stdin", daemon=True)

    def begin(self, wake: Callable[[], None]) -> None:
        """Read, if that has not begun, and call ``wake`` when there are lines."""
        self._wake = wake
        if self._thread.ident is None:
            self._thread.start()

    def take(self) -> tuple[int, bytes] | None:
        """The next line and its number; None where there is none yet, and an empty line for ever at
        the end of the input."""
        if not self._lines:
            return None
        line = self._lines[0]
        if not line:
            return self._taken, line
        self._lines.popleft()
        with self._room:
            self._ahead -= len(line)
            self._room.notify()
        self._taken += 1
        return self._taken, line

    def end(self) -> None:
        """The topology is over."""
        with self._room:
            self._ended = True
            self._room.notify()
        os.write(self._stop_there, b".")
        if self._thread.ident is not None:
            self._thread.join()
        self._wake = None
        os.close(self._stop_here)
        os.close(self._stop_there)

    def _read(self) -> None:
        begun: list[bytes] = []
        while data := self._chunk():
            *lines, rest = data.split(b"\n")
            if lines:
                lines[0] = b"".join([*begun, lines[0]])
                begun.clear()
                self._give([line + b"\n" for line in lines])
            begun.append(rest)
        last = b"".join(begun)
        self._give([last, b""] if last else [b""])

    def _chunk(self) -> bytes:
        """What can be read now, waiting for it; empty at the end, or when there is no need."""
        if self._fd < 0:
            return b""
        try:
            readable, _, _ = select.select([self._fd, self._stop_here], [], [])
            return b"" if self._stop_here in readable else os.read(self._fd, CHUNK)
        except OSError:  # a terminal that went away
            return b""

    def _give(self, lines: list[bytes]) -> None:
        with self._room:
            self._room.wait_for(lambda: self._ended or self._ahead < AHEAD)
            self._ahead += sum(map(len, lines))
            self._lines.extend(lines)
        wake = self._wake
        if wake is not None:
            wake()
