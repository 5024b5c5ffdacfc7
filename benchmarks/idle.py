"""What a worker costs: memory per queued tuple and per pending tree, resident size when idle and
under load, and the processor time of an idle topology.

    python benchmarks/idle.py
"""

import gc
import os
import time

import psutil

from typhoon import Bolt, LocalCluster, Spout, TopologyBuilder

MANY = 1_000_000


def resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


class Idle(Spout):
    outputs = ["x"]

    def next_tuple(self) -> None:
        pass


class Flood(Spout):
    """Emits one and the same values `MANY` times, so that they weigh nothing."""

    outputs = ["x"]

    def initialize(self, conf: object, context: object) -> None:
        self.left = MANY
        self.values = ("x",)

    def next_tuple(self) -> None:
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        self.emit(self.values, tup_id=self.left)


class Hold(Bolt):
    """Keeps nothing and settles nothing: the trees stay pending."""

    auto_ack = False

    def process(self, tup: object) -> None:
        pass


class Slow(Bolt):
    """Stands still at its first tuple, so that all others stay queued."""

    threaded = True

    def process(self, tup: object) -> None:
        time.sleep(1.5)


def topology(spout: type[Spout], bolt: type[Bolt]) -> TopologyBuilder:
    builder = TopologyBuilder("idle")
    builder.set_spout("spout", spout)
    builder.set_bolt("bolt", bolt).shuffle_grouping("spout")
    return builder


def per_tuple(bolt: type[Bolt]) -> float:
    before = resident()
    with LocalCluster() as cluster:
        running = cluster.submit(
            "one",
            topology(Flood, bolt),
            {"topology.executor.receive.buffer.size": 2 * MANY},
        )
        deadline = time.monotonic() + 30
        while running.stats().emitted["spout"] < MANY and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        after = resident()
    return (after - before) / MANY


def main() -> None:
    start = resident()
    with LocalCluster() as cluster:
        cluster.submit("one", topology(Idle, Hold))
        time.sleep(0.5)
        began, wall = time.process_time(), time.monotonic()
        time.sleep(3)
        share = (time.process_time() - began) / (time.monotonic() - wall)
        print(f"idle: {resident() / 2**20:.1f} MiB resident ({start / 2**20:.1f} before)")
        print(f"idle, spout polled: {share:.1%} of a core")
    pending = per_tuple(Hold)
    print(f"a pending tree with its int tup_id (28 bytes): {pending:.0f} bytes")
    queued = per_tuple(Slow)
    print(f"the same with its tuple queued: {queued:.0f} bytes")
    print(f"so a queued tuple: {queued - pending:.0f} bytes")
    print(f"processors: {os.cpu_count()}")


if __name__ == "__main__":
    main()
