"""`typhoon dev`: runs, and runs again at each save; leaves no process behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

APP = """
import os, pathlib
from typhoon import Bolt, Spout, Topology
from words import WORD


class Numbers(Spout):
    outputs = ["n"]

    def initialize(self, conf, context):
        print("begins with", WORD, "in", os.getpid(), "now", flush=True)

    def next_tuple(self):
        pass

    def close(self):
        print("closed", WORD, flush=True)


class Sink(Bolt):
    def process(self, tup):
        pass


class Endless(Topology):
    numbers = Numbers.spec()
    sink = Sink.spec(inputs=[numbers])
"""


class Dev:
    """`typhoon dev app.py` in a folder, and what it has said so far."""

    def __init__(self, folder: Path, wait_until: Callable) -> None:
        self.folder = folder
        self.wait_until = wait_until
        self.log = folder / "log"
        self.save("app.py", APP)
        self.save("words.py", "WORD = 'one'\n")
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "typhoon.cli", "dev", "app.py"],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def save(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def says(self, words: str, times: int = 1, timeout: float = 20.0) -> None:
        self.wait_until(
            lambda: self.text.count(words) >= times, timeout, f"{words!r} in {self.text!r}"
        )

    @property
    def runs(self) -> list[int]:
        """The process ids of the runs so far."""
        return [int(pid) for pid in re.findall(r"begins with \w+ in (\d+)", self.text)]

    def ended(self) -> bool:
        return not any(psutil.pid_exists(pid) for pid in self.runs)


@pytest.fixture
def dev(tmp_path: Path, wait_until: Callable) -> Iterator[Dev]:
    dev = Dev(tmp_path, wait_until)
    try:
        dev.says("begins with one")
        yield dev
    finally:
        dev.process.kill()
        dev.process.wait(10)
        wait_until(dev.ended, timeout=10)


def test_a_save_of_any_module_runs_it_anew_within_a_second(dev: Dev) -> None:
    saved = time.monotonic()
    dev.save("words.py", "WORD = 'second'\n")
    dev.says("begins with second")
    taken = time.monotonic() - saved
    assert "dev: words.py saved, running again" in dev.text
    assert dev.text.index("closed one") < dev.text.index("begins with second")
    assert len(set(dev.runs)) == 2
    assert not psutil.pid_exists(dev.runs[0])
    assert taken < 3.0  # a second, on a machine that does nothing else


def test_a_mistake_is_shown_and_the_next_save_mends_it(dev: Dev) -> None:
    dev.save("words.py", "WORD = \n")
    dev.says("invalid syntax")
    dev.says("it failed (exit status 1)")
    assert dev.process.poll() is None
    dev.save("words.py", "WORD = 'mended'\n")
    dev.says("begins with mended")


def test_a_new_file_and_the_configuration_count_and_other_files_do_not(dev: Dev) -> None:
    for name in (".hidden/a.py", "env/lib.py", "env/pyvenv.cfg", "notes.txt"):
        (dev.folder / name).parent.mkdir(exist_ok=True)
        dev.save(name, "1\n") if name != "env/lib.py" else None
    dev.save("typhoon.yaml", "a: 1\n")
    dev.says("begins with one", times=2)
    (dev.folder / "part").mkdir()
    dev.save("part/more.py", "1\n")
    dev.says("begins with one", times=3)
    saved = re.findall(r"dev: (\S+) saved", dev.text)
    assert saved == ["typhoon.yaml", "part/more.py"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_and_closes_the_components(dev: Dev, number: signal.Signals) -> None:
    dev.process.send_signal(number)
    assert dev.process.wait(10) == 0
    assert dev.ended()
    assert "closed one" in dev.text
    assert "Traceback" not in dev.text


def test_ctrl_c_on_a_terminal_is_taken_once(
    tmp_path: Path, on_terminal: Callable, wait_until: Callable
) -> None:
    """Both processes get it; the run leaves it to the other, and is not told to drain."""
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    (tmp_path / "words.py").write_text("WORD = 'one'\n", encoding="utf-8")
    with on_terminal("dev", "app.py", "--plain") as terminal:
        text = terminal.read_until("now")
        (pid,) = re.findall(r"begins with one in (\d+)", text)
        terminal.press_ctrl_c()
        text = terminal.read_to_the_end()
        assert terminal.process.wait(10) == 0
    wait_until(lambda: not psutil.pid_exists(int(pid)))
    assert "closed one" in text
    assert "draining" not in text
    assert "Traceback" not in text


def test_the_run_ends_with_its_parent(dev: Dev) -> None:
    os.kill(dev.process.pid, signal.SIGKILL)
    dev.process.wait(10)
    dev.wait_until(dev.ended, timeout=10)
    assert "closed one" in dev.text


def test_what_ends_by_itself_waits_for_the_next_save(dev: Dev) -> None:
    dev.save(
        "app.py",
        APP.replace(
            "        pass\n\n    def close", "        raise StopIteration\n\n    def close"
        ),
    )
    dev.says("dev: it ended")
    dev.save("words.py", "WORD = 'again'\n")
    dev.says("begins with again")
    dev.says("dev: it ended", times=2)


def test_a_file_that_is_not_there(run_typhoon: Callable) -> None:
    result = run_typhoon("dev", "none.py")
    assert result.returncode == 2
    assert "none.py does not exist" in result.stderr
