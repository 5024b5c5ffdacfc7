"""What is said to people: on stderr, readable without colour."""

from __future__ import annotations

import errno
import logging
import os
import sys

from typhoon import errors
from typhoon.errors import TyphoonError, told

STANDARD = (0, 1, 2)
"""The handles of standard input, output and error."""


class CommandLineError(TyphoonError):
    """The operator's: what was typed cannot be meant. Exit status 2."""


def say(line: str) -> None:
    """One line for the reader of the terminal; data goes to stdout."""
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        leave_closed_terminal()


def say_error(error: BaseException) -> None:
    """``error: cause``, ``hint: next step`` and, for those that have one, ``more:`` its heading."""
    say(f"error: {told(error) or type(error).__name__}")
    if type(error).__name__ in errors.__all__:
        say(f"more: {errors.PAGE}#{type(error).__name__.lower()}")


def write_out(text: str) -> None:
    """Data to standard output. Its reader may have gone, as ``head`` does: that is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        abandon_stdout()


def abandon_stdout() -> None:
    """Let go of what could not be written, or the interpreter tries once more when it ends."""
    _lead_nowhere(sys.stdout.fileno())


def open_closed_streams() -> None:
    """Standard streams that were closed (``>&-``) lead nowhere: Python has none then, and what is
    opened next, a socket say, would get the number that everybody takes for one of theirs."""
    for fd, name in zip(STANDARD, ("stdin", "stdout", "stderr"), strict=True):
        if getattr(sys, name) is not None:
            continue
        nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: that one
        stream = open(nowhere, "w" if fd else "r", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def leave_closed_terminal() -> None:
    """Whatever is still written to it, or read from it, would raise: it goes nowhere."""
    for fd in STANDARD:
        if _is_closed_terminal(fd):
            _lead_nowhere(fd)


def _lead_nowhere(fd: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, fd)
    os.close(nowhere)


def _is_closed_terminal(fd: int) -> bool:
    import termios

    try:
        termios.tcgetattr(fd)
    except termios.error as error:
        return bool(error.args) and error.args[0] == errno.EIO
    return False


class _Log(logging.Handler):
    """Log lines to the stderr of the moment, which a live table replaces while it stands."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            say(self.format(record))
        except Exception:
            self.handleError(record)


def start_logging(verbosity: int) -> None:
    """Warnings to stderr; with ``verbosity`` 1 what is worth knowing, with 2 everything."""
    levels = (logging.WARNING, logging.INFO, logging.DEBUG)
    handler = _Log()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=levels[min(verbosity, 2)], handlers=[handler])
