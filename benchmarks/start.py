"""How long starting takes: `import typhoon`, and `typhoon run` of a topology to its first tuple.

    python benchmarks/start.py [--rounds 15] [--json]

Every start is a process of its own. The first tuple is there when the first bolt's `process` is
called: the topology writes that moment, by the clock that all processes share, to a file.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from figures import Figure, answer, digits

TOPOLOGY = '''\
"""One line, counted; the bolt says when it was called."""

import os
import time
from pathlib import Path

from typhoon import Bolt, Spout, Topology


class Line(Spout):
    outputs = ["line"]

    def initialize(self, conf, context):
        self.lines = iter(["to be or not to be"])

    def next_tuple(self):
        self.emit([next(self.lines)], tup_id=0)


class First(Bolt):
    def process(self, tup):
        Path(os.environ["FIRST_TUPLE"]).write_text(str(time.monotonic_ns()), encoding="ascii")


class OneLine(Topology):
    line = Line.spec()
    first = First.spec(inputs=[line])
'''


class Life(NamedTuple):
    """Milliseconds of a process, by the clock on the wall and of processor time."""

    wall: float
    processor: float


class Run(NamedTuple):
    """Milliseconds from before the process was made to its first tuple, and its whole life."""

    first_tuple: float
    whole: Life


def spent() -> float:
    """Milliseconds of processor time of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e3


def process(*arguments: str, surroundings: Mapping[str, str] | None = None) -> Life:
    """A new interpreter, from before it is made until it has ended."""
    before, began = spent(), time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **(surroundings or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=True,
    )
    return Life((time.perf_counter() - began) * 1e3, spent() - before)


def run(folder: Path) -> Run:
    """``typhoon run`` of the topology above, in a process that has loaded nothing."""
    told = folder / "first-tuple"
    told.unlink(missing_ok=True)
    began = time.monotonic_ns()
    whole = process(
        "-m",
        "typhoon.cli",
        "run",
        str(folder / "one_line.py"),
        surroundings={"FIRST_TUPLE": str(told)},
    )
    return Run((int(told.read_text(encoding="ascii")) - began) / 1e6, whole)


def measure(folder: Path, rounds: int) -> list[Figure]:
    (folder / "one_line.py").write_text(TOPOLOGY, encoding="utf-8")
    bare, imports, runs = [], [], []
    for number in range(rounds + 1):
        found = process("-c", "pass"), process("-c", "import typhoon"), run(folder)
        if number:  # the first round fills the caches of the disk and of compiled modules
            bare.append(found[0])
            imports.append(found[1])
            runs.append(found[2])
    return [
        living("python -c pass", bare),
        living("python -c 'import typhoon'", imports, goal=60),
        Figure(
            what="typhoon run, to the first tuple",
            values=[one.first_tuple for one in runs],
            unit="ms",
            goal=250,
        ),
        living("typhoon run of one line, to its end", [one.whole for one in runs]),
    ]


def living(what: str, lives: Sequence[Life], goal: float | None = None) -> Figure:
    processor = digits(statistics.median(life.processor for life in lives))
    return Figure(
        what=what,
        values=[life.wall for life in lives],
        unit="ms",
        goal=goal,
        beside={"processor time": f"{processor} ms"},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="How long starting takes.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), given.rounds)
    print(answer("start", figures, {"rounds": given.rounds}, given.as_json))


if __name__ == "__main__":
    main()
