"""Stores the lines of a file in a database, and goes on where it was after a worker was killed.

typhoon run examples/resume.py --workers 2 -c input.path=FILE -c output.path=lines.db

FILE.done tells how far it has come. Kill what you like, and start it again: every line is in the
table `lines` in the end, once, however often it had to be sent.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typhoon import Bolt, Spout, Topology, Tuple

MARK_S = 0.05
"""How much work may have to be done again: what was acked in this time."""


class ResumingLines(Spout):
    """The lines of a file by their offsets, from the one before which everything is acked."""

    outputs = ["offset", "line"]

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.path = Path(conf["input.path"])
        self.mark = self.path.with_name(f"{self.path.name}.done")
        self.done = int(self.mark.read_text(encoding="ascii")) if self.mark.exists() else 0
        self.marked, self.marked_at = self.done, 0.0
        self.file = self.path.open("rb")
        self.file.seek(self.done)
        self.read = self.done
        self.pending: dict[int, bytes] = {}  # by offset: what was sent and is not acked
        self.order: deque[tuple[int, int]] = deque()  # (offset, length) from `done` on
        self.again: deque[int] = deque()

    def next_tuple(self) -> None:
        if self.again:
            offset = self.again.popleft()
        elif line := self.file.readline():
            offset, self.read = self.read, self.read + len(line)
            self.pending[offset] = line
            self.order.append((offset, len(line)))
        elif self.pending:
            return  # what is in flight may yet have to be sent again
        else:
            raise StopIteration
        text = self.pending[offset].decode("utf-8", errors="replace").rstrip("\n")
        self.emit([offset, text], tup_id=offset)

    def ack(self, tup_id: int) -> None:
        self.pending.pop(tup_id, None)
        while self.order and self.order[0][0] not in self.pending:
            offset, length = self.order.popleft()
            self.done = offset + length
        if time.monotonic() - self.marked_at > MARK_S or not self.order:
            self.write_mark()

    def fail(self, tup_id: int) -> None:
        """Also when a worker has died; this class has no limit to that."""
        self.again.append(tup_id)

    def write_mark(self) -> None:
        """In one step: whoever reads it finds the old mark or the new one."""
        if self.done != self.marked:
            new = self.mark.with_name(f"{self.mark.name}.new")
            new.write_text(str(self.done), encoding="ascii")
            new.replace(self.mark)
            self.marked = self.done
        self.marked_at = time.monotonic()

    def close(self) -> None:
        self.write_mark()
        self.file.close()


class Store(Bolt):
    """Once by name: a line that comes again takes the place of the first. It is acked when
    `process_many` returns, and so after the commit."""

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.database = sqlite3.connect(conf["output.path"])
        self.database.execute("create table if not exists lines (offset integer primary key, line)")

    def process_many(self, tups: list[Tuple]) -> None:
        rows = [tuple(tup.values) for tup in tups]
        with self.database:  # commits
            self.database.executemany("insert or replace into lines values (?, ?)", rows)

    def close(self) -> None:
        self.database.close()


class Resume(Topology):
    config = {"output.path": "lines.db"}
    lines = ResumingLines.spec()
    store = Store.spec(inputs=[lines])
