"""The command line, typed as a user types it: real processes, their output and exit status."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

COMMAND = [sys.executable, "-m", "typhoon.cli"]
TIMEOUT_S = 50

ENDLESS = """
import pathlib, time
from typhoon import Bolt, Spout, Topology


class Numbers(Spout):
    outputs = ["number"]

    def initialize(self, conf, context):
        self.number = 0
        self.started = pathlib.Path(conf["started"])

    def next_tuple(self):
        self.emit([self.number], tup_id=self.number)
        self.number += 1

    def ack(self, tup_id):
        if tup_id == 10:
            self.started.touch()


class Sink(Bolt):
    def process(self, tup):
        time.sleep(self.wait)

    def initialize(self, conf, context):
        self.wait = conf.get("wait", 0)


class Endless(Topology):
    config = {"topology.max.spout.pending": 100}
    numbers = Numbers.spec()
    sink = Sink.spec(inputs=[numbers])
"""

STUCK = (
    ENDLESS.replace("time.sleep(self.wait)", "tup.values[0] <= 10 or self.hold(tup)")
    + """

def hold(self, tup):
    raise RuntimeError("kept open")


Sink.hold = hold
Sink.auto_fail = False
"""
)

WAITING = ENDLESS.replace("time.sleep(self.wait)", "time.sleep(600)").replace(
    "self.number += 1", "self.started.touch()"
)

TWO = """
from typhoon import Bolt, Spout, Topology


class Once(Spout):
    outputs = ["n"]

    def next_tuple(self):
        raise StopIteration


class One(Topology):
    numbers = Once.spec()


class Other(Topology):
    numbers = Once.spec()
"""

FAILING = """
from typhoon import Bolt, Spout, Topology


class Once(Spout):
    outputs = ["n"]

    def initialize(self, conf, context):
        self.left = [1]

    def next_tuple(self):
        if not self.left:
            raise StopIteration
        self.emit([self.left.pop()], tup_id=0)


class Sink(Bolt):
    def process(self, tup):
        raise ValueError("no, thank you")


class Failing(Topology):
    numbers = Once.spec()
    sink = Sink.spec(inputs=[numbers])
"""


def typhoon(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture
def app(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a topology file of that text."""

    def write(text: str) -> Path:
        file = tmp_path / "app.py"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@contextmanager
def running(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """`typhoon` in the background; killed at the end if it still runs."""
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def stopped_twice(
    arguments: list[str],
    started: Path,
    wait_until: Callable,
    second: signal.Signals = signal.SIGINT,
) -> int:
    """The exit status of a run that got a second signal while it drained."""
    errors = started.with_name("errors")
    with (
        errors.open("w", encoding="utf-8") as stderr,
        subprocess.Popen([*COMMAND, *arguments], stdin=subprocess.DEVNULL, stderr=stderr) as run,
    ):
        try:
            wait_until(started.exists, timeout=20)
            run.send_signal(signal.SIGINT)
            wait_until(lambda: "draining" in errors.read_text(encoding="utf-8"))
            run.send_signal(second)
            return run.wait(timeout=10)
        finally:
            run.kill()


def refused(result: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    """It said one error with a hint, and no traceback."""
    assert result.returncode == status, result.stderr
    assert result.stderr.count("error: ") == 1
    assert "hint: " in result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr
    assert result.stdout == ""


# run ---------------------------------------------------------------------------------------------


def test_word_count_counts_what_plain_python_counts(root: Path, tmp_path: Path) -> None:
    text = "to be or not to be\nthat is the question\n\n" * 40
    (tmp_path / "one.txt").write_text(text, encoding="utf-8")
    (tmp_path / "two.txt").write_text("or is it not\n", encoding="utf-8")
    result = typhoon(
        "run", root / "examples" / "word_count.py", "-c", f"input.path={tmp_path}", "--json"
    )
    assert result.returncode == 0, result.stderr
    counts = Counter((text + "or is it not\n").split())
    for word, count in counts.items():
        assert f"{count:>9,}  {word}\n" in result.stderr
    summary = json.loads(result.stdout)
    assert summary["acked"] == summary["emitted"]["lines"] == 121
    assert summary["failed"] == summary["timed_out"] == summary["replayed"] == 0
    assert summary["executed"] == {"split": 121, "count": counts.total()}
    assert summary["emitted"]["count"] == counts.total()
    assert summary["complete_latency_ms"].keys() == {"p50", "p99", "p999", "max"}
    assert summary["workers"] == 1
    assert summary["seconds"] > 0
    assert "acked 121" in result.stderr


def test_for_ends_an_endless_topology_and_lines_tell_of_it(
    app: Callable[[str], Path], tmp_path: Path
) -> None:
    options = ("--for", "1500ms", "--json", "-c", f"started={tmp_path / 'started'}")
    result = typhoon("run", app(ENDLESS), *options)
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["acked"] == summary["emitted"]["numbers"] > 10
    lines = [line for line in result.stderr.splitlines() if "/s)" in line]
    assert len(lines) >= 2
    assert "numbers " in lines[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains(
    app: Callable[[str], Path], tmp_path: Path, wait_until: Callable, number: signal.Signals
) -> None:
    started = tmp_path / "started"
    with running("run", app(ENDLESS), "--json", "-c", f"started={started}") as process:
        wait_until(started.exists, timeout=20)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    summary = json.loads(out)
    assert summary["acked"] == summary["emitted"]["numbers"] > 10
    assert summary["failed"] == summary["timed_out"] == 0
    assert "draining" in err


@pytest.mark.parametrize("text", ["STUCK", "WAITING"])
def test_the_second_ctrl_c_stops_at_once(
    app: Callable[[str], Path], tmp_path: Path, wait_until: Callable, text: str
) -> None:
    """Also where a tuple stays open, and where a component never comes back."""
    file, started = app({"STUCK": STUCK, "WAITING": WAITING}[text]), tmp_path / "started"
    arguments = ["run", str(file), "-c", f"started={started}"]
    assert stopped_twice(arguments, started, wait_until) == 130
    shown = started.with_name("errors").read_text(encoding="utf-8")
    assert re.search(r"s, acked \d+.*, failed \d+, timed out 0", shown)
    assert "\n  numbers: emitted " in shown


def test_the_second_sigterm_is_the_status(
    app: Callable[[str], Path], tmp_path: Path, wait_until: Callable
) -> None:
    arguments = ["run", str(app(STUCK)), "-c", f"started={tmp_path / 'started'}"]
    assert stopped_twice(arguments, tmp_path / "started", wait_until, signal.SIGTERM) == 143


def test_on_a_terminal_the_table_is_on_stderr_and_prints_stay_on_stdout(
    app: Callable[[str], Path], tmp_path: Path
) -> None:
    printing = ENDLESS.replace("self.started.touch()", "print('hello')")
    ours, theirs = pty.openpty()
    command = ["run", str(app(printing)), "--for", "1s", "-c", f"started={tmp_path / 's'}"]
    with subprocess.Popen(
        [*COMMAND, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
    ) as process:
        os.close(theirs)
        shown = _read_all(ours)
        assert process.stdout is not None
        out = process.stdout.read()
    assert process.returncode == 0, shown
    assert "hello" in out
    assert "component" not in out
    assert "capacity" in shown


def _read_all(handle: int) -> str:
    """What comes from a terminal until its other side is closed."""
    parts = []
    with os.fdopen(handle, "rb", buffering=0) as terminal:
        while True:
            try:
                part = terminal.read(65536)
            except OSError:  # how Linux says that the other side is closed
                part = b""
            if not part:
                return b"".join(parts).decode("utf-8", errors="replace")
            parts.append(part)


def test_strict_is_exit_1_if_a_tuple_failed(app: Callable[[str], Path]) -> None:
    file = app(FAILING)
    loose, strict = typhoon("run", file, "--json"), typhoon("run", file, "--json", "--strict")
    assert loose.returncode == 0, loose.stderr
    assert strict.returncode == 1
    assert json.loads(loose.stdout)["failed"] == json.loads(strict.stdout)["failed"] == 1
    assert "no, thank you" in loose.stderr
    assert "hint: " in strict.stderr


def test_more_workers_are_processes(app: Callable[[str], Path], tmp_path: Path) -> None:
    options = ("--for", "1s", "--workers", "2", "--json", "-c", f"started={tmp_path / 's'}")
    result = typhoon("run", app(ENDLESS), *options)
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["workers"] == len(summary["processes"])


def test_the_command_line_is_over_the_topology_and_that_over_the_file(
    app: Callable[[str], Path], tmp_path: Path
) -> None:
    file = app(
        ENDLESS.replace('"topology.max.spout.pending": 100', '"a": "topology", "b": "topology"')
        .replace("self.number = 0", "print(conf['a'], conf['b'], conf['c']); self.left = 1")
        .replace("self.emit(", "raise StopIteration; self.emit(")
    )
    yaml = tmp_path / "conf.yaml"
    yaml.write_text("a: file\nb: file\nc: file\nstarted: s\n", encoding="utf-8")
    result = typhoon("run", file, "--config", yaml, "-c", "a=typed")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "typed topology file\n"


# What is wrong -----------------------------------------------------------------------------------


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    refused(typhoon("run", tmp_path / "none.py"), 2, "none.py does not exist")


def test_a_file_that_does_not_import(app: Callable[[str], Path]) -> None:
    file = app("import os\n\n\ndef load():\n    return 1 / 0\n\n\nload()\n")
    result = typhoon("run", file)
    refused(result, 1, "ZeroDivisionError: division by zero", "app.py:5: return 1 / 0")
    assert len(result.stderr.splitlines()) <= 6


def test_a_file_with_a_wrong_syntax(app: Callable[[str], Path]) -> None:
    refused(typhoon("run", app("x = 1\nclass A(:\n")), 1, "app.py:2", "invalid syntax")


def test_a_file_that_needs_what_is_not_installed(app: Callable[[str], Path]) -> None:
    refused(typhoon("run", app("import surely_not_there\n")), 1, "surely_not_there", "install")


def test_a_file_without_a_topology(app: Callable[[str], Path]) -> None:
    refused(typhoon("run", app("from typhoon import Topology\n")), 1, "defines no topology")


def test_a_file_with_two_topologies(app: Callable[[str], Path]) -> None:
    file = app(TWO)
    refused(typhoon("run", file), 1, "One, Other", "app.py:One")
    assert typhoon("run", f"{file}:Other").returncode == 0
    refused(typhoon("run", f"{file}:Othre"), 2, "app.py:Other")


def test_a_topology_that_cannot_run(app: Callable[[str], Path]) -> None:
    file = app(ENDLESS.replace("inputs=[numbers]", 'inputs=["nmbers"]'))
    result = typhoon("run", file)
    assert result.returncode == 1
    assert "error: " in result.stderr
    assert "nmbers" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_spout_that_cannot_start(app: Callable[[str], Path]) -> None:
    result = typhoon("run", app(ENDLESS))  # it asks for conf["started"]
    assert result.returncode == 1
    assert "error: " in result.stderr
    assert "started" in result.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ["-c", "nonsense"],
        ["-c", "topology.max.spout.pending=many"],
        ["--strict", "-c", "topology.wokers=2"],
        ["--config", "nowhere.yaml"],
        ["--for", "soon"],
        ["--for", "0s"],
        ["--workers", "0"],
        ["--surely-not"],
    ],
)
def test_a_wrong_command_line_is_exit_2(app: Callable[[str], Path], wrong: list[str]) -> None:
    refused(typhoon("run", app(TWO), *wrong), 2)


def test_an_unknown_key_is_a_warning_that_names_the_nearest(app: Callable[[str], Path]) -> None:
    result = typhoon("run", f"{app(TWO)}:One", "-c", "topology.wokers=2")
    assert result.returncode == 0, result.stderr
    assert "topology.workers" in result.stderr


def test_an_unknown_verb_is_exit_2() -> None:
    refused(typhoon("rnu"), 2, "rnu")


def test_help_names_the_verbs() -> None:
    result = typhoon("--help")
    assert result.returncode == 0
    for verb in ("run", "graph", "bench", "version"):
        assert f"\n  {verb} " in result.stdout


# graph, version, bench ---------------------------------------------------------------------------


def test_the_graph_as_text(root: Path) -> None:
    result = typhoon("graph", root / "examples" / "word_count.py")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines.index("spout lines") < lines.index("bolt split") < lines.index("bolt count")
    assert "  └─ fields(word) ─▶ count" in lines


def test_the_graph_as_mermaid(root: Path) -> None:
    result = typhoon("graph", root / "examples" / "word_count.py", "--format", "mermaid")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("flowchart LR\n")
    assert '    c1 -->|"fields(word)"| c2\n' in result.stdout


def test_the_graph_as_svg_is_valid_xml(app: Callable[[str], Path]) -> None:
    file = app(ENDLESS.replace("Sink.spec(", "Sink.spec('<sink> & \"co\"', "))
    result = typhoon("graph", file, "--format", "svg")
    assert result.returncode == 0, result.stderr
    picture = ElementTree.fromstring(result.stdout)
    words = {node.text for node in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"numbers", '<sink> & "co"', "shuffle"} <= words


def test_version() -> None:
    line, facts = typhoon("version"), typhoon("version", "--json")
    assert line.returncode == facts.returncode == 0
    python = ".".join(map(str, sys.version_info[:3]))
    assert line.stdout.startswith("typhoon ")
    assert python in line.stdout
    assert line.stdout.count("\n") == 1
    assert json.loads(facts.stdout)["python"] == python


BENCH_KEYS = {
    "name",
    "workers",
    "acked",
    "rate",
    "bare_rate",
    "ratio",
    "rounds",
    "latency_ms",
    "rss_mb",
    "settings",
}


@pytest.mark.parametrize(
    "options",
    [
        ["word-count"],
        ["word-count", "--emit-counts", "--executors", "2/2/2"],
        ["word-count", "--no-ack"],
        ["word-count", "--batch", "--emit-counts"],
        ["word-count", "--native"],
        ["const", "--hops", "2"],
        ["const", "--native"],
        ["latency", "--rate", "1000"],
    ],
    ids=" ".join,
)
def test_a_benchmark_checks_itself_and_prints_one_object(
    tmp_path: Path, options: list[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be\n" * 500, encoding="utf-8")
    result = typhoon(
        "bench", *options, "--seconds", "0.05", "--rounds", "2", "--input", text, "--json"
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report.keys() >= BENCH_KEYS
    assert report["name"] == options[0]
    assert report["acked"] is ("--no-ack" not in options)
    assert report["rate"] > 0
    assert report["rss_mb"] > 1
    if options[0] == "latency":
        assert report["latency_ms"].keys() == {"p50", "p99", "p999", "max", "from_due"}
        assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["from_due"]["max"]
    else:
        assert len(report["rounds"]) == 2
        assert min(report["rounds"]) <= report["ratio"] <= max(report["rounds"])


@pytest.mark.parametrize(
    "options",
    [
        ["--transport", "tcp"],
        ["--no-ack", "--executors", "1/2/3"],
        ["--batch", "--emit-counts"],
        ["--native"],
    ],
    ids=" ".join,
)
def test_several_workers_count_words_beside_one(tmp_path: Path, options: list[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be\n" * 500, encoding="utf-8")
    command = ["bench", "word-count", "--workers", "2", *options, "--seconds", "0.05"]
    result = typhoon(*command, "--rounds", "2", "--input", text, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report.keys() >= BENCH_KEYS
    assert report["workers"] == 2
    assert report["settings"]["transport"] == ("tcp" if "tcp" in options else "unix")
    assert len(report["of_one_worker_rounds"]) == len(report["rounds"]) == 2
    assert report["of_one_worker"] > 0
    assert all(rss > 1 for rss in report["worker_rss_mb"])


def test_the_latency_between_two_workers() -> None:
    options = ["--workers", "2", "--rate", "1000", "--seconds", "0.5"]
    result = typhoon("bench", "latency", *options, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["workers"] == 2
    assert report["settings"]["events"] == 500
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["from_due"]["max"]


@pytest.mark.parametrize("what", [["const", "2"], ["latency", "3"]], ids=" ".join)
def test_a_benchmark_refuses_workers_that_it_cannot_use(what: list[str]) -> None:
    refused(typhoon("bench", what[0], "--workers", what[1]), 2, "word-count runs on any number")


@pytest.mark.parametrize("wrong", ["1/1", "0/1/1", "a/b/c"])
def test_a_benchmark_refuses_executors_that_are_none(wrong: str) -> None:
    refused(typhoon("bench", "word-count", "--executors", wrong), 2, "--executors 1/4/4")


@pytest.mark.parametrize("verb", [["version"], ["graph"], ["run", "--json"]], ids=" ".join)
def test_a_full_disk_behind_stdout_is_an_error(verb: list[str], root: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("to be\n", encoding="utf-8")
    target = [] if verb == ["version"] else [str(root / "examples" / "word_count.py")]
    options = ["-c", f"input.path={tmp_path}"] if verb[0] == "run" else []
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        result = subprocess.run(
            [*COMMAND, *verb, *target, *options],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert result.returncode == 1
    assert "could not be written" in result.stderr
    assert "hint:" in result.stderr
    assert "Traceback" not in result.stderr
