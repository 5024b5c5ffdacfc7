"""StdinLines at the end of real pipes and terminals."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

APP = """
from typhoon import Topology
from typhoon.components import JsonLines, Print, StdinLines


class Echo(Topology):
    lines = StdinLines.spec()
    out = Print("<{line}>").spec(inputs=[lines])
"""
FAILING = """
from typhoon import Bolt, Topology
from typhoon.components import Print, StdinLines


class Choosy(Bolt):
    outputs = ["line"]
    calls = 0

    def process(self, tup):
        self.calls += 1
        if tup["line"] == "b" and self.calls < 4:
            raise ConnectionError("not yet")
        self.emit([tup["line"]])


class Failing(Topology):
    lines = StdinLines.spec()
    choosy = Choosy.spec(inputs=[lines])
    out = Print().spec(inputs=[choosy])
"""
RESTARTING = """
from typhoon import Bolt, Topology
from typhoon.components import Print, StdinLines

raised = []


class Breaks(Bolt):
    outputs = ["line"]
    on_error = "exit"

    def process(self, tup):
        if tup["line"] == "500" and not raised:
            raised.append(1)
            raise ConnectionError("start anew")
        self.emit([tup["line"]])


class Restarting(Topology):
    lines = StdinLines.spec(par=2)
    breaks = Breaks.spec(inputs=[lines])
    out = Print().spec(inputs=[breaks])
"""
COMMAND = [sys.executable, "-m", "typhoon.cli", "run", "app.py"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    return tmp_path


@contextmanager
def running(folder: Path, stdin: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        COMMAND,
        cwd=folder,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def fed(folder: Path, data: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *options], cwd=folder, input=data, capture_output=True, timeout=50, check=False
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ""),
        (b"to be\nor not\n", "<to be>\n<or not>\n"),
        (b"\n\nno newline at the end", "<>\n<>\n<no newline at the end>\n"),
        ("größer\r\n".encode(), "<größer>\n"),
        (b"x" * 300_000 + b"\ny\n", "<" + "x" * 300_000 + ">\n<y>\n"),
    ],
)
def test_what_is_piped_in_comes_out(folder: Path, data: bytes, expected: str) -> None:
    result = fed(folder, data)
    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout.decode() == expected


def test_more_than_is_read_ahead(folder: Path) -> None:
    lines = [f"{n} {'x' * 50}" for n in range(100_000)]
    result = fed(folder, "\n".join(lines).encode(), "-c", "topology.max.spout.pending=50")
    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout.decode().split("\n")[:-1] == [f"<{line}>" for line in lines]


def test_a_file_and_nothing(folder: Path) -> None:
    for name, expected in [("app.py", APP.count("\n")), (os.devnull, 0)]:
        with (folder / name).open("rb") as stdin, running(folder, stdin.fileno()) as process:
            out, err = process.communicate(timeout=50)
            assert process.returncode == 0, err
            assert out.count("\n") == expected


def test_a_line_that_fails_comes_again(folder: Path) -> None:
    (folder / "app.py").write_text(FAILING, encoding="utf-8")
    result = fed(folder, b"a\nb\n", "--json")
    summary = json.loads(result.stdout)
    assert summary["acked"] == 2
    assert summary["failed"] == 2


def test_a_restart_of_the_worker_loses_no_line(folder: Path) -> None:
    (folder / "app.py").write_text(RESTARTING, encoding="utf-8")
    lines = [str(n) for n in range(100_000)]
    result = fed(folder, "\n".join(lines).encode(), "-c", "topology.max.spout.pending=100")
    assert result.returncode == 0, result.stderr.decode()
    assert b"worker restarts" in result.stderr
    out = result.stdout.decode().split()
    assert set(out) == set(lines)
    assert len(out) <= len(lines) + 100


def test_each_line_is_emitted_when_it_comes(folder: Path) -> None:
    reader, writer = os.pipe()
    try:
        with running(folder, reader) as process:
            assert process.stdout is not None
            for n in range(3):
                os.write(writer, f"{n}\n".encode())
                assert process.stdout.readline() == f"<{n}>\n"
            os.write(writer, b"un")
            os.write(writer, b"finished")
            os.close(writer)
            writer = -1
            out, err = process.communicate(timeout=30)
            assert out == "<unfinished>\n"
            assert process.returncode == 0, err
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def test_ctrl_c_ends_it_while_the_pipe_is_open(folder: Path) -> None:
    reader, writer = os.pipe()
    try:
        with running(folder, reader) as process:
            assert process.stdout is not None
            os.write(writer, b"a\n")
            assert process.stdout.readline() == "<a>\n"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
            assert process.returncode == 0, err
    finally:
        os.close(reader)
        os.close(writer)


def test_a_terminal(folder: Path) -> None:
    terminal, stdin = pty.openpty()
    try:
        with running(folder, stdin) as process:
            assert process.stdout is not None
            os.write(terminal, b"typed\n")
            assert process.stdout.readline() == "<typed>\n"
            os.write(terminal, b"\x04")  # Ctrl-D
            _, err = process.communicate(timeout=30)
            assert process.returncode == 0, err
    finally:
        os.close(stdin)
        os.close(terminal)
