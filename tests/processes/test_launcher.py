"""Workers as real processes: how they are started, watched and killed."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from launcher_parts import BEST, LOGS, PORT, SLEEP, Yard, is_gone, python

from typhoon.cluster.supervisor import (
    Command,
    Death,
    ProcessLauncher,
)
from typhoon.cluster.supervisor._deaths import Waiters, death_watch
from typhoon.errors import TyphoonInternalError


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
