"""How fast a killed worker is replaced, and what it takes with it.

    python benchmarks/recovery.py [--kills 10] [--workers 2] [--rate 5000] [--json]

Word count on worker processes under a steady load of lines. By turns the worker of the first count
and the worker of the spout is killed (`kill -9`); each kill gives the milliseconds until

- its death is known to the one who supervises,
- all trees that it may have had a part of were failed at their spout, as told by the spout,
- a task of the process that was started in its place has processed its first tuple,

and how many trees were failed and emitted again, and how many of these without need: all of their
words had been counted when their spout was told of the failure. The source is a range of numbers;
a spout that starts anew begins with its first.
"""

from __future__ import annotations

import argparse
import os
import signal
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import Figure, answer

from typhoon import Bolt, LocalCluster, ReliableSpout, TopologyBuilder, Tuple
from typhoon.local import LocalTopology
from typhoon.metrics import WorkerStats

WORDS = 8
WORD = "<dqq"
"""When a word was counted, and of which tree: the spout's process and the number."""
SETTLE_S = 1.0
DEADLINE_S = 30.0
LOOK_S = 0.0003


class Paced(ReliableSpout):
    """Emits numbers on schedule, and says when it was told of failures."""

    outputs = ("pid", "number")

    def initialize(self, conf: Any, context: Any) -> None:
        self.interval = 1 / conf["rate"]
        self.number = 0
        self.due = time.monotonic()
        self.failures = Path(conf["folder"], f"failed-{os.getpid()}").open("ab", 0)  # noqa: SIM115

    def next_tuple(self) -> None:
        now = time.monotonic()
        if now < self.due:
            return
        # What was missed while nobody asked is not made good: the load stays steady.
        self.due = max(self.due + self.interval, now - 0.01)
        self.emit([os.getpid(), self.number], tup_id=f"{os.getpid()} {self.number}")
        self.number += 1

    def fail_by_worker_death(self, tup_id: str, max_worker_deaths: int, death: Any = None) -> None:
        self.failures.write(f"{time.monotonic()} {tup_id}\n".encode())
        super().fail_by_worker_death(tup_id, max_worker_deaths, death)


class Split(Bolt):
    outputs = ("tree", "word")

    def process(self, tup: Tuple) -> None:
        pid, number = tree = tup.values
        for word in range(WORDS):
            self.emit([tree, f"{pid}-{number}-{word}"])


class Count(Bolt):
    """Says when its first tuple came."""

    def initialize(self, conf: Any, context: Any) -> None:
        self.first = Path(conf["folder"], f"first-{os.getpid()}")
        self.words = Path(conf["folder"], f"words-{os.getpid()}").open("ab", 0)  # noqa: SIM115
        self.count = 0

    def process(self, tup: Tuple) -> None:
        if not self.count:
            part = self.first.with_suffix(".part")
            part.write_text(str(time.monotonic()), encoding="ascii")
            part.rename(self.first)
        self.count += 1
        self.words.write(struct.pack(WORD, time.monotonic(), *tup["tree"]))


@dataclass(frozen=True, slots=True)
class Kill:
    """What one kill came to; times in milliseconds, None where there was nothing to wait for."""

    known: float
    failed: float | None
    running: float
    first: float
    trees: int
    replayed: int
    spurious: int


def topology(given: argparse.Namespace, folder: Path) -> TopologyBuilder:
    """Everything once in each worker, but for the spout: that is in one only."""
    conf = {
        "rate": given.rate,
        "folder": str(folder),
        "topology.workers": given.workers,
        "topology.message.timeout.secs": 300,
    }
    builder = TopologyBuilder("recovery", conf)
    builder.set_bolt("count", Count, given.workers).fields_grouping("split", ["word"])
    builder.set_spout("numbers", Paced)
    builder.set_bolt("split", Split, given.workers).shuffle_grouping("numbers")
    return builder


def wait_for(condition: Callable[[], Any], what: str) -> float:
    """When it came about."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"error: {what} did not come about in {DEADLINE_S:.0f} s")
        time.sleep(LOOK_S)
    return time.monotonic()


def kill(running: LocalTopology, folder: Path, of_spout: bool) -> Kill:
    """Kill one worker and wait until all is as before."""
    before = running.stats()
    spout = next(one for one in before.processes if "numbers" in one.components)
    other = next(one for one in before.processes if "numbers" not in one.components)
    victim = spout if of_spout else other
    if victim.pid is None:
        raise SystemExit(f"error: the worker on port {victim.port} does not run")
    old = {file.name for file in folder.iterdir()}

    def now() -> WorkerStats:
        return next(one for one in running.processes if one.port == victim.port)

    began = time.monotonic()
    os.kill(victim.pid, signal.SIGKILL)
    known = wait_for(lambda: now().pid is None, "the death")
    wait_for(lambda: now().starts > victim.starts, "the new start")
    running.wait_until_running(DEADLINE_S)
    up = time.monotonic()

    def firsts() -> list[Path]:
        return [file for file in folder.glob("first-?*") if file.name not in old]

    wait_for(lambda: [file for file in firsts() if not file.suffix], "the first tuple")
    first = min(float(file.read_text(encoding="ascii")) for file in firsts() if not file.suffix)
    time.sleep(SETTLE_S)
    after = running.stats()
    failures = failed_since(folder, began)
    counted = counted_since(folder, began - SETTLE_S)
    spurious = sum(
        sum(when <= at for when in counted.get(tree, ())) >= WORDS for at, tree in failures
    )

    def since(at: float) -> float:
        return (at - began) * 1e3

    return Kill(
        known=since(known),
        failed=since(max(at for at, _ in failures)) if failures else None,
        running=since(up),
        first=since(first),
        trees=len(failures),
        replayed=after.replayed - before.replayed,
        spurious=spurious,
    )


Tree = tuple[int, int]


def failed_since(folder: Path, began: float) -> list[tuple[float, Tree]]:
    """When which trees were failed at their spout."""
    lines = (
        line.split()
        for file in folder.glob("failed-*")
        for line in file.read_text(encoding="ascii").splitlines()
    )
    return [(float(at), (int(pid), int(n))) for at, pid, n in lines if float(at) >= began]


def counted_since(folder: Path, began: float) -> dict[Tree, list[float]]:
    """When the words of each tree were counted."""
    found: dict[Tree, list[float]] = {}
    for file in folder.glob("words-*"):
        content = file.read_bytes()
        whole = len(content) - len(content) % struct.calcsize(WORD)
        for at, pid, number in struct.iter_unpack(WORD, content[:whole]):
            if at >= began:
                found.setdefault((pid, number), []).append(at)
    return found


def figures(kills: Sequence[Kill], whose: str) -> list[Figure]:
    def one(what: str, values: Sequence[float], unit: str, goal: float | None = None) -> Figure:
        ordered = sorted(values)
        p99 = ordered[round(0.99 * (len(ordered) - 1))]
        beside = {"p99": f"{p99:.1f}", "max": f"{ordered[-1]:.1f}"}
        return Figure(what=f"{whose}: {what}", values=values, unit=unit, goal=goal, beside=beside)

    failed = [kill.failed for kill in kills if kill.failed is not None]
    after = [kill.failed - kill.known for kill in kills if kill.failed is not None]
    found = [one("kill to known death", [kill.known for kill in kills], "ms")]
    if failed:
        found.append(one("kill to the last failed tree", failed, "ms"))
        found.append(one("known death to the last failed tree", after, "ms", 300))
    found += [
        one("kill to running again", [kill.running for kill in kills], "ms"),
        one("kill to the first new tuple", [kill.first for kill in kills], "ms", 500),
        one("trees failed at a spout", [kill.trees for kill in kills], ""),
        one("trees emitted again", [kill.replayed for kill in kills], ""),
        one("of these without need", [kill.spurious for kill in kills], ""),
    ]
    return found


def measure(given: argparse.Namespace) -> list[Figure]:
    kills: dict[bool, list[Kill]] = {False: [], True: []}
    with tempfile.TemporaryDirectory(prefix="typhoon-recovery-") as name:
        folder = Path(name)
        with LocalCluster(processes=True) as cluster:
            config = {
                "supervisor.worker.max.restarts": 1_000_000,
                "supervisor.worker.lasting.secs": 0.5,
                "worker.link.transport": given.transport,
            }
            running = cluster.submit("recovery", topology(given, folder), config)
            running.wait_until_running()
            time.sleep(2 * SETTLE_S)
            for number in range(2 * given.kills):
                kills[number % 2 == 1].append(kill(running, folder, number % 2 == 1))
            if running.failure is not None:
                raise SystemExit(f"error: {running.failure}")
            timed_out = running.stats().timed_out
    if timed_out:
        raise SystemExit(f"error: {timed_out} trees were found by their time-out only")
    return [*figures(kills[False], "a bolt's worker"), *figures(kills[True], "the spout's worker")]


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast a killed worker is replaced.")
    parser.add_argument("--kills", type=int, default=10, help="of each kind")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=5_000, help="lines per second")
    parser.add_argument("--transport", choices=["unix", "tcp"], default="unix")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    if given.workers < 2:
        parser.error("--workers: at least 2, so that one is there while the other is not")
    settings = {"kills of each": given.kills, "workers": given.workers, "lines per s": given.rate}
    print(answer("recovery", measure(given), settings, given.as_json))


if __name__ == "__main__":
    main()
