"""A finite input through three workers, of which one is killed every second; then all is counted.

    python benchmarks/soak.py [--lines 1000000] [--seconds 60] [--every 1] [--seed 1] [--json]

Every line is split into its words, and each word is stored under (line, position), committed before
it is acked. The source reads on from the lowest offset below which all is acked. In the end every
word must be there, and the mark of the source at the end of its file; how often a word came, and
how long a death was felt, is in the table. The exit status is 1 if anything is missing.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from typhoon import Bolt, Grouping, LocalCluster, Topology, Tuple
from typhoon.local import LocalTopology

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from resume import ResumingLines

WORKERS = 3
WORDS = 2
MARGIN_S = 8.0
"""The source outlasts the kills by so much."""


class Notes:
    """A file that any process appends lines to."""

    def __init__(self, path: str) -> None:
        self.handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def add(self, *what: Any) -> None:
        os.write(self.handle, json.dumps(what).encode() + b"\n")


class Lines(ResumingLines):
    """As fast as it may, and notes which lines failed, and when."""

    def initialize(self, conf: Any, context: Any) -> None:
        super().initialize(conf, context)
        self.notes = Notes(conf["soak.notes"])
        self.notes.add("spout", os.getpid(), time.monotonic(), self.done)
        self.pace = float(conf["soak.pace"])
        self.began, self.sent = time.monotonic(), 0

    def next_tuple(self) -> None:
        if not self.again:
            if self.sent >= (time.monotonic() - self.began) * self.pace:
                return
            self.sent += 1
        super().next_tuple()

    def fail(self, tup_id: int) -> None:
        self.notes.add("failed", number(self.pending[tup_id].decode()), time.monotonic())
        super().fail(tup_id)

    def fail_by_worker_death(self, tup_id: Any, *death: Any) -> None:
        self.notes.add("lost", number(self.pending[tup_id].decode()), time.monotonic())
        super().fail(tup_id)


class Split(Bolt):
    outputs = ["line", "position", "word", "port"]

    def initialize(self, conf: Any, context: Any) -> None:
        self.port = context.worker_port
        self.notes = Notes(conf["soak.notes"])
        self.is_new = True

    def process(self, tup: Tuple) -> None:
        if self.is_new:
            self.is_new = False
            self.notes.add("first", os.getpid(), time.monotonic(), self.port)
        line = number(tup["line"])
        for position, word in enumerate(tup["line"].split()):
            self.emit([line, position, word, self.port])


class Count(Bolt):
    def initialize(self, conf: Any, context: Any) -> None:
        self.port = context.worker_port
        self.database = sqlite3.connect(f"{conf['soak.databases']}-{context.task_index}")
        self.database.execute("pragma journal_mode = wal")
        self.database.execute("pragma synchronous = off")  # a kill is no loss of power
        self.database.execute(
            "create table if not exists words (line integer, position integer, word, "
            "split integer, count integer, times integer, primary key (line, position)) "
            "without rowid"
        )

    def process_many(self, tups: list[Tuple]) -> None:
        rows = [(*tup.values, self.port) for tup in tups]
        with self.database:
            self.database.executemany(
                "insert into words values (?, ?, ?, ?, ?, 1) "
                "on conflict do update set times = times + 1",
                rows,
            )


class Soak(Topology):
    lines = Lines.spec()
    split = Split.spec(inputs={lines: Grouping.fields("offset")}, par=WORKERS)
    count = Count.spec(inputs={split: Grouping.fields("line", "position")}, par=WORKERS)


def number(line: str) -> int:
    """The first word of a line is its number."""
    return int(line.split(" ", 1)[0])


class Kill(NamedTuple):
    at: float
    port: int
    pid: int


class Held(NamedTuple):
    """What the process that supervises holds."""

    rss_mb: float
    files: int
    threads: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        me = psutil.Process()
        return cls(round(me.memory_info().rss / 1e6, 1), me.num_fds(), me.num_threads())


@dataclass(frozen=True)
class Spread:
    """Seconds."""

    p50: float
    p99: float
    most: float
    of: int

    @classmethod
    def over(cls, values: Sequence[float]) -> Spread | None:
        if not values:
            return None
        ordered = sorted(values)
        return cls(
            round(ordered[len(ordered) // 2], 3),
            round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 3),
            round(ordered[-1], 3),
            len(ordered),
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="for so long workers die")
    parser.add_argument("--every", type=float, default=1.0, help="seconds from kill to kill")
    parser.add_argument("--seed", type=int, default=1, help="which worker dies when")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="typhoon-soak-") as folder:
        found = campaign(options, Path(folder))
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        width = max(map(len, found))
        for name, value in found.items():
            sys.stdout.write(f"{name:{width}}  {value}\n")
    wrongs = ("lost", "wrong", "timed out", "fails for other reasons")
    return 0 if found["all acked"] and not any(found[name] for name in wrongs) else 1


def campaign(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    source, notes = folder / "input", folder / "notes"
    with source.open("w", encoding="utf-8") as file:
        file.writelines(f"{n} word{n % 97}\n" for n in range(options.lines))
    conf = {
        "topology.workers": WORKERS,
        "topology.message.timeout.secs": 300,  # no tree may need it
        "supervisor.worker.lasting.secs": 0.05,  # nobody gives up on who is killed so often
        "input.path": str(source),
        "soak.notes": str(notes),
        "soak.databases": str(folder / "words"),
        "soak.pace": options.lines / (options.seconds + MARGIN_S),
    }
    warm_up(conf, folder)
    before = Held.now()
    began = time.monotonic()
    with LocalCluster(processes=True) as cluster:
        topology = cluster.submit("soak", Soak, conf)
        topology.wait_until_running(timeout=60)
        kills = kill_workers(topology, options)
        topology.wait_until_drained(timeout=600)
        stats = topology.stats()
    seconds = time.monotonic() - began
    del cluster, topology
    after = Held.now()
    acked = int((folder / "input.done").read_text(encoding="ascii")) == source.stat().st_size
    noted = [json.loads(line) for line in notes.read_text(encoding="ascii").splitlines()]
    words = count_words(folder, options.lines)
    deaths = [one for one in noted if one[0] == "lost"]
    spurious = [
        one for one in deaths if last_kill(kills, one[2]).port not in words.ports.get(one[1], ())
    ]
    felt = [on_the_way_again(kill, noted) for kill in kills]
    failed = [failed_after(kill, kills, deaths) for kill in kills]
    recovery, failing = (
        Spread.over([one for one in several if one is not None]) for several in (felt, failed)
    )
    return {
        "lines": options.lines,
        "seconds": round(seconds, 1),
        "kills": len(kills),
        "kills of the spout's worker": sum(one[0] == "spout" for one in noted) - 1,
        "all acked": acked,
        "lost": options.lines * WORDS - words.rows,
        "wrong": words.wrong,
        "duplicates": words.again,
        "replays told by fail": len(deaths),
        "fails for other reasons": sum(one[0] == "failed" for one in noted),
        "timed out": stats.timed_out,
        "spurious fails": len(spurious),
        "spurious fails per kill": round(len(spurious) / max(1, len(kills)), 1),
        "kill → first tuple of its successor, s": shown(recovery),
        "kill → last lost tree failed, s": shown(failing),
        "held before": before._asdict(),
        "held after": after._asdict(),
    }


def warm_up(conf: dict[str, Any], folder: Path) -> None:
    """What is imported and allocated once is no leak."""
    little = folder / "little"
    little.write_text("0 a\n1 b\n", encoding="ascii")
    names = {"soak.notes": str(folder / "x"), "soak.databases": str(folder / "x")}
    with LocalCluster(processes=True) as cluster:
        running = cluster.submit("warm", Soak, {**conf, **names, "input.path": str(little)})
        running.wait_until_drained(timeout=60)
        running.stats()


def kill_workers(topology: LocalTopology, options: argparse.Namespace) -> list[Kill]:
    """One every so often, drawn from those that run."""
    draw = random.Random(options.seed)
    began = time.monotonic()
    kills: list[Kill] = []
    for turn in range(1, int(options.seconds / options.every) + 1):
        time.sleep(max(0.0, began + turn * options.every - time.monotonic()))
        running = [one for one in topology.stats().processes if one.pid is not None]
        victim = draw.choice(running)
        assert victim.pid is not None
        kills.append(Kill(time.monotonic(), victim.port, victim.pid))
        os.kill(victim.pid, signal.SIGKILL)
    return kills


class Words(NamedTuple):
    rows: int
    wrong: int
    again: int
    ports: dict[int, set[int]]
    """By line: the ports of the workers that it visits. Its key says which, so they are always the
    same."""


def count_words(folder: Path, lines: int) -> Words:
    rows = wrong = again = 0
    ports: dict[int, set[int]] = {}
    for path in sorted(folder.glob("words-*")):
        if path.suffix or path.name.endswith(("-wal", "-shm")):
            continue
        database = sqlite3.connect(path)
        for line, position, word, split, count, times in database.execute("select * from words"):
            rows += 1
            again += times - 1
            expected = (str(line), f"word{line % 97}")[position] if line < lines else None
            wrong += word != expected
            ports.setdefault(line, set()).update((split, count))
        database.close()
    return Words(rows, wrong, again, ports)


def last_kill(kills: Sequence[Kill], at: float) -> Kill:
    return max((kill for kill in kills if kill.at <= at), key=lambda kill: kill.at)


def on_the_way_again(kill: Kill, noted: Sequence[Any]) -> float | None:
    """From a kill to the first tuple that the worker of the same port has processed since."""
    times = [
        at
        for kind, pid, at, *rest in (one for one in noted if one[0] == "first")
        if rest[0] == kill.port and pid != kill.pid and at > kill.at
    ]
    return min(times) - kill.at if times else None


def failed_after(kill: Kill, kills: Sequence[Kill], deaths: Sequence[Any]) -> float | None:
    """From a kill to the last fail before the next kill; None where the spout died itself."""
    times = [at for _, _, at in deaths if at > kill.at and last_kill(kills, at) == kill]
    return max(times) - kill.at if times else None


def shown(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return f"p50 {spread.p50}, p99 {spread.p99}, max {spread.most} (of {spread.of})"


if __name__ == "__main__":
    sys.exit(main())
