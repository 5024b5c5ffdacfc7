"""Measures Typhoon beside Apache Storm and Bytewax, in one run on one machine.

    python benchmarks/peers/run.py --input TEXT

A round measures everyone once, in turn, and the bare Python loop in slices between them; every
second round goes the other way about. Ratios are made within a round, medians over the rounds.
README.md beside this file says more.
"""

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bare
from install import HERE, Cache, say
from systems import (
    GROUPS,
    TABLES,
    MeasurementError,
    Plan,
    System,
    default_typhoon,
    gather,
    measure,
)
from tables import Result, as_json, report

BARE_SLICE = 0.25  # of the seconds that each system is measured for
SHORTEST_SLICE_SECONDS = 1.0


class Bench:
    """The rounds: who is measured when, and what came of it."""

    def __init__(self, plan: Plan, folder: Path, systems: Sequence[System]) -> None:
        self.plan = plan
        self.folder = folder
        self.lines = bare.read_lines(plan.text)
        self.words = sum(bare.count(self.lines).values())
        self.results = [Result(system) for system in systems]
        self.bare: list[float] = []

    def round(self, number: int) -> None:
        """Measures everyone once; latency, which takes long and varies little, in round 1 only."""
        taking_part = [
            result for result in self.results if number == 1 or result.system.table != "latency"
        ]
        slices = [self.slice()]
        for result in taking_part if number % 2 else reversed(taking_part):
            self.measure(number, result)
            slices.append(self.slice())
        words, seconds = sum(each.words for each in slices), sum(each.seconds for each in slices)
        self.bare.append(words / seconds)
        say(f"round {number}: bare loop {words / seconds:,.0f} words/s")

    def slice(self) -> bare.Slice:
        """A stretch of the bare loop, whose result must be that of every pass."""
        wanted = max(SHORTEST_SLICE_SECONDS, BARE_SLICE * self.plan.seconds)
        found = bare.measure(self.lines, wanted)
        if found.words % self.words:
            raise AssertionError(f"the bare loop counted {found.words} words of {self.words}")
        return found

    def measure(self, number: int, result: Result) -> None:
        """Measures one system; a failure stays in the results and stops nobody else."""
        system = result.system
        what = f"round {number}: {system.name} ({system.settings}), {system.table}"
        try:
            sample = measure(system, self.folder)
            self.check(sample.figures)
        except MeasurementError as error:
            say(f"{what}: FAILED: {error}")
            result.samples.append(None)
            result.errors.append(f"round {number}: {error}")
        else:
            say(f"{what}: {sample.rate:,.0f}/s")
            result.samples.append(sample)

    def check(self, figures: dict[str, Any]) -> None:
        """Everybody must have found the same words in the text, whatever splits lines there."""
        found = figures.get("text_words") or self.words
        if found != self.words:
            raise MeasurementError(f"found {found} words in the text, the bare loop {self.words}")

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": {
                "cores": len(os.sched_getaffinity(0)),
                "system": platform.platform(),
                "python": platform.python_version(),
            },
            "text": {"lines": len(self.lines), "words": self.words},
            "seconds": self.plan.seconds,
            "warm_up_seconds": self.plan.warm_up,
            "bare_words_per_second": self.bare,
            "systems": [as_json(result, self.bare) for result in self.results],
        }


def words_of(choices: Sequence[str], text: str) -> tuple[str, ...]:
    """A list with commas between, all of it known words."""
    found = tuple(text.split(","))
    unknown = [word for word in found if word not in choices]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(unknown)} (there are {', '.join(choices)})"
        )
    return found


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", maxsplit=1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--input", "--text", type=Path, required=True, help="the text, UTF-8; any will do")
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=8, help="of each measurement, after the warm-up")
    add("--warm-up", type=float, default=10, help="seconds that the JVM gets to compile")
    add("--only", type=lambda text: words_of(GROUPS, text), default=GROUPS, help="which peers")
    add(
        "--tables",
        type=lambda text: words_of(TABLES, text),
        default=("words",),
        help="which tables",
    )
    add("--latency-seconds", type=float, default=60, help="of each latency measurement")
    add("--rates", type=int, nargs="+", default=[500, 10_000], help="events per second")
    add("--typhoon", metavar="CMD", type=shlex.split, default=default_typhoon(), help="ours")
    add("--cache", type=Path, default=HERE.parents[1] / ".bench", help="where peers are installed")
    add("--json", type=Path, metavar="OUT", help="a file for all that was measured")
    arguments = parser.parse_args()
    if not arguments.input.is_file():
        parser.error(f"there is no text at {arguments.input}")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    plan = Plan(
        text=arguments.input.resolve(),
        seconds=arguments.seconds,
        warm_up=arguments.warm_up,
        latency_seconds=arguments.latency_seconds,
        rates=tuple(arguments.rates),
        tables=arguments.tables,
        typhoon=tuple(arguments.typhoon),
    )
    cache = Cache(arguments.cache.resolve())
    cache.prepare()
    systems, skipped = gather(plan, cache, arguments.only)
    for group, reason in skipped.items():
        say(f"{group} is left out: {reason}")
    bench = Bench(plan, cache.folder, systems)
    for number in range(1, arguments.rounds + 1):
        bench.round(number)
    print(report(bench.results, bench.bare))
    for group, reason in skipped.items():
        print(f"\nleft out: {group}: {reason}")
    if arguments.json:
        everything = {**bench.as_json(), "skipped": skipped}
        arguments.json.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    return 1 if any(result.errors for result in bench.results) else 0


if __name__ == "__main__":
    sys.exit(main())
