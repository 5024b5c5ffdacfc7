"""How soon the death of a worker is known, and what keeping its output costs.

Usage: python benchmarks/slots.py [ROUNDS]
"""

from __future__ import annotations

import os
import re
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from typhoon.cluster.supervisor import (
    Command,
    LogOptions,
    ProcessLauncher,
    SlotAssignment,
    Slots,
    Status,
    slot_options,
)
from typhoon.cluster.supervisor._deaths import PidFds, Waiters
from typhoon.config import topology_conf

PORT = 6700
FLOOD_BYTES = 1 << 28
SLEEP = ("sleep", "60")
FLOOD = ("head", "-c", str(FLOOD_BYTES), "/dev/zero")


def killed(folder: Path, watch: type, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds from `kill -9` to the news of it, and to the next process."""
    heard: dict[int, float] = {}
    started: dict[int, float] = {}
    changed = threading.Condition()

    def on_change(port: int, status: Status, incarnation: int, reason: str) -> None:
        with changed:
            if status is Status.WAITING_FOR_WORKER_START:
                started[incarnation] = time.perf_counter()
            changed.notify_all()

    def command(port: int, incarnation: int) -> Command:
        with changed:
            heard[incarnation] = time.perf_counter()
        return Command(SLEEP)

    conf = topology_conf({"supervisor.worker.max.restarts": 10**6}).values
    conf = {**conf, "supervisor.worker.back.off.secs": 0}
    launcher = ProcessLauncher(folder, LogOptions(max_bytes=10**8, files=2), watch())
    slots = Slots([PORT], launcher, slot_options(conf), on_change)
    slots.assign(PORT, SlotAssignment("bench", frozenset({(1, 1)}), command))
    known, back = [], []
    for incarnation in range(1, rounds + 1):
        wait_for(changed, lambda: incarnation in started)  # noqa: B023 - called in this round
        pid = pid_of(folder / f"worker-{PORT}.log", incarnation)
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        wait_for(changed, lambda: incarnation + 1 in started)  # noqa: B023
        known.append((heard[incarnation + 1] - began) * 1e3)
        back.append((started[incarnation + 1] - began) * 1e3)
    slots.close(timeout=0)
    return known, back


def wait_for(changed: threading.Condition, condition: Callable[[], bool]) -> None:
    with changed:
        changed.wait_for(condition, timeout=10)


def pid_of(log: Path, incarnation: int) -> int:
    words = re.compile(rf"incarnation {incarnation}, is process (\d+)")
    while not (log.exists() and (found := words.search(log.read_text()))):
        time.sleep(0.001)
    return int(found[1])


def flood(folder: Path) -> tuple[float, float]:
    """MB/s of a worker that only prints, and seconds of the pump's processor per GB."""
    launcher = ProcessLauncher(folder, LogOptions(max_bytes=10**8, files=2))
    began, used = time.perf_counter(), time.process_time()
    launcher.launch(PORT, 1, Command(FLOOD))
    while not launcher.deaths():
        time.sleep(0.001)
    wall, used = time.perf_counter() - began, time.process_time() - used
    launcher.close()
    return FLOOD_BYTES / wall / 1e6, used / FLOOD_BYTES * 1e9


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 200
    print(
        "| a worker is killed | known, ms: median | p99 | most | the next runs, ms: median | p99 |"
    )
    print("|---|---|---|---|---|---|")
    for name, watch in [("pidfd", PidFds), ("a thread that waits", Waiters)]:
        with tempfile.TemporaryDirectory() as folder:
            known, back = killed(Path(folder), watch, rounds)
        figures = (statistics.median(known), p99(known), max(known), statistics.median(back))
        print("|", name, *(f"| {figure:.2f}" for figure in (*figures, p99(back))), "|")
    with tempfile.TemporaryDirectory() as folder:
        speed, cost = flood(Path(folder))
    print(f"output: {speed:.0f} MB/s, {cost:.1f} s of a core per GB")


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


if __name__ == "__main__":
    main()
