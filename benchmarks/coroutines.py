"""What coroutines as bolts cost: a spout emits on schedule, each tuple waits in a coroutine; how
many were called per second, and what share of a processor the whole process took for it.

    python benchmarks/coroutines.py
    python benchmarks/coroutines.py --rate 5000 --in-flight 100 --json
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Mapping
from typing import Any

import psutil

from typhoon import AsyncBolt, LocalCluster, Spout, TopologyBuilder

WARM_UP_S = 1.0


class OnSchedule(Spout):
    """Emits what is due, whether or not others keep up."""

    outputs = ["n"]

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.began = time.monotonic()
        self.count = 0

    def next_tuple(self) -> None:
        due = int((time.monotonic() - self.began) * self.rate)
        for number in range(self.count, due):
            self.emit([number], tup_id=number)
        self.count = max(self.count, due)


class Wait(AsyncBolt):
    """A call to something that answers after a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def process(self, tup: Any) -> None:
        await asyncio.sleep(self.seconds)


def topology(options: argparse.Namespace) -> TopologyBuilder:
    bolt = type("Wait", (Wait,), {"max_in_flight": options.in_flight})
    builder = TopologyBuilder("coroutines")
    builder.set_spout("due", OnSchedule(options.rate))
    builder.set_bolt("wait", bolt(options.wait_ms / 1000)).shuffle_grouping("due")
    return builder


def measure(options: argparse.Namespace) -> dict[str, float]:
    process = psutil.Process()

    def used() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    with LocalCluster() as cluster:
        running = cluster.submit("coroutines", topology(options))
        time.sleep(WARM_UP_S)
        before, cpu, began = running.stats(), used(), time.monotonic()
        time.sleep(options.seconds)
        after, seconds = running.stats(), time.monotonic() - began
        share = (used() - cpu) / seconds
    calls = after.acked - before.acked
    return {
        "rate": options.rate,
        "wait_ms": options.wait_ms,
        "max_in_flight": options.in_flight,
        "seconds": round(seconds, 3),
        "calls_per_s": round(calls / seconds, 1),
        "cores": round(share, 3),
        "us_per_call": round(share * seconds / max(calls, 1) * 1e6, 1),
        "failed": after.failed + after.timed_out,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rate", type=int, default=10_000, help="tuples per second")
    parser.add_argument("--wait-ms", type=float, default=10.0, help="what each coroutine waits")
    parser.add_argument("--in-flight", type=int, default=200, help="max_in_flight")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured, after a warm-up")
    parser.add_argument("--json", action="store_true", help="one line of JSON in place of the text")
    options = parser.parse_args()
    figures = measure(options)
    if options.json:
        print(json.dumps(figures))
        return
    print(
        f"{figures['calls_per_s']:,.0f} calls/s of {options.rate:,}/s due, {options.wait_ms:g} ms "
        f"each, {options.in_flight} in flight at most: {figures['cores']:.2f} of a core, "
        f"{figures['us_per_call']:.0f} µs per call"
    )
    print(f"processors: {os.cpu_count()}")


if __name__ == "__main__":
    main()
