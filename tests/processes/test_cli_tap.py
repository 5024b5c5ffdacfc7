"""`typhoon run --tap` and `--limit`: data on stdout, words on stderr."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

NUMBERS = """
import itertools
from typhoon import Bolt, ReliableSpout, Spout, Stream, Topology


class Numbers(Spout):
    outputs = ["n"]

    def initialize(self, conf, context):
        self.numbers = itertools.count() if conf.get("endless") else iter(range(5))

    def next_tuple(self):
        n = next(self.numbers)
        self.emit([n], tup_id=n)


class Square(Bolt):
    outputs = [Stream(["n", "square"]), Stream(["n"], name="odd")]

    def process(self, tup):
        n = tup["n"]
        if n % 2:
            self.emit([n], stream="odd")
        self.emit([n, {"value": n * n, "odd": {n % 2}}])


class Sink(Bolt):
    def process(self, tup):
        print("sunk", tup["n"])


class Squares(Topology):
    config = {"topology.max.spout.pending": 50}
    numbers = Numbers.spec()
    square = Square.spec(inputs=[numbers])
    sink = Sink.spec(inputs=[square])
"""

LISTS = """
from typhoon import Bolt, Spout, Topology, TopologyBuilder, spout


class Pairs(Spout):
    outputs = ["n"]

    def __init__(self, begin):
        self.n = begin

    def next_tuple(self):
        self.emit([self.n])
        self.emit([self.n])
        self.n += 1


@spout(outputs=["n"])
def ones():
    while True:
        yield 1


class Sink(Bolt):
    def process(self, tup):
        pass


builder = TopologyBuilder("lists")
builder.set_spout("pairs", Pairs(7))
builder.set_bolt("sink", Sink).shuffle_grouping("pairs")


class Functions(Topology):
    ones = ones.spec(par=2)
    sink = Sink.spec(inputs=[ones])
"""


def objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_tuple_is_one_json_line_and_nothing_else_is_on_stdout(
    write_app: Callable, run_typhoon: Callable
) -> None:
    result = run_typhoon("run", write_app(NUMBERS), "--tap", "square")
    assert result.returncode == 0, result.stderr
    assert objects(result.stdout) == [
        {"n": n, "square": {"value": n * n, "odd": str({n % 2})}} for n in range(5)
    ]
    assert "sunk 4" in result.stderr
    assert "square: emitted 7" in result.stderr
    assert "__tap" not in result.stderr


def test_several_streams_and_the_summary_after_them(
    write_app: Callable, run_typhoon: Callable
) -> None:
    taps = ("--tap", "square:odd", "--tap", "numbers", "--tap", "numbers:default")
    result = run_typhoon("run", write_app(NUMBERS), *taps, "--json")
    assert result.returncode == 0, result.stderr
    *lines, summary = objects(result.stdout)
    assert sorted(one["n"] for one in lines) == [0, 1, 1, 2, 3, 3, 4]
    assert summary["emitted"] == {"numbers": 5, "square": 7, "sink": 0}
    assert summary["executed"] == {"square": 5, "sink": 5}
    assert summary["acked"] == 5


def test_an_endless_topology_ends_after_so_many_lines(
    write_app: Callable, run_typhoon: Callable
) -> None:
    options = ("--tap", "square", "--limit", "70", "--json", "-c", "endless=true")
    result = run_typhoon("run", write_app(NUMBERS), *options)
    assert result.returncode == 0, result.stderr
    *lines, summary = objects(result.stdout)
    assert [one["n"] for one in lines] == list(range(70))
    assert 70 <= summary["acked"] == summary["emitted"]["numbers"] < 1000


def test_the_reader_may_go_away(write_app: Callable, tmp_path: Path) -> None:
    """As `typhoon run ... | head -n 3` does: the run ends, and complains of nothing."""
    typhoon = [sys.executable, "-m", "typhoon.cli", "run", str(write_app(NUMBERS))]
    line = f"{shlex.join(typhoon)} --tap square -c endless=true 2>errors | head -n 3"
    line = f"bash -o pipefail -c {shlex.quote(line)}"  # that the reader has gone is no failure
    result = subprocess.run(
        line, shell=True, capture_output=True, text=True, timeout=40, check=True, cwd=tmp_path
    )
    assert [one["n"] for one in objects(result.stdout)] == [0, 1, 2]
    words = (tmp_path / "errors").read_text(encoding="utf-8")
    assert "square: emitted" not in words  # nobody is left to be told how it went
    assert not [word for word in ("error", "Error", "Exception") if word in words]


@pytest.mark.parametrize(
    ("target", "pattern"),
    [("app.py:Squares", {1000}), ("app.py:builder", {1000}), ("app.py:Functions", {1000, 1001})],
)
def test_without_a_tap_the_spouts_emit_so_many(
    write_app: Callable, run_typhoon: Callable, target: str, pattern: set[int]
) -> None:
    write_app(NUMBERS + LISTS)
    result = run_typhoon("run", target, "--limit", "1000", "--json", "-c", "endless=true")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    emitted = sum(summary["emitted"].get(name, 0) for name in ("numbers", "pairs", "ones"))
    assert emitted in pattern
    assert summary["failed"] == summary["timed_out"] == 0


@pytest.mark.parametrize("workers", [("--workers", "2"), ("-c", "topology.workers=2")])
def test_several_workers_have_no_limit_without_a_tap(
    write_app: Callable, run_typhoon: Callable, workers: tuple[str, str]
) -> None:
    result = run_typhoon("run", write_app(NUMBERS), "--limit", "10", *workers)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "error: --limit 10 without --tap counts what spouts emit" in result.stderr
    assert "hint: --tap COMPONENT --limit 10 counts lines; or run with --workers 1" in result.stderr


def test_several_workers_have_a_limit_of_lines(write_app: Callable, run_typhoon: Callable) -> None:
    options = ("--tap", "square", "--limit", "10", "--workers", "2", "-c", "endless=true")
    result = run_typhoon("run", write_app(NUMBERS), *options)
    assert result.returncode == 0, result.stderr
    assert len(objects(result.stdout)) == 10


def test_no_worker_is_said_to_run_the_tap(write_app: Callable, run_typhoon: Callable) -> None:
    options = ("--tap", "square", "--workers", "2", "--plain", "--json")
    result = run_typhoon("run", write_app(NUMBERS), *options)
    assert result.returncode == 0, result.stderr
    *_, summary = objects(result.stdout)
    held = [name for one in summary["processes"] for name in one["components"]]
    assert sorted(held) == ["numbers", "sink", "square"]
    assert "__tap" not in result.stderr


def test_fewer_tuples_than_the_limit_are_no_mistake(
    write_app: Callable, run_typhoon: Callable
) -> None:
    result = run_typhoon("run", write_app(NUMBERS), "--limit", "1000", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["acked"] == 5


@pytest.mark.parametrize(
    ("tap", "words"),
    [
        ("sqaure", ["no component 'sqaure'", "did you mean square?"]),
        ("square:od", ["no stream 'od'", "did you mean square:odd?"]),
        ("zzz", ["there is numbers, square, sink"]),
        ("__tap", ["no component '__tap'"]),
    ],
)
def test_what_is_not_there_cannot_be_tapped(
    write_app: Callable, run_typhoon: Callable, tap: str, words: list[str]
) -> None:
    result = run_typhoon("run", write_app(NUMBERS), "--tap", tap)
    assert result.returncode == 2
    assert result.stdout == ""
    assert all(word in result.stderr for word in words), result.stderr
    assert result.stderr.count("hint: ") == 1


def test_a_direct_stream_cannot_be_tapped(write_app: Callable, run_typhoon: Callable) -> None:
    file = write_app(NUMBERS.replace('name="odd")', 'name="odd", direct=True)'))
    result = run_typhoon("run", file, "--tap", "square:odd")
    assert result.returncode == 2
    assert "the stream is direct" in result.stderr


def test_the_lines_stand_above_the_table_on_a_terminal(
    write_app: Callable, on_terminal: Callable
) -> None:
    slow = NUMBERS.replace("def process(self, tup):\n        n =", SLOW)
    with on_terminal("run", write_app(slow), "--tap", "numbers") as terminal:
        text = terminal.read_to_the_end()
        assert terminal.process.wait(10) == 0
    lines = [line for line in text.splitlines() if line.startswith("{")]
    assert objects("\n".join(lines)) == [{"n": n} for n in range(5)]
    assert "capacity" in terminal.raw
    assert "capacity" not in text


SLOW = """def process(self, tup):
        import time
        time.sleep(0.2)
        n ="""
