"""A worker that ends when whoever started it ends, however that ends."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import threading

PARENT_FD = "TYPHOON_PARENT_FD"
"""The environment variable that names the end of a pipe. Its other end is the parent's alone."""


def end_with_parent() -> bool:
    """From now on this process dies when its parent is gone, with its group if it leads one.

    To be called early in a process that ``ProcessLauncher`` started; in any other it does nothing
    and gives False. The end is SIGKILL: nothing is closed in order.
    """
    name = os.environ.pop(PARENT_FD, None)
    if name is None:
        return False
    fd = int(name)
    os.set_inheritable(fd, False)
    if sys.platform == "linux":
        end_by_signal(fd)
    else:
        end_by_thread(fd)
    return True


def end_by_signal(fd: int) -> None:
    """Linux: the kernel sends the signal when the pipe's other end closes.

    So the process ends also while it is stopped, or while native code holds the GIL for ever.
    """
    fcntl.fcntl(fd, fcntl.F_SETOWN, _target())
    fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([fd], [], [], 0)[0]:
        _end()  # it closed before the kernel was asked to look


def end_by_thread(fd: int) -> None:
    """Anywhere: a thread waits for the end of the pipe. It needs the GIL to act on it."""

    def wait() -> None:
        os.read(fd, 1)
        _end()

    threading.Thread(target=wait, name="typhoon-parent", daemon=True).start()


def _target() -> int:
    """As ``kill`` takes it: this process's group, or itself if it leads none."""
    me = os.getpid()
    return -me if os.getpgrp() == me else me


def _end() -> None:
    os.kill(_target(), signal.SIGKILL)
