"""What a worker costs in memory, and what an idle topology costs in processor time.

    python benchmarks/memory.py [--input TEXT] [--rounds 5] [--seconds 5] [--json]

Each figure of each round comes from a process of its own, so that none stands on what another
left behind. Values are left aside: a tuple holds strings that all tuples share, and so does what
names a tree; what holds the values together counts. A tuple is queued for a bolt on a thread of its
own, which stands still.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from figures import Figure, answer, digits

from typhoon import Bolt, LocalCluster, Spout, TopologyBuilder, Tuple
from typhoon.cli._bench_report import check
from typhoon.metrics import Stats

MANY = 1_000_000
QUIET_S = 0.5
LOOK_S = 0.02
DEADLINE_S = 60.0
BEHIND = threading.Event()
"""Set when the bolt that stands still may go on."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line said."""

    text: Path
    seconds: float


def resident() -> int:
    """Bytes that this process has in memory now."""
    return int(psutil.Process().memory_info().rss)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"error: {what} did not come about in {DEADLINE_S:.0f} s")
        time.sleep(LOOK_S)


# Idle ----------------------------------------------------------------------------------------


class Polled(Spout):
    """Has no data, and nobody who would wake the worker when there is some."""

    outputs = ["value"]

    def next_tuple(self) -> None:
        pass


class Ignore(Bolt):
    def process(self, tup: Tuple) -> None:
        pass


def idle(given: Given) -> dict[str, float]:
    """Megabytes of a worker that has nothing to do, and its share of a core."""
    builder = TopologyBuilder("idle")
    builder.set_spout("spout", Polled)
    builder.set_bolt("bolt", Ignore).shuffle_grouping("spout")
    with LocalCluster() as cluster:
        running = cluster.submit("idle", builder)
        time.sleep(QUIET_S)
        spent, began = time.process_time(), time.monotonic()
        time.sleep(given.seconds)
        share = (time.process_time() - spent) / (time.monotonic() - began)
        check("executed", 0, running.stats().executed["bolt"])
        return {"rss_mb": resident() / 1e6, "share": share * 100}


def idle_process(given: Given) -> dict[str, float]:
    """The same for the larger of two worker processes."""
    builder = TopologyBuilder("idle")
    builder.set_spout("spout", Polled)
    builder.set_bolt("bolt", Ignore).shuffle_grouping("spout")
    with LocalCluster(processes=True) as cluster:
        running = cluster.submit("idle", builder, {"topology.workers": 2})
        running.wait_until_running()
        time.sleep(given.seconds)
        return {"rss_mb": max(process.rss_mb for process in running.stats().processes)}


# One tuple, one tree -------------------------------------------------------------------------


def flood(values: list[str], token: str | None) -> type[Spout]:
    """A spout that emits the same shared strings, in a new list each time."""

    class Flood(Spout):
        outputs = [f"field{number}" for number in range(len(values))]

        def initialize(self, conf: Any, context: Any) -> None:
            self.left = MANY

        def next_tuple(self) -> None:
            if self.left == 0:
                raise StopIteration
            self.left -= 1
            self.emit(values[:], tup_id=token)

    return Flood


class StandStill(Bolt):
    """Waits in its first tuple, so that all others stay queued."""

    threaded = True

    def process(self, tup: Tuple) -> None:
        BEHIND.wait()


class Leave(Bolt):
    """Keeps nothing and settles nothing: the trees stay pending."""

    auto_ack = False

    def process(self, tup: Tuple) -> None:
        pass


def each(spout: type[Spout], bolt: type[Bolt]) -> dict[str, float]:
    """Bytes for each of a million tuples that stay where ``bolt`` leaves them."""
    builder = TopologyBuilder("flood", {"topology.executor.receive.buffer.size": 2 * MANY})
    builder.set_spout("spout", spout)
    builder.set_bolt("bolt", bolt).shuffle_grouping("spout")
    with LocalCluster() as cluster:
        running = cluster.submit("flood", builder, active=False)
        time.sleep(QUIET_S)
        gc.collect()
        before = resident()
        running.activate()
        stand = bolt is StandStill
        wait_for(lambda: running.stats().emitted["spout"] == MANY, "a million emits")
        if not stand:
            wait_for(lambda: running.stats().executed["bolt"] == MANY, "a million executions")
        time.sleep(QUIET_S)
        gc.collect()
        after = resident()
        stats = running.stats()
        left = sum(one.queued for one in stats.components) if stand else stats.components[0].pending
        BEHIND.set()
    # A queue's length is published between turns: the tuple that the bolt stands in may count.
    check("left", MANY, left + 1 if stand and left == MANY - 1 else left)
    return {"bytes": (after - before) / MANY}


def queued_one(_: Given) -> dict[str, float]:
    return each(flood(["storm"], None), StandStill)


def queued_two(_: Given) -> dict[str, float]:
    return each(flood(["storm", "rain"], None), StandStill)


def pending(_: Given) -> dict[str, float]:
    return each(flood(["storm"], "tree"), Leave)


def queued_pending(_: Given) -> dict[str, float]:
    return each(flood(["storm"], "tree"), StandStill)


# Under load ----------------------------------------------------------------------------------


def read(path: Path) -> Iterator[str]:
    """The lines of a file over and over, one at a time."""
    while True:
        with path.open(encoding="utf-8", errors="replace") as text:
            yield from text


def lines_of(path: Path) -> type[Spout]:
    class Lines(Spout):
        outputs = ["line"]

        def initialize(self, conf: Any, context: Any) -> None:
            self.lines = enumerate(read(path))

        def next_tuple(self) -> None:
            number, line = next(self.lines)
            self.emit([line], tup_id=number)

    return Lines


class Split(Bolt):
    outputs = ["word"]

    def process(self, tup: Tuple) -> None:
        for word in tup["line"].split():
            self.emit([word])


class Count(Bolt):
    outputs = ["word", "count"]

    def initialize(self, conf: Any, context: Any) -> None:
        self.counts: dict[str, int] = {}

    def process(self, tup: Tuple) -> None:
        word = tup["word"]
        self.counts[word] = count = self.counts.get(word, 0) + 1
        self.emit([word, count])


def counting(given: Given, executors: int) -> TopologyBuilder:
    """Word count, as fast as it can."""
    builder = TopologyBuilder("load")
    builder.set_spout("lines", lines_of(given.text), executors)
    builder.set_bolt("split", Split, executors).shuffle_grouping("lines")
    builder.set_bolt("count", Count, executors).fields_grouping("split", ["word"])
    return builder


def load(given: Given) -> dict[str, float]:
    """The most megabytes of a worker that counts words as fast as it can."""
    most = 0
    with LocalCluster() as cluster:
        running = cluster.submit("load", counting(given, 1))
        until = time.monotonic() + given.seconds
        while time.monotonic() < until:
            most = max(most, resident())
            time.sleep(LOOK_S)
        check("drained", 1, running.drain())
        stats = running.stats()
    return loaded(stats, most)


def load_process(given: Given) -> dict[str, float]:
    """The same for the larger of two worker processes, with all of it in each."""
    most = 0.0
    with LocalCluster(processes=True) as cluster:
        config = {"topology.workers": 2, "topology.message.timeout.secs": 300}
        running = cluster.submit("load", counting(given, 2), config)
        running.wait_until_running()
        pids = [process.pid for process in running.stats().processes]
        until = time.monotonic() + given.seconds
        while time.monotonic() < until:
            held = (psutil.Process(pid).memory_info().rss for pid in pids)
            most = max(most, *held)
            time.sleep(LOOK_S)
        check("drained", 1, running.drain())
        stats = running.stats()
    return loaded(stats, most)


def loaded(stats: Stats, most: float) -> dict[str, float]:
    check("acked", stats.emitted["lines"], stats.acked)
    check("words", stats.emitted["split"], stats.executed["count"])
    return {"rss_mb": most / 1e6, "words_per_s": stats.executed["count"] / stats.seconds}


# A flood -------------------------------------------------------------------------------------

HEAVY = 1000
"""Bytes of each value of a flood: what piled up would show at once."""


class Slow(Bolt):
    """Takes a hundredth of what the spout could give."""

    threaded = True

    def process(self, tup: Tuple) -> None:
        time.sleep(2e-5)


class Endless(Spout):
    """Emits values of its own, as fast as it is asked to."""

    outputs = ["value"]
    emits_itself = True
    running: Endless

    def initialize(self, conf: Any, context: Any) -> None:
        self.number = 0
        Endless.running = self

    def next_tuple(self) -> None:
        if self.emits_itself:
            self.more()

    def more(self) -> None:
        self.number += 1
        self.emit([bytes(HEAVY)], tup_id=self.number)


class Pushed(Endless):
    """Another thread emits for it."""

    emits_itself = False


def flooded(spout: type[Endless], seconds: float) -> dict[str, float]:
    """Megabytes that a worker grows by while ``spout`` floods a slow bolt for ``seconds``."""
    builder = TopologyBuilder("flooded")
    builder.set_spout("spout", spout)
    builder.set_bolt("slow", Slow).shuffle_grouping("spout")
    with LocalCluster() as cluster:
        running = cluster.submit("flooded", builder)
        wait_for(lambda: running.stats().status == "ACTIVE", "its start")
        end = threading.Event()
        pusher = threading.Thread(target=push, args=(end,))
        if not spout.emits_itself:
            wait_for(lambda: hasattr(Endless, "running"), "its start")
            pusher.start()
        time.sleep(seconds / 5)
        before = most = resident()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            most = max(most, resident())
            time.sleep(LOOK_S)
        end.set()
        if pusher.is_alive():
            pusher.join()
        check("drained", 1, running.drain())
        stats = running.stats()
    check("acked", stats.emitted["spout"], stats.acked)
    return {"grown_mb": (most - before) / 1e6, "emitted_mb": stats.acked * HEAVY / 1e6}


def push(end: threading.Event) -> None:
    while not end.is_set():
        Endless.running.more()


def flood_of_a_spout(given: Given) -> dict[str, float]:
    return flooded(Endless, given.seconds)


def flood_of_a_thread(given: Given) -> dict[str, float]:
    return flooded(Pushed, given.seconds)


def bare(_: Given) -> dict[str, float]:
    """Nothing but this script's own imports."""
    return {"rss_mb": resident() / 1e6}


# Rounds --------------------------------------------------------------------------------------

PARTS = {
    part.__name__: part
    for part in (
        bare,
        idle,
        idle_process,
        load,
        load_process,
        queued_one,
        queued_two,
        pending,
        queued_pending,
        flood_of_a_spout,
        flood_of_a_thread,
    )
}


def in_a_process(part: str, given: Given) -> dict[str, float]:
    """What ``part`` finds in a fresh interpreter."""
    command = [sys.executable, __file__, "--part", part]
    command += ["--input", str(given.text), "--seconds", str(given.seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def measure(given: Given, rounds: int) -> list[Figure]:
    found = [{part: in_a_process(part, given) for part in PARTS} for _ in range(rounds)]

    def values(part: str, name: str) -> list[float]:
        return [one[part][name] for one in found]

    def between(tracked: Sequence[float], trees: Sequence[float]) -> str:
        pairs = zip(tracked, trees, strict=True)
        return f"{digits(statistics.median(both - tree for both, tree in pairs))} bytes"

    alone = f"{digits(statistics.median(values('bare', 'rss_mb')))} MB"
    trees = values("pending", "bytes")
    tracked = between(values("queued_pending", "bytes"), trees)
    words = f"{statistics.median(values('load', 'words_per_s')):,.0f} words/s"
    return [
        Figure(
            what="a queued tuple of one field",
            values=values("queued_one", "bytes"),
            unit="bytes",
            goal=100,
            beside={"tracked, less its tree": tracked},
        ),
        Figure(
            what="a queued tuple of two fields",
            values=values("queued_two", "bytes"),
            unit="bytes",
            goal=100,
        ),
        Figure(what="a pending tree", values=trees, unit="bytes", goal=160),
        Figure(
            what="an idle worker",
            values=values("idle", "rss_mb"),
            unit="MB",
            goal=40,
            beside={"this script alone": alone},
        ),
        Figure(
            what="a worker under full load",
            values=values("load", "rss_mb"),
            unit="MB",
            goal=60,
            beside={"at": words},
        ),
        *(
            Figure(
                what=f"grown in a flood, {who} emits",
                values=values(part, "grown_mb"),
                unit="MB",
                goal=5,
                beside={"went through": f"{statistics.median(values(part, 'emitted_mb')):,.0f} MB"},
            )
            for part, who in (
                ("flood_of_a_spout", "the spout"),
                ("flood_of_a_thread", "another thread"),
            )
        ),
        Figure(
            what="one of two worker processes, idle",
            values=values("idle_process", "rss_mb"),
            unit="MB",
            goal=40,
        ),
        Figure(
            what="one of two worker processes under full load",
            values=values("load_process", "rss_mb"),
            unit="MB",
            goal=60,
        ),
        Figure(
            what="an idle topology, spout polled",
            values=values("idle", "share"),
            unit="% of a core",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="What a worker costs in memory.")
    parser.add_argument("--input", type=Path, help="the text (the standard library's `argparse`)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of idling, and of full load")
    parser.add_argument("--part", choices=PARTS, help="one figure, in this process, as JSON")
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    text = asked.input or Path(sysconfig.get_paths()["stdlib"], "argparse.py")
    given = Given(text, asked.seconds)
    if asked.part:
        print(json.dumps(PARTS[asked.part](given)))
        return
    settings = {"rounds": asked.rounds, "seconds": asked.seconds, "input": str(text)}
    print(answer("memory", measure(given, asked.rounds), settings, asked.as_json))


if __name__ == "__main__":
    main()
