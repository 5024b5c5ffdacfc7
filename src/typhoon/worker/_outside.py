"""What a worker's process says to people: through its supervisor, who has their terminal."""

from __future__ import annotations

import codecs
import io
import logging
import threading
from collections.abc import Callable
from typing import Any

TAPPED = "tapped"
PRINTED = "printed"
LOGGED = "logged"

LOG_FD = 1
"""Where a worker's process has its log."""
LONGEST = 1 << 16
"""So many characters of a line that has begun may wait for its end."""

_say: Callable[..., None] | None = None


def connect(say: Callable[..., None]) -> None:
    """From now on ``say(what, ...)`` brings things to the supervisor."""
    global _say  # noqa: PLW0603 - a process has one supervisor
    _say = say


def tell_supervisor(what: str, text: str) -> None:
    """Nothing happens in a process that has none."""
    if _say is not None:
        _say(what, text)


class Printed(io.TextIOBase):
    """Standard output of a worker's process: what its components print, line by line.

    Each thread has a line of its own, so that those of several do not get mixed. ``fileno`` is that
    of the worker's log, where processes that it starts write.
    """

    name = "<stdout>"
    encoding = "utf-8"
    errors = "strict"
    line_buffering = True

    def __init__(self) -> None:
        self.buffer = PrintedBytes(self)
        self._begun: dict[int, io.StringIO] = {}
        self._lock = threading.RLock()  # what is collected meanwhile may print in its __del__

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return LOG_FD

    def reconfigure(self, **_: Any) -> None:
        """As of a file; nothing of it applies here."""

    def write(self, text: str) -> int:
        if not str.isascii(text):
            text.encode(self.encoding, self.errors)  # raises here, as a file would
        if whole := self._take(text):
            tell_supervisor(PRINTED, whole)
        return len(text)

    def _take(self, text: str) -> str:
        """The lines that are whole with ``text``; its rest waits."""
        thread = threading.get_ident()
        with self._lock:
            begun = self._begun.setdefault(thread, io.StringIO())
            begun.write(text)
            if "\n" not in text and begun.tell() <= LONGEST:
                return ""
            lines, newline, rest = self._begun.pop(thread).getvalue().rpartition("\n")
            if len(rest) > LONGEST:
                return lines + newline + rest
            if rest:
                self._begun[thread] = io.StringIO()
                self._begun[thread].write(rest)
            return lines + newline

    def flush(self) -> None:
        """A line that has begun waits for its end."""

    def finish(self) -> None:
        """Show the lines that have begun and will not end."""
        with self._lock:
            begun, self._begun = self._begun, {}
        for rest in begun.values():
            tell_supervisor(PRINTED, f"{rest.getvalue()}\n")


class PrintedBytes(io.BufferedIOBase):
    """``sys.stdout.buffer``: bytes that are no text are shown as their numbers."""

    def __init__(self, printed: Printed) -> None:
        self._printed = printed
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._lock = threading.RLock()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return LOG_FD

    def write(self, data: Any) -> int:
        content = bytes(memoryview(data))
        with self._lock:
            text = self._decoder.decode(content)
        self._printed.write(text)
        return len(content)


class Logged(logging.Handler):
    """Warnings and worse to the supervisor as well; all else is in the worker's own log."""

    def emit(self, record: logging.LogRecord) -> None:
        if _say is not None:
            _say(LOGGED, record.levelno, record.name, self.format(record))
