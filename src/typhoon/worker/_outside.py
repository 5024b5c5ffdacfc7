"""What a worker's process says to people: through its supervisor, who has their terminal."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

TAPPED = "tapped"
PRINTED = "printed"
LOGGED = "logged"

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
    """Standard output of a worker's process: what its components print, line by line."""

    def __init__(self) -> None:
        self._begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        lines, newline, rest = (self._begun + text).rpartition("\n")
        self._begun = rest
        if newline:
            tell_supervisor(PRINTED, lines + newline)
        return len(text)

    def flush(self) -> None:
        """A line that has begun waits for its end."""


class Logged(logging.Handler):
    """Warnings and worse to the supervisor as well; all else is in the worker's own log."""

    def emit(self, record: logging.LogRecord) -> None:
        if _say is not None:
            _say(LOGGED, record.levelno, record.name, self.format(record))
