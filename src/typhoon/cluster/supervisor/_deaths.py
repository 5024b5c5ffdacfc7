"""How the end of a child becomes known at once: by a pidfd, or by a thread that waits for it."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
from collections import deque
from typing import Protocol, TypeAlias

from typhoon.cluster.supervisor._waker import Waker

Process: TypeAlias = subprocess.Popen[bytes]


class DeathWatch(Protocol):
    """Driven by one thread, which waits for ``fileno`` to become readable."""

    def fileno(self) -> int: ...

    def watch(self, process: Process) -> None:
        """From now on ``process`` is reported when it has ended."""

    def ended(self) -> list[Process]:
        """Those that have ended since the last call, without waiting."""

    def close(self) -> None:
        """Watch none any more; all that were watched must have ended."""


class PidFds:
    """Linux. Those that ended are not reaped yet, so their numbers are still theirs."""

    def __init__(self) -> None:
        self._selector = selectors.EpollSelector()

    def fileno(self) -> int:
        return self._selector.fileno()

    def watch(self, process: Process) -> None:
        handle = os.pidfd_open(process.pid)
        self._selector.register(handle, selectors.EVENT_READ, process)

    def ended(self) -> list[Process]:
        found: list[Process] = []
        for key, _ in self._selector.select(0):
            self._selector.unregister(key.fd)
            os.close(key.fd)
            found.append(key.data)
        return found

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()


class Waiters:
    """Anywhere: a thread per child. It reaps what it waits for.

    From that instant until ``ended`` is asked, the child's number may belong to another process: a
    risk that a handler of SIGCHLD, which would be the host program's to give away, has as well.
    """

    def __init__(self) -> None:
        self._waker = Waker()
        self._ended: deque[Process] = deque()
        self._threads: dict[Process, threading.Thread] = {}

    def fileno(self) -> int:
        return self._waker.fileno()

    def watch(self, process: Process) -> None:
        name = f"typhoon-wait-{process.pid}"
        thread = threading.Thread(target=self._wait, args=(process,), name=name, daemon=True)
        self._threads[process] = thread
        thread.start()

    def ended(self) -> list[Process]:
        self._waker.hear()
        found: list[Process] = []
        while self._ended:
            process = self._ended.popleft()
            self._threads.pop(process).join()
            found.append(process)
        return found

    def close(self) -> None:
        for thread in self._threads.values():
            thread.join()
        self._waker.close()

    def _wait(self, process: Process) -> None:
        process.wait()
        self._ended.append(process)
        self._waker.ring()


def death_watch() -> DeathWatch:
    """The best that this system has."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):  # not Linux, a kernel before 5.3, a sandbox that forbids it
        return Waiters()
    return PidFds()
