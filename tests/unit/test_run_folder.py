"""Where the logs of a run are, and for how long."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from typhoon.local import _folder
from typhoon.local._folder import RunFolder


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[], RunFolder]]:
    """Makes folders, and lets go of those that still are."""
    with ExitStack() as made:

        def make() -> RunFolder:
            folder = RunFolder(tmp_path)
            made.callback(folder.close, keep_logs=False)
            return folder

        yield make


def test_nothing_is_left_of_a_run_in_which_nothing_happened(tmp_path, make) -> None:
    folder = make()
    folder.log(6700).write_text("fine")
    folder.close(keep_logs=False)
    assert list(tmp_path.iterdir()) == []


def test_logs_are_kept_where_a_worker_died_and_sockets_are_not(make) -> None:
    folder = make()
    folder.log(6700).write_text("killed")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(folder.socket(0, 1).removeprefix("unix:"))
    folder.close(keep_logs=True)
    assert folder.log(6700).read_text() == "killed"
    assert not any(file.is_socket() for file in folder.path.iterdir())


def test_only_so_many_are_kept(tmp_path, make, monkeypatch) -> None:
    monkeypatch.setattr(_folder, "KEPT", 2)
    running = make()
    ended = [make() for _ in range(4)]
    for folder in ended:
        folder.close(keep_logs=True)
    assert {folder.path for folder in (running, *ended[2:])} == set(tmp_path.iterdir())


KILLED = """
import os, pathlib, signal, sys
from typhoon.local._folder import RunFolder
print(RunFolder(pathlib.Path(sys.argv[1])).path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folder_of_a_run_that_was_killed_counts_as_kept(tmp_path, make, monkeypatch) -> None:
    monkeypatch.setattr(_folder, "KEPT", 2)
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    killed = Path(done.stdout.strip())
    ended = [make() for _ in range(3)]
    ended[0].close(keep_logs=True)
    assert killed.is_dir()
    for folder in ended[1:]:
        folder.close(keep_logs=True)
    assert {folder.path for folder in ended[1:]} == set(tmp_path.iterdir())


@pytest.mark.parametrize("keep_logs", [False, True])
def test_somebody_has_tidied_it_away(make, keep_logs: bool) -> None:
    folder = make()
    shutil.rmtree(folder.path)
    folder.close(keep_logs=keep_logs)


def test_another_run_removes_the_same_at_this_moment(tmp_path, make, monkeypatch) -> None:
    monkeypatch.setattr(_folder, "KEPT", 1)
    folders = [make() for _ in range(3)]
    for folder in folders[:2]:
        folder.close(keep_logs=True)
    look = _folder._is_over

    def look_and_remove(folder: Path) -> bool:
        over = look(folder)
        shutil.rmtree(folder)
        return over

    monkeypatch.setattr(_folder, "_is_over", look_and_remove)
    folders[2].close(keep_logs=True)
    assert list(tmp_path.iterdir()) == []


def test_only_this_user_may_enter(make) -> None:
    assert make().path.stat().st_mode & 0o077 == 0
