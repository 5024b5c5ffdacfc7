"""More workers, more words? For a machine with more cores than two.

    python benchmarks/scale.py --input TEXT [--most 16] [--rounds 3] [--seconds 4] [--json]

Word count with the whole pipeline in each of 1, 2, 4, 8 and 16 worker processes over TCP, every
line acked, as far as `--most` goes (the machine's cores, if it is not given). Efficiency is the
rate over that of as many times the one worker in the same round. With `--peers`, those of
`benchmarks/peers` that are installed or can be are measured beside: Bytewax on as many workers,
Storm in one JVM that is kept to as many cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from figures import digits, table

HERE = Path(__file__).resolve().parent
WORKERS = (1, 2, 4, 8, 16)


def typhoon(given: argparse.Namespace, workers: int) -> float:
    """Words per second of one round."""
    command = [sys.executable, "-m", "typhoon.cli", "bench", "word-count", "--json"]
    command += ["--input", str(given.input), "--seconds", str(given.seconds), "--rounds", "1"]
    # One worker is a process as well: what it runs is asked for beside two.
    command += ["--workers", str(max(2, workers)), "--transport", "tcp"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    rate = float(found["rate"])
    return rate / float(found["of_one_worker"]) if workers == 1 else rate


def peers(given: argparse.Namespace, workers: int) -> Iterator[tuple[str, Any, Path]]:
    """Name, system and folder of each peer that there is."""
    sys.path.insert(0, str(HERE / "peers"))
    import systems
    from install import Cache, CannotInstallError

    plan = systems.Plan(given.input, given.seconds, 10.0, 60.0, (500,), ("words",), ())
    cache = Cache(HERE.parent / ".bench")
    try:
        cache.prepare()
        row = next(row for row in systems.bytewax(plan, cache) if row.table == "words")
        command = list(row.command)
        for option, value in (("--workers", str(workers)), ("--batch", "1000")):
            command[command.index(option) + 1] = value
        yield "Bytewax", replace(row, command=tuple(command)), cache.folder
    except CannotInstallError as error:
        print(f"Bytewax is left out: {error}", file=sys.stderr)
    try:
        row = next(systems.storm(plan, cache))
        cores = ("taskset", "-c", f"0-{workers - 1}") if shutil.which("taskset") else ()
        yield "Storm", replace(row, command=(*cores, *row.command)), cache.folder
    except CannotInstallError as error:
        print(f"Storm is left out: {error}", file=sys.stderr)


def measure(given: argparse.Namespace) -> dict[str, dict[int, list[float]]]:
    """Rates by system and number of workers, by turns."""
    rates: dict[str, dict[int, list[float]]] = {}
    for number in range(given.rounds):
        steps = [workers for workers in WORKERS if workers <= given.most]
        for workers in steps if number % 2 == 0 else reversed(steps):
            mine = rates.setdefault("Typhoon", {})
            mine.setdefault(workers, []).append(typhoon(given, workers))
            for name, system, folder in peers(given, workers) if given.peers else ():
                import systems

                try:
                    rate = systems.measure(system, folder).rate
                except systems.MeasurementError as error:
                    print(f"{name} on {workers}: {error}", file=sys.stderr)
                    continue
                rates.setdefault(name, {}).setdefault(workers, []).append(rate)
    return rates


def rows(rates: dict[str, dict[int, list[float]]]) -> list[list[str]]:
    found = [["system", "workers", "words/s", "range", "of one", "efficiency"]]
    for name, by_workers in rates.items():
        ones = by_workers.get(1, [])
        for workers, values in sorted(by_workers.items()):
            pairs = zip(values, ones, strict=False)
            of_one = statistics.median(rate / one for rate, one in pairs) if ones else float("nan")
            found.append(
                [
                    name,
                    str(workers),
                    f"{statistics.median(values):,.0f}",
                    f"{digits(min(values))} - {digits(max(values))}",
                    f"{of_one:.2f}",
                    f"{of_one / workers:.2f}",
                ]
            )
    return found


def main() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser = argparse.ArgumentParser(description="More workers, more words?")
    parser.add_argument("--input", type=Path, required=True, help="the text; any will do")
    parser.add_argument("--most", type=int, default=cores or 1, help="workers at most (the cores)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement")
    parser.add_argument("--peers", action="store_true", help="Bytewax and Storm beside")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    given.input = given.input.resolve()
    rates = measure(given)
    if given.as_json:
        print(json.dumps({"name": "scale", "cores": cores, "rates": rates}))
    else:
        print(f"scale, cores {cores}, rounds {given.rounds}\n\n{table(rows(rates))}")


if __name__ == "__main__":
    main()
