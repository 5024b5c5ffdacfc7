"""What an exit status means, in words."""

from __future__ import annotations

import signal

_HINTS = {
    signal.SIGKILL: " (out of memory?)",
    signal.SIGSEGV: " (a fault in native code)",
    signal.SIGBUS: " (a fault in native code, or a full disk under a mapped file)",
    signal.SIGABRT: " (native code gave up)",
}


def describe_exit(returncode: int) -> str:
    """A sentence about ``returncode``, which is negative for a signal, as in ``subprocess``."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        number = signal.Signals(-returncode)
    except ValueError:
        return f"killed by signal {-returncode}"
    return f"killed by {number.name}{_HINTS.get(number, '')}"
