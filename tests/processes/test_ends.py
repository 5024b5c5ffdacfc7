"""A run of several workers ends: whatever its components do, and however it is asked to."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from worker_parts import Numbers, Part, Replayed, Sink

from typhoon import Bolt, LocalCluster, TopologyBuilder
from typhoon.errors import TopologyFailedError

COMMAND = [sys.executable, "-m", "typhoon.cli"]
SOON_S = 12
"""More than closing may take at the worst, on a machine that has other things to do."""

APP = """
import pathlib, time
from typhoon import Bolt, ReliableSpout, Topology

class Numbers(ReliableSpout):
    outputs = ["n"]
    def initialize(self, conf, context):
        self.n = 0
    def next_tuple(self):
        self.emit([self.n], tup_id=self.n)
        self.n += 1

class Sink(Bolt):
    def process(self, tup):
        if tup["n"] == 50:
            pathlib.Path("started").touch()
        HERE

class App(Topology):
    config = {"topology.max.spout.pending": 100, "topology.workers": 2}
    numbers = Numbers.spec()
    sink = Sink.spec(inputs=[numbers])
"""
RUNS = APP.replace("HERE", "")
HANGS = APP.replace("HERE", "if tup['n'] == 50: time.sleep(600)")


class Run:
    """`typhoon run` in the background, in a process group of its own, once it has begun."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self.process = process
        self._errors = errors

    @property
    def errors(self) -> str:
        return self._errors.read_text(encoding="utf-8")

    def ended(self) -> int:
        """Its exit status."""
        return self.process.wait(timeout=SOON_S)


@pytest.fixture
def running(tmp_path: Path, write_app: Callable, wait_until: Callable) -> Callable:
    @contextmanager
    def start(text: str, *arguments: str, **options: Any) -> Iterator[Run]:
        errors = tmp_path / "errors"
        command = [*COMMAND, "run", str(write_app(text)), "--plain", *arguments]
        with (
            errors.open("w", encoding="utf-8") as stderr,
            subprocess.Popen(
                command,
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                text=True,
                start_new_session=True,
                **options,
            ) as process,
        ):
            try:
                wait_until((tmp_path / "started").exists, 20, "the first numbers")
                yield Run(process, errors)
            finally:
                if process.poll() is None:
                    process.kill()

    return start


class Hangs(Sink):
    """Never comes back from its first call, nor from `initialize` where `how` says so."""

    how = "process"

    def begin(self):
        if self.how == "initialize":
            self.wait()

    def process(self, tup):
        self.wait()

    def wait(self):
        self.diary.note("hangs")
        time.sleep(600)


class OneRaises(Part, Bolt):
    """One task raises in `initialize` when the other has begun to hang in it."""

    def begin(self):
        if self.context.task_index == 0:
            self.diary.note("hangs")
            time.sleep(600)
        while not self.diary.count("hangs"):
            time.sleep(0.01)
        raise ConnectionError("the database is gone")

    def process(self, tup):
        pass


def numbers_to(bolt, diary, par=1, spout=Numbers):
    builder = TopologyBuilder("ends")
    builder.set_spout("numbers", spout(diary, count=1000))
    builder.set_bolt("bolt", bolt, par).shuffle_grouping("numbers")
    return builder


# Where a component hangs -------------------------------------------------------------------------


def test_two_ctrl_c_while_a_bolt_hangs(running: Callable, wait_until: Callable) -> None:
    with running(HANGS) as run:
        run.process.send_signal(signal.SIGINT)
        wait_until(lambda: "draining" in run.errors)
        run.process.send_signal(signal.SIGINT)
        assert run.ended() == 130
    assert "Traceback" not in run.errors


@pytest.mark.parametrize("how", ["process", "initialize"])
def test_a_cluster_is_left_while_a_bolt_hangs(diary, wait_until, how):
    with LocalCluster(processes=True) as cluster:
        topology = cluster.submit(
            "test", numbers_to(Hangs(diary, how=how), diary), {"topology.workers": 2}
        )
        wait_until(lambda: diary.count("hangs"), 20)
        began = time.monotonic()
    assert time.monotonic() - began < SOON_S
    assert topology.is_over
    assert topology.status == "STOPPED"


def test_a_drain_ends_while_a_bolt_hangs(diary, submit, wait_until):
    topology = submit(numbers_to(Hangs(diary), diary), 2)
    wait_until(lambda: diary.count("hangs"), 20)
    began = time.monotonic()
    assert not topology.drain(timeout=1)
    assert time.monotonic() - began < SOON_S
    assert topology.is_over


def test_one_task_raises_in_initialize_while_another_hangs_in_it(diary, submit, wait_until):
    topology = submit(numbers_to(OneRaises(diary), diary, par=2), 2, wait=False)
    wait_until(lambda: topology.is_over, 20, "its end")
    assert topology.status == "FAILED"
    assert "the database is gone" in topology.failure.message


# Whatever is raised ------------------------------------------------------------------------------


class SpeechlessError(Exception):
    """Raises when it is asked what it says."""

    def __str__(self):
        raise LookupError("no words")


class Speechless(Sink):
    """Raises where ``at`` says; values and names that it meets have no words either."""

    on_error = "fail"

    def begin(self):
        if self.at == "initialize":
            raise SpeechlessError

    def process(self, tup):
        if self.at == "process":
            raise SpeechlessError
        super().process(tup)

    def close(self):
        super().close()
        if self.at == "close":
            raise SpeechlessError


FAILS = "SpeechlessError: (its str() raised LookupError)"


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize(("at", "on_error"), [("initialize", "fail"), ("process", "exit")])
def test_an_error_without_words_fails_a_topology(
    diary, wait_until, monkeypatch, processes, at, on_error
):
    monkeypatch.setattr("typhoon.worker._restarts.BACK_OFF_S", (0.01,))
    bolt = Speechless(diary, at=at)
    bolt.on_error = on_error
    config = {"topology.workers": 2, "supervisor.worker.max.restarts": 1}
    with LocalCluster(processes=processes) as cluster:
        builder = numbers_to(bolt, diary, spout=Replayed)
        topology = cluster.submit("test", builder, config)
        wait_until(lambda: topology.is_over, 20, "its end")
    assert topology.status == "FAILED"
    assert "SpeechlessError" in topology.failure.message


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("on_error", ["fail", "drop", "dead-letter"])
def test_an_error_without_words_fails_a_tuple(diary, wait_until, processes, on_error):
    bolt = Speechless(diary, at="process")
    bolt.on_error = on_error
    with LocalCluster(processes=processes) as cluster:
        topology = cluster.submit("test", numbers_to(bolt, diary), {"topology.workers": 2})
        topology.wait_until_drained(timeout=20)
        found = next(one for one in topology.stats().components if one.id == "bolt")
    assert found.errors == 1000
    assert found.last_error == f"process: {FAILS}"


def test_an_application_that_does_not_import_and_does_not_say_why(write_app, run_typhoon):
    error = "class Odd(Exception):\n    def __str__(self): raise LookupError\n"
    for app in (
        f"{error}raise Odd",
        f"{error}import sys\nif 'typhoon.cli' not in sys.modules: raise Odd\n{RUNS}",
    ):
        done = run_typhoon("run", write_app(app))
        assert done.returncode == 1, done.stderr
        assert "Odd: (its str() raised LookupError)" in done.stderr
        assert "hint: " in done.stderr


# Workers that break ------------------------------------------------------------------------------


class NoThread(Sink):
    """Where it is made of what was sent, the system gives no thread for the watchdog, once."""

    def __setstate__(self, state):
        vars(self).update(state)
        if "typhoon.worker._serve" in sys.modules and not self.once.exists():
            self.once.touch()
            threading.Thread.start = self.refuse(threading.Thread.start)

    @staticmethod
    def refuse(start):
        def refuse(thread):
            if thread.name.endswith("-watchdog"):
                raise RuntimeError("can't start new thread")
            start(thread)

        return refuse


def test_a_worker_that_gets_no_thread_is_started_anew(diary, submit, tmp_path):
    bolt = NoThread(diary, once=tmp_path / "once")
    topology = submit(numbers_to(bolt, diary, spout=Replayed), 2)
    topology.wait_until_drained(timeout=20)
    assert set(diary.firsts("acked")) == set(range(1000))
    assert sorted(one.starts for one in topology.stats().processes) == [1, 2]
    assert any("RuntimeError: can't start new thread" in one for one in topology.notices)


class LeavesThread(Sink):
    """Raises once, with a thread of its own that never ends."""

    on_error = "exit"

    def process(self, tup):
        if not self.once.exists():
            self.once.touch()
            threading.Thread(target=time.sleep, args=(600,), daemon=False).start()
            raise ValueError("enough")
        super().process(tup)


class CannotCome(Sink):
    """Is not to be made in a worker, and leaves a thread of its own that never ends."""

    def __setstate__(self, state):
        vars(self).update(state)
        if "typhoon.worker._serve" in sys.modules:
            threading.Thread(target=time.sleep, args=(600,), daemon=False).start()
            raise ImportError("no such module")


def test_a_thread_that_never_ends_does_not_keep_a_worker_that_cannot_begin(diary, submit):
    topology = submit(numbers_to(CannotCome(diary), diary), 2, wait=False)
    with pytest.raises(TopologyFailedError, match="no such module"):
        topology.wait_until_running(timeout=20)
    topology.close()
    logs = [log.read_text() for log in topology._worker._crew._folder.path.glob("worker-*.log")]
    assert len(logs) == 2
    assert not any("_Ended" in log for log in logs), "it had to be asked to end"


def test_a_thread_that_never_ends_does_not_keep_its_worker(diary, submit, tmp_path):
    bolt = LeavesThread(diary, once=tmp_path / "once")
    topology = submit(numbers_to(bolt, diary, spout=Replayed), 2)
    topology.wait_until_drained(timeout=SOON_S)
    assert diary.firsts("acked") == Counter(range(1000))
    assert any("enough" in one for one in topology.notices)


# Signals -----------------------------------------------------------------------------------------


def workers_of(run):
    return [child.pid for child in psutil.Process(run.process.pid).children()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("whom", ["the group", "all, workers first", "all, workers last"])
def test_a_signal_drains_whomever_it_reaches(running, tmp_path, number, whom):
    """A terminal signals a group, `timeout` a process and its group, systemd every process."""
    out = (tmp_path / "out").open("w")
    with out, running(RUNS, "--json", stdout=out) as run:
        parent = run.process.pid
        if whom == "the group":
            os.kill(parent, number)
            os.killpg(parent, number)
        elif whom == "all, workers first":
            for pid in (*workers_of(run), parent):
                os.kill(pid, number)
        else:
            for pid in (parent, *workers_of(run)):
                os.kill(pid, number)
        assert run.ended() == 0, run.errors
    assert "draining" in run.errors
    assert "Traceback" not in run.errors
    stats = json.loads((tmp_path / "out").read_text())
    assert stats["acked"] == stats["emitted"]["numbers"] > 50
    assert stats["failed"] == stats["failed_by_worker_death"] == 0
    assert [one["starts"] for one in stats["processes"]] == [1, 1]


def test_a_worker_ends_when_its_supervisor_says_so(diary, submit, wait_until, tmp_path):
    """Nobody else may: a signal that reaches it alone, or that it sends itself, changes nothing."""
    keep = tmp_path / "keep"
    keep.touch()
    builder = TopologyBuilder("ends")
    builder.set_spout("numbers", Numbers(diary, keep=str(keep), pace=2000))
    builder.set_bolt("bolt", Sink(diary)).shuffle_grouping("numbers")
    topology = submit(builder, 2)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for one in topology.stats().processes:
            os.kill(one.pid, number)
    acked = diary.count("acked")
    wait_until(lambda: diary.count("acked") > acked + 1000, 20, "work to go on")
    topology.rebalance(10, workers=1)
    acked = diary.count("acked")
    wait_until(lambda: diary.count("acked") > acked + 1000, 20, "work to go on")
    assert diary.count("closed") == 2, "who is not needed any more closes its components"
    keep.unlink()
    topology.wait_until_drained(timeout=20)
    assert topology.notices == []
    assert topology.stats().failed_by_worker_death == 0


def test_the_second_hang_up_stops(running, wait_until):
    with running(HANGS) as run:
        run.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "draining" in run.errors)
        run.process.send_signal(signal.SIGHUP)
        assert run.ended() == 129


def test_nohup_keeps_a_run_going(running):
    ignore = partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    with running(RUNS, "--for", "2s", preexec_fn=ignore) as run:
        for pid in (run.process.pid, *workers_of(run)):
            os.kill(pid, signal.SIGHUP)
        assert run.ended() == 0, run.errors
    assert "draining" not in run.errors


LEFT = RUNS.replace(
    "class Sink",
    """
    def ack(self, tup_id):
        super().ack(tup_id)
        self.acked = getattr(self, "acked", 0) + 1
    def close(self):
        pathlib.Path("left").write_text(str(self.n - self.acked))

class Sink""",
)


@pytest.mark.parametrize("options", [[], ["--plain"]], ids=["table", "lines"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_terminal_is_closed(on_terminal, write_app, tmp_path, wait_until, options, workers):
    with on_terminal("run", write_app(LEFT), "--workers", workers, *options) as terminal:
        terminal.read_until("capacity" if not options else " s  acked")
        terminal.close()
        assert terminal.process.wait(SOON_S) == 0
    assert (tmp_path / "left").read_text() == "0"
