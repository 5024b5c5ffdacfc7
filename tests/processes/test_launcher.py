"""Workers as real processes: how they are started, watched, killed, and what they leave."""

import os
import re
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from typhoon.cluster.supervisor import (
    Command,
    Death,
    LogOptions,
    ProcessLauncher,
    SlotAssignment,
    SlotOptions,
    Slots,
    Status,
    log_options,
)
from typhoon.cluster.supervisor._deaths import PidFds, Waiters, death_watch
from typhoon.cluster.supervisor._log_file import LogFile
from typhoon.config import topology_conf
from typhoon.errors import TyphoonInternalError

PORT = 6700
LOGS = LogOptions(max_bytes=10_000, files=3)
OPTIONS = SlotOptions(
    start_timeout_s=20,
    worker_timeout_s=20,
    shutdown_s=10,
    memory_limit_bytes=None,
    max_restarts=1000,
    restart_window_s=600,
    lasting_s=0,
    back_off_s=0.01,
    max_back_off_s=0.02,
)
BEST = PidFds if sys.platform == "linux" else Waiters
SLEEP = "import time; time.sleep(60)"


def python(code: str, **arguments: object) -> Command:
    return Command((sys.executable, "-c", textwrap.dedent(code)), **arguments)


def is_gone(pid: int) -> bool:
    """Whether it runs no more; that nobody has reaped it yet is not our affair."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Yard:
    """A launcher, and what a test asks of it."""

    def __init__(
        self, folder: Path, wait_until: Callable, watch: type, logs: LogOptions = LOGS
    ) -> None:
        self.folder = folder
        self.wait_until = wait_until
        self.launcher = ProcessLauncher(folder, logs, watch())
        self.dead: list[Death] = []

    def log(self, port: int = PORT) -> str:
        file = self.folder / f"worker-{port}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def launch(self, command: Command, port: int = PORT, incarnation: int = 1) -> int:
        """Start it; gives the number of its process."""
        self.launcher.launch(port, incarnation, command)
        return self.pid(port, incarnation)

    def pid(self, port: int, incarnation: int) -> int:
        words = rf"worker {port}, incarnation {incarnation}, is process (\d+)"
        return int(self.wait_until(lambda: re.search(words, self.log(port)))[1])

    def says(self, words: str, port: int = PORT) -> None:
        self.wait_until(lambda: words in self.log(port), what=repr(words))

    def death(self, timeout: float = 10.0) -> Death:
        """The next one, for which its descriptor is waited for."""
        deadline = time.monotonic() + timeout
        while not self.dead:
            left = deadline - time.monotonic()
            assert left > 0, "nobody died"
            select.select([self.launcher], [], [], left)
            self.dead += self.launcher.deaths()
        return self.dead.pop(0)


@pytest.fixture(params=sorted({BEST, Waiters}, key=str))
def yard(request: pytest.FixtureRequest, tmp_path: Path, wait_until: Callable) -> Iterator[Yard]:
    made = Yard(tmp_path, wait_until, request.param)
    yield made
    made.launcher.close()


def test_a_pidfd_is_what_linux_gets() -> None:
    watch = death_watch()
    watch.close()
    assert isinstance(watch, BEST)


def test_a_kernel_without_pidfds(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    watch = death_watch()
    watch.close()
    assert isinstance(watch, Waiters)


def test_logs_are_as_large_as_storms() -> None:
    assert log_options(topology_conf().values) == LogOptions(max_bytes=100_000_000, files=10)


# Deaths -----------------------------------------------------------------------------------------


def test_the_end_of_a_worker_is_known_with_its_status_and_last_words(yard: Yard) -> None:
    yard.launch(python("import nowhere"))
    words = "exit status 1: ModuleNotFoundError: No module named 'nowhere'"
    assert yard.death() == Death(PORT, 1, words)
    assert yard.launcher.deaths() == []
    assert "Traceback (most recent call last)" in yard.log()
    assert yard.log().endswith("--- worker 6700, incarnation 1, ended: exit status 1 ---\n")


def test_a_killed_worker_is_known_at_once(yard: Yard) -> None:
    times = []
    for incarnation in range(5):
        pid = yard.launch(python(SLEEP), incarnation=incarnation)
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        assert yard.death() == Death(PORT, incarnation, "killed by SIGKILL (out of memory?)")
        times.append(time.perf_counter() - began)
    assert sorted(times)[2] < 0.1


def test_a_crash_in_native_code_leaves_its_stack_in_the_log(yard: Yard) -> None:
    yard.launch(python("import faulthandler as f; f.enable(); f._sigsegv()"))
    assert yard.death().reason.startswith("killed by SIGSEGV (a fault in native code)")
    assert "Fatal Python error: Segmentation fault" in yard.log()


def test_a_signal_without_a_name(yard: Yard) -> None:
    yard.launch(python("import os; os.kill(os.getpid(), 40)"))
    assert yard.death().reason == "killed by signal 40"


def test_a_command_that_is_not_there(yard: Yard) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        yard.launcher.launch(PORT, 1, Command(("no-such-program",)))
    yard.launch(python(SLEEP))


def test_a_worker_that_cannot_be_watched_does_not_run(tmp_path: Path) -> None:
    started = []

    class Blind(Waiters):
        def watch(self, process: subprocess.Popen) -> None:
            started.append(process.pid)
            raise OSError(24, "Too many open files")

    launcher = ProcessLauncher(tmp_path, LOGS, Blind())
    with pytest.raises(OSError, match="Too many open files"):
        launcher.launch(PORT, 1, python(SLEEP))
    assert is_gone(started[0])
    launcher.close()


def test_one_port_has_one_worker(yard: Yard) -> None:
    yard.launch(python(SLEEP))
    with pytest.raises(TyphoonInternalError):
        yard.launcher.launch(PORT, 2, python(SLEEP))


def test_a_worker_gets_our_surroundings_and_what_is_passed_to_it(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO", "me at ")
    read, write = os.pipe()
    code = f"import os, sys; os.write({write}, os.environ['WHO'].encode() + os.getcwd().encode())"
    yard.launch(python(code, pass_fds=(write,)))
    assert os.read(read, 1000) == b"me at " + os.fsencode(Path.cwd())
    assert os.read(read, 1000) == b""  # nobody but the worker had the other end
    os.close(read)
    assert yard.death().reason == "exit status 0"


# Killing ----------------------------------------------------------------------------------------


def test_asking_a_worker_to_end(yard: Yard) -> None:
    yard.launch(
        python(
            """
            import signal, sys, time
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
            print("ready", flush=True)
            time.sleep(60)
            """
        )
    )
    yard.says("ready")
    yard.launcher.terminate(PORT)
    assert yard.death().reason.startswith("exit status 7")


FAMILY = """
    import os, signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = "import time; print('grandchild', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code])
    os.write(1, f"family {child.pid}\\n".encode())
    time.sleep(60)
"""


def grandchild(yard: Yard) -> int:
    yard.says("grandchild")
    return int(yard.wait_until(lambda: re.search(r"family (\d+)\n", yard.log()))[1])


def test_killing_a_worker_that_ignores_sigterm_kills_what_it_started(yard: Yard) -> None:
    yard.launch(python(FAMILY))
    pid = grandchild(yard)
    yard.launcher.terminate(PORT)
    assert not is_gone(pid)
    yard.launcher.kill(PORT)
    assert yard.death().reason.startswith("killed by SIGKILL")
    yard.wait_until(lambda: is_gone(pid), what="the end of the grandchild")


def test_what_a_worker_started_does_not_outlive_it(yard: Yard) -> None:
    worker = yard.launch(python(FAMILY))
    pid = grandchild(yard)
    os.kill(worker, signal.SIGKILL)
    yard.death()
    yard.wait_until(lambda: is_gone(pid), what="the end of the grandchild")


def test_a_grandchild_that_left_the_group_does_not_hold_up_its_workers_end(yard: Yard) -> None:
    yard.launch(
        python(
            """
            import os, sys, time
            if os.fork() == 0:
                os.setsid()
                os.write(1, f"away {os.getpid()}\\n".encode())
                time.sleep(60)
            time.sleep(60)
            """
        )
    )
    away = int(yard.wait_until(lambda: re.search(r"away (\d+)\n", yard.log()))[1])
    yard.launcher.kill(PORT)
    yard.death()
    os.kill(away, signal.SIGKILL)


def test_closing_kills_all(tmp_path: Path, wait_until: Callable) -> None:
    yard = Yard(tmp_path, wait_until, BEST)
    pids = [yard.launch(python(SLEEP), port=6700 + n) for n in range(3)]
    yard.launcher.close()
    assert all(map(is_gone, pids))


def test_nothing_happens_to_a_port_without_a_worker(yard: Yard) -> None:
    yard.launcher.terminate(PORT)
    yard.launcher.kill(PORT)
    assert yard.launcher.rss_bytes(PORT) == 0


# A dead parent ----------------------------------------------------------------------------------

PARENT = """
    import sys, time
    from pathlib import Path
    from typhoon.cluster.supervisor import Command, LogOptions, ProcessLauncher
    launcher = ProcessLauncher(Path(sys.argv[1]), LogOptions(max_bytes=10_000, files=2))
    launcher.launch(6700, 1, Command((sys.executable, "-c", sys.argv[2])))
    time.sleep(60)
"""
WAYS = {
    "as a worker calls it": "from typhoon.worker import end_with_parent; assert end_with_parent()",
    "by a signal of the kernel's": (
        "import os; from typhoon.worker._parent import end_by_signal; "
        "end_by_signal(int(os.environ['TYPHOON_PARENT_FD']))"
    ),
    "by a thread": (
        "import os; from typhoon.worker._parent import end_by_thread; "
        "end_by_thread(int(os.environ['TYPHOON_PARENT_FD']))"
    ),
}
LIVES = {
    "sleeping": "import time; time.sleep(60)",
    "stopped": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "holding the GIL": "import ctypes; ctypes.PyDLL(None).sleep(60)",
}


@pytest.mark.parametrize(
    ("way", "life"),
    [
        *((way, "sleeping") for way in WAYS),
        *(("by a signal of the kernel's", life) for life in ["stopped", "holding the GIL"]),
    ],
)
def test_a_worker_dies_with_its_parent(
    way: str, life: str, tmp_path: Path, wait_until: Callable
) -> None:
    if sys.platform != "linux" and "kernel" in way:
        pytest.skip("Linux only")
    family = """
        import os, time
        forked = os.fork() == 0
        os.write(1, f"process {os.getpid()}\\n".encode())
        if forked:
            time.sleep(60)
    """
    code = f"{WAYS[way]}\n{textwrap.dedent(family)}\n{LIVES[life]}"
    log = tmp_path / "worker-6700.log"

    def pids() -> list[int]:
        found = re.findall(r"^process (\d+)$", log.read_text(), re.M)
        return [int(pid) for pid in found] if len(found) == 2 else []

    arguments = [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path), code]
    with subprocess.Popen(arguments) as parent:
        wait_until(log.exists)
        both = wait_until(pids)
        parent.kill()
    wait_until(lambda: all(map(is_gone, both)), what="the end of the worker and its child")


def test_a_parent_that_is_dead_already(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(write)
    code = f"{WAYS['as a worker calls it']}\n{SLEEP}"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TYPHOON_PARENT_FD": str(read)},
        pass_fds=[read],
        check=False,
        timeout=20,
    )
    os.close(read)
    assert answer.returncode == -signal.SIGKILL


def test_without_such_a_parent_nothing_is_done() -> None:
    code = "from typhoon.worker import end_with_parent; assert not end_with_parent()"
    subprocess.run([sys.executable, "-c", code], check=True)


# Logs -------------------------------------------------------------------------------------------


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


# Slots of real processes ------------------------------------------------------------------------

WORKER = """
    import os, sys, time
    from typhoon.worker import end_with_parent
    end_with_parent()
    fd = int(sys.argv[1])
    while True:
        os.write(fd, sys.argv[2].encode() + b"\\n")
        time.sleep(0.02)
"""


class Town:
    """Slots whose workers send heartbeats by a pipe, and what is heard of them."""

    def __init__(self, folder: Path, wait_until: Callable, options: SlotOptions) -> None:
        self.wait_until = wait_until
        self.heard: list[tuple[float, Status, int, str]] = []
        self.pids: dict[int, int] = {}
        self.log = folder / "worker-6700.log"
        self.read, self.write = os.pipe()
        self.deaf = False
        launcher = ProcessLauncher(folder, LOGS)
        self.slots = Slots([PORT], launcher, options, self._on_change)
        self.listener = threading.Thread(target=self._listen)
        self.listener.start()

    def run(self, code: str = WORKER) -> None:
        """Assign a worker of that code."""

        def command(port: int, incarnation: int) -> Command:
            fd = os.dup(self.write)
            argv = (sys.executable, "-c", textwrap.dedent(code), str(fd), str(incarnation))
            return Command(argv, pass_fds=(fd,))

        self.slots.assign(PORT, SlotAssignment("t-1", frozenset({(1, 1)}), command))

    def until(self, status: Status, incarnation: int) -> tuple[float, str]:
        """When that was heard, and with which reason."""

        def found() -> tuple[float, str] | None:
            for at, *what, reason in self.heard:
                if what == [status, incarnation]:
                    return at, reason
            return None

        return self.wait_until(found, what=f"{status} of incarnation {incarnation}")

    def pid(self, incarnation: int) -> int:
        words = rf"incarnation {incarnation}, is process (\d+)"
        self.wait_until(self.log.exists)
        return int(self.wait_until(lambda: re.search(words, self.log.read_text()))[1])

    def close(self) -> None:
        self.slots.close(timeout=0)
        os.close(self.write)
        self.listener.join()
        os.close(self.read)

    def _on_change(self, port: int, status: Status, incarnation: int, reason: str) -> None:
        self.heard.append((time.perf_counter(), status, incarnation, reason))

    def _listen(self) -> None:
        with os.fdopen(os.dup(self.read)) as lines:
            for line in lines:
                self.slots.heartbeat(PORT, int(line))


@pytest.fixture
def settle(tmp_path: Path, wait_until: Callable) -> Iterator[Callable[..., Town]]:
    towns: list[Town] = []

    def make(**options: object) -> Town:
        known = {name: getattr(OPTIONS, name) for name in OPTIONS.__slots__}
        towns.append(Town(tmp_path, wait_until, SlotOptions(**{**known, **options})))
        return towns[-1]

    yield make
    for town in towns:
        town.close()


def test_a_killed_worker_is_back(settle: Callable[..., Town]) -> None:
    town = settle()
    town.run()
    for incarnation in range(1, 6):
        town.until(Status.RUNNING, incarnation)
        began = time.perf_counter()
        os.kill(town.pid(incarnation), signal.SIGKILL)
        at, reason = town.until(Status.WAITING_FOR_WORKER_START, incarnation + 1)
        assert reason == "killed by SIGKILL (out of memory?)"
        assert at - began < 0.5


def test_a_stopped_worker_is_silent_and_so_killed(settle: Callable[..., Town]) -> None:
    town = settle(worker_timeout_s=0.5)
    town.run()
    town.until(Status.RUNNING, 1)
    pid = town.pid(1)
    os.kill(pid, signal.SIGSTOP)
    assert town.until(Status.WAITING_FOR_WORKER_START, 2)[1] == "was silent for 0.5 s"
    town.until(Status.RUNNING, 2)
    assert is_gone(pid)


def test_a_worker_that_ignores_sigterm_is_killed_after_its_time(
    settle: Callable[..., Town],
) -> None:
    town = settle(shutdown_s=0.2)
    town.run(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + textwrap.dedent(WORKER)
    )
    town.until(Status.RUNNING, 1)
    town.slots.assign(PORT, None)
    asked = town.until(Status.KILL, 1)[0]
    ended = town.until(Status.EMPTY, 1)[0]
    assert 0.2 <= ended - asked < 5


def test_a_worker_above_its_limit(settle: Callable[..., Town]) -> None:
    town = settle(memory_limit_bytes=200_000_000)
    town.run("held = b'x' * 300_000_000\n" + textwrap.dedent(WORKER))
    reason = town.until(Status.WAITING_FOR_WORKER_START, 2)[1]
    assert re.fullmatch(r"out of memory: \d+ MB of 200 MB", reason)


def test_a_worker_that_never_starts_says_why_the_slot_gave_up(settle: Callable[..., Town]) -> None:
    town = settle(max_restarts=3, lasting_s=10)
    town.run("import nowhere")
    reason = town.until(Status.GIVEN_UP, 4)[1]
    assert reason == (
        "gave up after 3 restarts, none of which lasted 10 s: "
        "exit status 1: ModuleNotFoundError: No module named 'nowhere'"
    )


def test_fifty_restarts_leave_nothing(settle: Callable[..., Town]) -> None:
    def held() -> tuple[int, int, int]:
        me = psutil.Process()
        return me.num_fds(), threading.active_count(), len(me.children())

    town = settle()
    town.run("import sys\nprint('hello')\nsys.stdin.read()\nimport time; time.sleep(60)")
    town.until(Status.WAITING_FOR_WORKER_START, 1)
    town.pid(1)  # its log is open
    before = held()
    for incarnation in range(1, 51):
        os.kill(town.pid(incarnation), signal.SIGKILL)
        town.until(Status.WAITING_FOR_WORKER_START, incarnation + 1)
    town.wait_until(lambda: held() == before, what=f"{before} again, not {held()}")
