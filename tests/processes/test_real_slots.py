"""Slots whose workers are real processes."""

import os
import re
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from launcher_parts import LOGS, PORT, is_gone

from typhoon.cluster.supervisor import (
    Command,
    ProcessLauncher,
    SlotAssignment,
    SlotOptions,
    Slots,
    Status,
)

OPTIONS = SlotOptions(
    start_timeout_s=20,
    worker_timeout_s=20,
    shutdown_s=10,
    memory_limit_bytes=None,
    max_restarts=1000,
    restart_window_s=600,
    lasting_s=0,
    back_off_s=0.01,
    max_back_off_s=0.02,
)
WORKER = """
    import os, sys, time
    from typhoon.worker import end_with_parent
    end_with_parent()
    fd = int(sys.argv[1])
    while True:
        os.write(fd, sys.argv[2].encode() + b"\\n")
        time.sleep(0.02)
"""


class Town:
    """Slots whose workers send heartbeats by a pipe, and what is heard of them."""

    def __init__(self, folder: Path, wait_until: Callable, options: SlotOptions) -> None:
        self.wait_until = wait_until
        self.heard: list[tuple[float, Status, int, str]] = []
        self.pids: dict[int, int] = {}
        self.log = folder / "worker-6700.log"
        self.read, self.write = os.pipe()
        self.deaf = False
        launcher = ProcessLauncher(folder, LOGS)
        self.slots = Slots([PORT], launcher, options, self._on_change)
        self.listener = threading.Thread(target=self._listen)
        self.listener.start()

    def run(self, code: str = WORKER) -> None:
        """Assign a worker of that code."""

        def command(port: int, incarnation: int) -> Command:
            fd = os.dup(self.write)
            argv = (sys.executable, "-c", textwrap.dedent(code), str(fd), str(incarnation))
            return Command(argv, pass_fds=(fd,))

        self.slots.assign(PORT, SlotAssignment("t-1", frozenset({(1, 1)}), command))

    def until(self, status: Status, incarnation: int) -> tuple[float, str]:
        """When that was heard, and with which reason."""

        def found() -> tuple[float, str] | None:
            for at, *what, reason in self.heard:
                if what == [status, incarnation]:
                    return at, reason
            return None

        return self.wait_until(found, what=f"{status} of incarnation {incarnation}")

    def pid(self, incarnation: int) -> int:
        words = rf"incarnation {incarnation}, is process (\d+)"
        self.wait_until(self.log.exists)
        return int(self.wait_until(lambda: re.search(words, self.log.read_text()))[1])

    def close(self) -> None:
        self.slots.close(timeout=0)
        os.close(self.write)
        self.listener.join()
        os.close(self.read)

    def _on_change(self, port: int, status: Status, incarnation: int, reason: str) -> None:
        self.heard.append((time.perf_counter(), status, incarnation, reason))

    def _listen(self) -> None:
        with os.fdopen(os.dup(self.read)) as lines:
            for line in lines:
                self.slots.heartbeat(PORT, int(line))


@pytest.fixture
def settle(tmp_path: Path, wait_until: Callable) -> Iterator[Callable[..., Town]]:
    towns: list[Town] = []

    def make(**options: object) -> Town:
        known = {name: getattr(OPTIONS, name) for name in OPTIONS.__slots__}
        towns.append(Town(tmp_path, wait_until, SlotOptions(**{**known, **options})))
        return towns[-1]

    yield make
    for town in towns:
        town.close()


def test_a_killed_worker_is_back(settle: Callable[..., Town]) -> None:
    town = settle()
    town.run()
    for incarnation in range(1, 6):
        town.until(Status.RUNNING, incarnation)
        began = time.perf_counter()
        os.kill(town.pid(incarnation), signal.SIGKILL)
        at, reason = town.until(Status.WAITING_FOR_WORKER_START, incarnation + 1)
        assert reason == "killed by SIGKILL (out of memory?)"
        assert at - began < 0.5


def test_a_stopped_worker_is_silent_and_so_killed(settle: Callable[..., Town]) -> None:
    town = settle(worker_timeout_s=0.5)
    town.run()
    town.until(Status.RUNNING, 1)
    pid = town.pid(1)
    os.kill(pid, signal.SIGSTOP)
    assert town.until(Status.WAITING_FOR_WORKER_START, 2)[1] == "was silent for 0.5 s"
    town.until(Status.RUNNING, 2)
    assert is_gone(pid)


def test_a_worker_that_ignores_sigterm_is_killed_after_its_time(
    settle: Callable[..., Town],
) -> None:
    town = settle(shutdown_s=0.2)
    town.run(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + textwrap.dedent(WORKER)
    )
    town.until(Status.RUNNING, 1)
    town.slots.assign(PORT, None)
    asked = town.until(Status.KILL, 1)[0]
    ended = town.until(Status.EMPTY, 1)[0]
    assert 0.2 <= ended - asked < 5


def test_a_worker_above_its_limit(settle: Callable[..., Town]) -> None:
    town = settle(memory_limit_bytes=200_000_000)
    town.run("held = b'x' * 300_000_000\n" + textwrap.dedent(WORKER))
    reason = town.until(Status.WAITING_FOR_WORKER_START, 2)[1]
    assert re.fullmatch(r"out of memory: \d+ MB of 200 MB", reason)


def test_a_worker_that_never_starts_says_why_the_slot_gave_up(settle: Callable[..., Town]) -> None:
    town = settle(max_restarts=3, lasting_s=10)
    town.run("import nowhere")
    reason = town.until(Status.GIVEN_UP, 4)[1]
    assert reason == (
        "gave up after 3 restarts, none of which lasted 10 s: "
        "exit status 1: ModuleNotFoundError: No module named 'nowhere'"
    )


def test_fifty_restarts_leave_nothing(settle: Callable[..., Town]) -> None:
    def held() -> tuple[int, int, int]:
        me = psutil.Process()
        return me.num_fds(), threading.active_count(), len(me.children())

    town = settle()
    town.run("import sys\nprint('hello')\nsys.stdin.read()\nimport time; time.sleep(60)")
    town.until(Status.WAITING_FOR_WORKER_START, 1)
    town.pid(1)  # its log is open
    before = held()
    for incarnation in range(1, 51):
        os.kill(town.pid(incarnation), signal.SIGKILL)
        town.until(Status.WAITING_FOR_WORKER_START, incarnation + 1)
    town.wait_until(lambda: held() == before, what=f"{before} again, not {held()}")
