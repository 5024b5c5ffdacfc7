"""Where the logs of a run are, and for how long."""

import socket

from typhoon.local import _folder
from typhoon.local._folder import RunFolder


def test_nothing_is_left_of_a_run_in_which_nothing_happened(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.log(6700).write_text("fine")
    folder.close(keep_logs=False)
    assert list(tmp_path.iterdir()) == []


def test_logs_are_kept_where_a_worker_died_and_sockets_are_not(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.log(6700).write_text("killed")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(folder.socket(0, 1).removeprefix("unix:"))
    folder.close(keep_logs=True)
    assert folder.log(6700).read_text() == "killed"
    assert not any(file.is_socket() for file in folder.path.iterdir())


def test_only_so_many_are_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(_folder, "KEPT", 2)
    running = RunFolder(tmp_path)
    ended = [RunFolder(tmp_path) for _ in range(4)]
    for folder in ended:
        folder.close(keep_logs=True)
    assert {folder.path for folder in (running, *ended[2:])} == set(tmp_path.iterdir())


def test_only_this_user_may_enter(tmp_path) -> None:
    assert RunFolder(tmp_path).path.stat().st_mode & 0o077 == 0
