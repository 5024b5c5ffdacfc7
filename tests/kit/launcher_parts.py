"""For tests of workers as real processes: a launcher, and what is asked of it."""

import re
import select
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from typhoon.cluster.supervisor import (
    Command,
    Death,
    LogOptions,
    ProcessLauncher,
)
from typhoon.cluster.supervisor._deaths import PidFds, Waiters

PORT = 6700
LOGS = LogOptions(max_bytes=10_000, files=3)
BEST = PidFds if sys.platform == "linux" else Waiters
SLEEP = "import time; time.sleep(60)"


def python(code: str, **arguments: object) -> Command:
    return Command((sys.executable, "-c", textwrap.dedent(code)), **arguments)


def is_gone(pid: int) -> bool:
    """Whether it runs no more; that nobody has reaped it yet is not our affair."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Yard:
    """A launcher, and what a test asks of it."""

    def __init__(
        self, folder: Path, wait_until: Callable, watch: type, logs: LogOptions = LOGS
    ) -> None:
        self.folder = folder
        self.wait_until = wait_until
        self.launcher = ProcessLauncher(folder, logs, watch())
        self.dead: list[Death] = []

    def log(self, port: int = PORT) -> str:
        file = self.folder / f"worker-{port}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def launch(self, command: Command, port: int = PORT, incarnation: int = 1) -> int:
        """Start it; gives the number of its process."""
        self.launcher.launch(port, incarnation, command)
        return self.pid(port, incarnation)

    def pid(self, port: int, incarnation: int) -> int:
        words = rf"worker {port}, incarnation {incarnation}, is process (\d+)"
        return int(self.wait_until(lambda: re.search(words, self.log(port)))[1])

    def says(self, words: str, port: int = PORT) -> None:
        self.wait_until(lambda: words in self.log(port), what=repr(words))

    def death(self, timeout: float = 10.0) -> Death:
        """The next one, for which its descriptor is waited for."""
        deadline = time.monotonic() + timeout
        while not self.dead:
            left = deadline - time.monotonic()
            assert left > 0, "nobody died"
            select.select([self.launcher], [], [], left)
            self.dead += self.launcher.deaths()
        return self.dead.pop(0)
