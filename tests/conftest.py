"""What every test gets: examples from a known seed, a deadline to wait with, a check for leaks."""

import gc
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# A deadline per example would measure the machine; the time-out of the whole test is enough.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=False, print_blob=True)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
settings.load_profile(PROFILE)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """In CI every run draws new examples, from a seed that the header of the run names."""
    if PROFILE == "ci" and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.SystemRandom().getrandbits(32))


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.option.hypothesis_seed
    again = f", again with --hypothesis-seed={seed}" if seed is not None else ""
    return f"hypothesis profile: {PROFILE}{again}"


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the project's checkout."""
    return ROOT


class WaitUntil(Protocol):
    def __call__(
        self, condition: Callable[[], Any], timeout: float = 10.0, what: str | None = None
    ) -> Any: ...


@pytest.fixture(scope="session")
def wait_until() -> WaitUntil:
    """A function that asks `condition` again and again, and returns its first true answer.

    After `timeout` seconds it fails the test and says `what` it waited for. A test that waits for
    a fixed time instead is either slow or flaky, so there is no such helper.
    """
    return _wait_until


def _wait_until(
    condition: Callable[[], Any], timeout: float = 10.0, what: str | None = None
) -> Any:
    deadline = time.monotonic() + timeout
    pause = 0.0005
    while not (answer := condition()):
        if time.monotonic() >= deadline:
            subject = what or getattr(condition, "__name__", repr(condition))
            pytest.fail(f"waited {timeout:g} s in vain for {subject}")
        time.sleep(pause)
        pause = min(pause * 2, 0.02)
    return answer


@dataclass(frozen=True)
class Holdings:
    """What this process holds that a finished test must have given back."""

    threads: dict[int, str]
    """By number: the name of a thread changes when Python is done with it before the system is."""
    files: frozenset[str]
    processes: frozenset[str]

    @classmethod
    def now(cls) -> "Holdings":
        return cls(dict(_threads()), frozenset(_open_files()), frozenset(_children()))

    def beyond(self, before: "Holdings") -> list[str]:
        """One line for each thing that is held now and was not before."""
        return [
            *(f"thread {name}" for n, name in self.threads.items() if n not in before.threads),
            *(f"file handle {name}" for name in sorted(self.files - before.files)),
            *(f"child process {name}" for name in sorted(self.processes - before.processes)),
        ]


def _threads() -> Iterator[tuple[int, str]]:
    named = {thread.native_id: thread.name for thread in threading.enumerate()}
    tasks = Path("/proc/self/task")
    if not tasks.exists():  # not Linux: Python's own threads must do
        yield from ((tid or 0, f"{tid} ({name})") for tid, name in named.items())
        return
    for task in tasks.iterdir():  # the engine's threads too, which Python does not know
        tid = int(task.name)
        try:
            comm, state = (task / "stat").read_text(encoding="utf-8").rpartition(")")[::2]
            name = named.get(tid) or comm.partition("(")[2]
            where = (task / "wchan").read_text(encoding="utf-8") or "user code"
        except OSError:  # it ended while we looked
            continue
        yield tid, f"{tid} ({name}, {state.split()[0]} in {where})"


def _open_files() -> Iterator[str]:
    folder = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
    for fd in os.listdir(folder):  # noqa: PTH208 - a list of names, read at once
        try:
            os.fstat(int(fd))
            target = Path(folder, fd).readlink() if sys.platform == "linux" else ""
        except OSError:  # the handle that listed the folder, closed by now
            continue
        yield f"{fd} {target}".strip()


def _children() -> Iterator[str]:
    for child in psutil.Process().children():
        try:
            yield f"{child.pid} ({child.name()})"
        except psutil.NoSuchProcess:
            continue


@pytest.fixture(autouse=True)
def leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves threads, file handles or child processes behind.

    What is on its way out gets two seconds. `@pytest.mark.may_leak("why")` switches the check off.
    """
    if request.node.get_closest_marker("may_leak"):
        yield
        return
    before = Holdings.now()
    yield
    if not Holdings.now().beyond(before):
        return
    gc.collect()
    deadline = time.monotonic() + 2.0
    while left := Holdings.now().beyond(before):
        if time.monotonic() >= deadline:
            pytest.fail("the test left behind: " + "; ".join(left))
        time.sleep(0.01)
