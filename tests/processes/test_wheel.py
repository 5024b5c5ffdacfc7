"""The wheel, in an empty environment on a machine without Rust, runs a topology from end to end."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

APP = """
from typhoon import Bolt, Grouping, Spout, Topology


class Lines(Spout):
    outputs = ["line"]

    def initialize(self, conf, context):
        self.lines = enumerate(open(conf["input.path"], encoding="utf-8").read().splitlines())

    def next_tuple(self):
        number, line = next(self.lines)
        self.emit([line], tup_id=number)


class Split(Bolt):
    outputs = ["word"]

    def process(self, tup):
        for word in tup.values[0].split():
            self.emit([word])


class Count(Bolt):
    outputs = ["word", "count"]

    def initialize(self, conf, context):
        self.counts = {}

    def process(self, tup):
        word = tup["word"]
        self.counts[word] = self.counts.get(word, 0) + 1
        self.emit([word, self.counts[word]])


class WordCount(Topology):
    lines = Lines.spec()
    split = Split.spec(inputs=[lines], par=2)
    count = Count.spec(inputs={split: Grouping.fields("word")}, par=2)
"""
LINES, WORDS_A_LINE = 200, 7


def _wheel(root: Path) -> Path:
    """The wheel that `make wheel` builds, or has built since the last change."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "wheel"]
    built = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (root / "dist").glob("typhoon-*.whl")
    return wheel


def _path_without_rust() -> str:
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not shutil.which("cargo", path=folder))


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, str]:
    """An environment in which neither this checkout nor Rust can be found."""
    path = _path_without_rust()
    assert shutil.which("cargo", path=path) is None
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PATH": path, "CARGO_HOME": str(tmp_path / "no-cargo")}


@pytest.mark.slow
@pytest.mark.timeout(550)
def test_the_wheel_runs_a_topology_without_rust(
    root: Path, tmp_path: Path, clean: dict[str, str]
) -> None:
    wheel = _wheel(root)
    empty = tmp_path / "venv"
    venv.create(empty, with_pip=True)
    pip = [empty / "bin" / "python", "-m", "pip", "install", "--quiet"]
    locked = ["--require-hashes", "-r", root / "requirements" / "base.txt"]
    subprocess.run([*pip, *locked], cwd=tmp_path, env=clean, check=True)
    subprocess.run([*pip, "--no-index", wheel], cwd=tmp_path, env=clean, check=True)

    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    line = " ".join(f"word{n}" for n in range(WORDS_A_LINE))
    (tmp_path / "book.txt").write_text(f"{line}\n" * LINES, encoding="utf-8")
    result = subprocess.run(
        [empty / "bin" / "typhoon", "run", "app.py", "--json", "-c", "input.path=book.txt"],
        cwd=tmp_path,
        env=clean,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["acked"] == LINES
    assert summary["failed"] == summary["timed_out"] == 0
    assert summary["emitted"]["lines"] == LINES
    assert summary["executed"]["split"] == LINES
    assert summary["emitted"]["split"] == summary["executed"]["count"] == LINES * WORDS_A_LINE
    assert summary["complete_latency_ms"]["p50"] > 0
    assert summary["workers"] == 1


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_of_the_checkout(root: Path) -> None:
    wheel = _wheel(root)
    listing = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", wheel], capture_output=True, text=True, check=True
    )
    names = [line.split()[0] for line in listing.stdout.splitlines()[1:]]
    assert "typhoon/py.typed" in names
    assert "typhoon/_core.pyi" in names
    assert len([name for name in names if name.startswith("typhoon/_core.")]) == 2
    assert all(name.startswith(("typhoon/", "typhoon-")) for name in names)
    assert not [name for name in names if "__pycache__" in name]
