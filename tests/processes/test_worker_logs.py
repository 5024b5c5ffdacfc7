"""What workers print is kept, as much of it as there may be, whatever the disk does."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from launcher_parts import BEST, PORT, SLEEP, Yard, python

from typhoon.cluster.supervisor import (
    LogOptions,
    log_options,
)
from typhoon.cluster.supervisor._log_file import LogFile
from typhoon.config import topology_conf


def test_logs_are_as_large_as_storms() -> None:
    assert log_options(topology_conf().values) == LogOptions(max_bytes=100_000_000, files=10)


def test_logs_rotate_at_the_ends_of_lines(yard: Yard) -> None:
    printing = "for n in range(4000): print(n, '.' * 20)"
    code = f"import os, sys\n{printing}\nsys.stdout.flush()\nos.system('echo from the shell')"
    yard.launcher.launch(PORT, 1, python(code))
    yard.death()
    names = sorted(file.name for file in yard.folder.iterdir())
    assert names == ["worker-6700.log", "worker-6700.log.1", "worker-6700.log.2"]
    for older in names[1:]:
        text = (yard.folder / older).read_text()
        assert re.fullmatch(r"(\d+ \.{20}\n)+", text)
        assert 9_000 < len(text) <= 10_050
    newest = yard.log().splitlines()
    assert "from the shell" in newest
    oldest = (yard.folder / names[2]).read_text().splitlines()[0].split()[0]
    kept = 4000 - int(oldest)
    lines = sum((yard.folder / name).read_text().count(" ....") for name in names)
    assert lines == kept


def test_every_line_of_a_crash_is_there(yard: Yard) -> None:
    """What is still in the pipe when the worker is dead."""
    yard.launch(python("import os; os.write(1, b'x' * 9000 + b'\\nend'); os.abort()"))
    assert yard.death().reason == "killed by SIGABRT (native code gave up): end"
    assert "x" * 9000 in yard.log()
    assert "\nend\n--- worker 6700, incarnation 1, ended: killed by SIGABRT" in yard.log()


def test_incarnations_share_a_log(yard: Yard) -> None:
    for incarnation in (1, 2):
        yard.launch(python(f"print('this is {incarnation}')"), incarnation=incarnation)
        yard.death()
    assert re.findall(r"this is \d", yard.log()) == ["this is 1", "this is 2"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_stops_nobody_and_is_told_of_when_there_is_room(
    tmp_path: Path, wait_until: Callable
) -> None:
    yard = Yard(tmp_path, wait_until, BEST, LogOptions(max_bytes=10_000_000, files=2))
    log = yard.folder / "worker-6700.log"
    log.symlink_to("/dev/full")
    read, write = os.pipe()
    code = (
        "import os\nfor n in range(200): print('.' * 9999)\nprint('flooded', flush=True)\n"
        f"os.write({write}, b'!')\n"
        f"while not os.path.exists({str(yard.folder / 'room')!r}): pass\n"
        "print('there is room', flush=True)\n" + SLEEP
    )
    yard.launcher.launch(PORT, 1, python(code, pass_fds=(write,)))
    assert os.read(read, 1) == b"!"  # it printed 2 MB, and nothing held it up
    os.close(read)
    log.unlink()
    (yard.folder / "room").touch()
    yard.says("there is room")
    found = re.search(r"--- (\d+) bytes of output were lost here: No space left", yard.log())
    assert found
    yard.launcher.close()
    assert 1_800_000 < int(found[1]) < 2_000_200  # a pipeful of it may have found room


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_is_lost_is_counted_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "worker-6700.log"
    path.symlink_to("/dev/full")
    log = LogFile(path, max_bytes=1000, files=2)
    log.write(b"x" * 100)
    log.write(b"y" * 23)
    path.unlink()
    log.write(b"and on\n")
    log.close()
    lost = "\n--- 123 bytes of output were lost here: No space left on device ---\n"
    assert path.read_text() == f"{lost}and on\n"


def test_a_log_that_cannot_be_renamed_grows_on(tmp_path: Path) -> None:
    path = tmp_path / "worker-6700.log"
    (tmp_path / "worker-6700.log.1" / "in the way").mkdir(parents=True)
    log = LogFile(path, max_bytes=10, files=2)
    for _ in range(3):
        log.write(b"eight..\n")
    log.close()
    assert path.read_text() == "eight..\n" * 3


def test_a_line_that_is_longer_than_a_file(tmp_path: Path) -> None:
    path = tmp_path / "worker-6700.log"
    log = LogFile(path, max_bytes=10, files=2)
    for part in (b"short\n", b"a long one, in two", b" parts\n", b"next\n"):
        log.write(part)
    log.close()
    assert path.read_text() == "next\n"
    assert (tmp_path / "worker-6700.log.1").read_text() == "a long one, in two parts\n"


def test_a_line_without_an_end(tmp_path: Path) -> None:
    path = tmp_path / "worker-6700.log"
    log = LogFile(path, max_bytes=10, files=2)
    for _ in range(5):
        log.write(b"12345678")
    log.close()
    assert path.read_text() == "12345678"
    assert (tmp_path / "worker-6700.log.1").read_text() == "12345678" * 2


def test_a_log_of_no_size_at_all(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "worker-6700.log", max_bytes=0, files=2)
    log.write(b"one\ntwo\nthree")
    log.close()
    assert (tmp_path / "worker-6700.log").read_text() == "three"
    assert (tmp_path / "worker-6700.log.1").read_text() == "two\n"


def test_a_log_without_older_ones(tmp_path: Path) -> None:
    path = tmp_path / "worker-6700.log"
    log = LogFile(path, max_bytes=10, files=1)
    log.write(b"first..\nsecond.\n")
    log.close()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["second.\n"]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root")
def test_a_disk_that_fills_up(tmp_path: Path, wait_until: Callable) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        ballast = tmp_path / "ballast"
        ballast.write_bytes(bytes(48_000))
        yard = Yard(tmp_path, wait_until, BEST)
        yard.launch(python("for n in range(10000): print(n, '.' * 90)"))
        assert yard.death().reason.startswith("exit status 0: 9999 ...")
        ballast.unlink()
        yard.launch(python("print('next')"), incarnation=2)
        yard.death()
        text = "".join(file.read_text() for file in sorted(tmp_path.iterdir(), reverse=True))
        assert re.search(r"--- \d+ bytes of output were lost here: No space left", text)
        assert "next" in text
        yard.launcher.close()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_disk_that_hangs_does_not_hide_a_death(yard: Yard) -> None:
    log = yard.folder / "worker-6700.log"
    os.mkfifo(log)  # opening it waits until somebody reads
    yard.launcher.launch(PORT, 1, python("print('lost in thought')"))
    assert yard.death(timeout=10).reason == "exit status 0"
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    yard.launcher.close()
    assert b"lost in thought" in os.read(reader, 1000)
    os.close(reader)


def test_a_folder_that_comes_late(yard: Yard) -> None:
    """Whoever cleans up under us does not stop a log."""
    yard.launch(python("print('one')"))
    yard.death()
    for file in yard.folder.iterdir():
        file.unlink()
    yard.folder.rmdir()
    yard.launch(python("print('two')"), incarnation=2)
    yard.death()
    assert "two" in yard.log()
