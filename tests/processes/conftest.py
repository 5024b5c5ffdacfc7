"""For tests of the command line: ``typhoon`` as a user types it, with a terminal or without."""

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pytest
from launcher_parts import BEST, Yard
from worker_parts import Diary

from typhoon.cluster.supervisor._deaths import Waiters
from typhoon.local import LocalCluster, LocalTopology

COMMAND = [sys.executable, "-m", "typhoon.cli"]
TIMEOUT_S = 50
STEP = re.compile(
    r"\x1b\[(?P<number>[0-9;?]*)(?P<order>[A-Za-z])|(?P<end>\r|\n)|(?P<words>[^\x1b\r\n]+)"
)


def screen(raw: str) -> str:
    """What a terminal without a bottom shows after ``raw``, where lines are gone back to."""
    lines, row, column = [""], 0, 0
    for step in STEP.finditer(raw):
        if step["words"]:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + step["words"] + line[column + len(step["words"]) :]
            column += len(step["words"])
        elif step["end"] == "\r":
            column = 0
        elif step["end"]:
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif step["order"] == "A":
            row = max(0, row - int(step["number"] or 1))
        elif step["order"] == "K" and step["number"] == "2":
            lines[row] = ""
    return "\n".join(line.rstrip() for line in lines)


class Terminal:
    """A process whose standard streams are a terminal, and what it has shown so far."""

    def __init__(self, process: subprocess.Popen[bytes], handle: int) -> None:
        self.process = process
        self.handle = handle
        self.raw = ""

    @property
    def text(self) -> str:
        """What can be read on it now."""
        return screen(self.raw)

    def read_until(self, words: str, times: int = 1, timeout: float = 20.0) -> str:
        """Read on until ``words`` were shown that often."""
        return self._read(lambda: self.text.count(words) >= times, timeout, words)

    def read_to_the_end(self, timeout: float = 20.0) -> str:
        return self._read(lambda: False, timeout, "its end")

    def read_for(self, seconds: float) -> None:
        """Read whatever comes in that time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._more(0.05) is not False:
            pass

    def type(self, line: str) -> None:
        os.write(self.handle, f"{line}\n".encode())

    def close(self) -> None:
        """As its window is: every process in the foreground gets a SIGHUP."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1

    def press_ctrl_c(self) -> None:
        """Every process in the foreground gets a SIGINT."""
        os.write(self.handle, b"\x03")

    def _read(self, done: Callable[[], bool], timeout: float, what: str) -> str:
        deadline = time.monotonic() + timeout
        while not done():
            if time.monotonic() >= deadline:
                pytest.fail(f"waited {timeout:g} s in vain for {what!r}; shown was:\n{self.text}")
            if self._more(0.1) is False:
                break
        return self.text

    def _more(self, timeout: float) -> bool | None:
        """Whether there was more; None if not yet, False if its other side is closed."""
        if not select.select([self.handle], [], [], timeout)[0]:
            return None
        try:
            part = os.read(self.handle, 65536)
        except OSError:  # how Linux says that the other side is closed
            part = b""
        self.raw += part.decode("utf-8", errors="replace")
        return bool(part)


@pytest.fixture
def on_terminal(tmp_path: Path) -> Callable:
    """`on_terminal(*arguments)`: a context in which `typhoon` runs on a terminal of its own.

    With `stdin`, an open file, that is its standard input; it can still open the terminal.
    """

    @contextmanager
    def start(*arguments: str | Path, stdin: IO[bytes] | None = None) -> Iterator[Terminal]:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=theirs if stdin is None else stdin,
            stdout=theirs,
            stderr=theirs,
            cwd=tmp_path,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
        ) as process:
            os.close(theirs)
            terminal = Terminal(process, ours)
            try:
                yield terminal
            finally:
                if process.poll() is None:
                    process.kill()
                terminal.close()

    return start


@pytest.fixture
def run_typhoon(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`typhoon` with these arguments, to its end, without a terminal; in `cwd` or `tmp_path`."""

    def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=cwd or tmp_path,
            env={**os.environ, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    return run


@pytest.fixture
def write_app(tmp_path: Path) -> Callable[[str], Path]:
    """Writes `app.py` of that text."""

    def write(text: str) -> Path:
        file = tmp_path / "app.py"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def diary(tmp_path: Path) -> Iterator[Diary]:
    """What components of all processes write in."""
    diary = Diary(tmp_path / "diary")
    yield diary
    diary.close()


class Submit(Protocol):
    def __call__(self, topology: Any, workers: int, **config: Any) -> LocalTopology: ...


@pytest.fixture
def submit() -> Iterator[Submit]:
    """`submit(topology, workers, **config)`: it runs in worker processes, and all of them do when
    this returns (`wait=False`: it does not wait). Dots in keys of `config` are written as `_`."""
    with LocalCluster(processes=True) as cluster:

        def start(topology: Any, workers: int, **config: Any) -> LocalTopology:
            wait = config.pop("wait", True)
            conf = {key.replace("_", "."): value for key, value in config.items()}
            conf["topology.workers"] = workers
            started = cluster.submit("test", topology, conf, strict=True)
            if wait:
                started.wait_until_running(timeout=30)
            return started

        yield start


@pytest.fixture(params=sorted({BEST, Waiters}, key=str))
def yard(request: pytest.FixtureRequest, tmp_path: Path, wait_until: Callable) -> Iterator[Yard]:
    """A launcher, with each way to hear of deaths that this system has."""
    made = Yard(tmp_path, wait_until, request.param)
    yield made
    made.launcher.close()
