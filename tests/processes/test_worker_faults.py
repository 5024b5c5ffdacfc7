"""Workers die, hang, starve and are lied to; nothing is lost, and nothing is left behind."""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from worker_parts import (
    CannotStart,
    Clutches,
    Cutter,
    DiesAtStart,
    DiesWhileItStarts,
    Forward,
    Hog,
    Kills,
    Numbers,
    Raises,
    Replayed,
    Sink,
    Spawner,
    Talker,
    Trap,
)

from typhoon import LocalCluster, TopologyBuilder
from typhoon.errors import InvalidTopologyError, TopologyFailedError
from typhoon.local import Origin

NEVER = 300
"""No tuple of these tests may end by its time-out."""


def alive(pid):
    """Whether it runs: one that only waits for a parent to look at it does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Line:
    """``numbers`` → ``forward`` → ``sink``, each in a worker of its own, all tuples over sockets;
    numbers come until ``end`` is called."""

    def __init__(self, diary, submit, wait_until, tmp_path, spout=Replayed, **config):
        self.diary, self.wait_until = diary, wait_until
        self.keep = tmp_path / "keep"
        self.keep.touch()
        builder = TopologyBuilder()
        builder.set_spout("numbers", spout(diary, keep=str(self.keep), pace=4000))
        builder.set_bolt("forward", Forward(diary)).shuffle_grouping("numbers")
        builder.set_bolt("sink", Sink(diary)).shuffle_grouping("forward")
        config.setdefault("topology_message_timeout_secs", NEVER)
        self.topology = submit(builder, 3, **config)
        self.first = self.pids()
        wait_until(lambda: diary.count("acked") > 200, what="the first acks")

    def process(self, component):
        found = [one for one in self.topology.stats().processes if component in one.components]
        assert len(found) == 1
        return found[0]

    def pids(self):
        return {one: self.process(one).pid for one in ("numbers", "forward", "sink")}

    def kill(self, *components):
        """Kill their workers in one instant, and wait until work goes on."""
        victims = [self.process(one) for one in components]
        seen = self.diary.count("seen")
        for victim in victims:
            os.kill(victim.pid, signal.SIGKILL)
        self.back(victims, seen)

    def back(self, victims, seen):
        starts = {victim.port: victim.starts for victim in victims}
        self.wait_until(
            lambda: all(
                one.starts > starts[one.port] and one.pid is not None
                for one in self.topology.stats().processes
                if one.port in starts
            ),
            what="the worker to be started again",
        )
        self.topology.wait_until_running(timeout=20)
        self.wait_until(
            lambda: self.diary.count("seen") > seen + 200, 20, "new tuples after the restart"
        )

    def end(self):
        """No more numbers; all that there were come to an end. Checks what always holds."""
        self.keep.unlink()
        self.topology.wait_until_drained(timeout=40)
        acked = self.diary.firsts("acked")
        assert sorted(acked) == list(range(len(acked))), "a number is missing"
        assert set(self.diary.firsts("seen")) >= set(acked)
        assert self.diary.all("stranger") == []
        assert self.topology.failure is None
        stats = self.topology.stats()
        assert stats.timed_out == 0
        return stats, acked


@pytest.fixture
def line(diary, submit, wait_until, tmp_path):
    def make(**options):
        return Line(diary, submit, wait_until, tmp_path, **options)

    return make


# Death -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "victims", [("forward",), ("sink",), ("forward", "sink")], ids=" and ".join
)
def test_workers_of_bolts_are_killed(line, diary, victims):
    """The spout lives, so its counts say exactly what became of every tree."""
    flow = line()
    flow.kill(*victims)
    after = flow.pids()
    for component, pid in flow.first.items():
        assert (after[component] != pid) == (component in victims)
    stats, acked = flow.end()
    assert set(acked.values()) == {1}
    lost = diary.firsts("lost")
    assert lost, "nothing was in flight"
    assert stats.failed_by_worker_death == lost.total() == stats.replayed
    assert stats.acked == len(acked)
    assert stats.failed == 0
    assert diary.all("failed") == []


@pytest.mark.parametrize(
    "victims",
    [("numbers",), ("numbers", "sink"), ("numbers", "forward", "sink")],
    ids=" and ".join,
)
def test_the_worker_of_the_spout_is_killed(line, diary, victims):
    """A new instance begins at 0 again, and is told only of what it has emitted itself."""
    flow = line()
    flow.kill(*victims)
    flow.end()
    instances = [pid for name, _, pid in diary.all("opened") if name == "numbers"]
    assert len(instances) == 2
    last = [n for n, pid in diary.all("acked") if pid == instances[-1]]
    assert sorted(last) == list(range(len(last)))
    assert diary.all("failed") == []


def test_one_after_the_other_and_again(line, diary):
    flow = line(supervisor_worker_lasting_secs=0.1)
    for victim in ("forward", "sink", "forward", "forward", "sink"):
        flow.kill(victim)
    stats, acked = flow.end()
    assert set(acked.values()) == {1}
    assert stats.failed_by_worker_death == diary.count("lost")
    assert sum(one.starts for one in stats.processes) == 3 + 5


def test_killed_while_it_starts(line, diary, wait_until):
    """Also a start that nobody has seen running is one that its peers have to forget."""
    flow = line(supervisor_worker_lasting_secs=0.1)
    group = psutil.Process()
    victim = flow.process("forward").pid
    for _ in range(4):
        others = {child.pid for child in group.children()} - {victim}
        os.kill(victim, signal.SIGKILL)
        # Its successor is killed at a moment that differs each time.
        victim = wait_until(
            lambda others=others, dead=victim: next(
                (c.pid for c in group.children() if c.pid not in others | {dead}), None
            )
        )
        pause = time.monotonic() + random.uniform(0.0, 0.3)
        wait_until(lambda pause=pause: time.monotonic() > pause)
    os.kill(victim, signal.SIGKILL)
    seen = diary.count("seen")
    wait_until(lambda: diary.count("seen") > seen + 200, 20, "new tuples after the last start")
    _, acked = flow.end()
    assert set(acked.values()) == {1}


def test_killed_while_it_drains(line, diary, wait_until):
    flow = line()
    flow.topology.deactivate()
    os.kill(flow.process("sink").pid, signal.SIGKILL)
    assert flow.topology.drain(timeout=20)
    acked = diary.firsts("acked")
    assert sorted(acked) == list(range(len(acked)))
    assert set(acked.values()) == {1}
    assert diary.all("stranger") == []
    assert flow.topology.stats().acked == len(acked)


def test_killed_while_it_closes(line):
    flow = line()
    victim = flow.process("forward").pid
    began = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    flow.topology.close()
    assert time.monotonic() - began < 2.5, "who is dead was waited for"
    assert flow.topology.is_over
    assert flow.topology.failure is None
    assert not any(alive(pid) for pid in flow.first.values())


def test_a_restarted_worker_is_active_only_if_the_topology_is(line, wait_until, diary):
    flow = line()
    flow.topology.deactivate()
    wait_until(flow.topology._worker.is_idle)
    victim = flow.process("numbers")
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(lambda: flow.process("numbers").starts == 2)
    flow.topology.wait_until_running(timeout=20)
    wait_until(flow.topology._worker.is_idle)
    acked = diary.count("acked")
    wait_until(flow.topology._worker.is_idle)
    assert diary.count("acked") == acked
    flow.topology.activate()
    wait_until(lambda: diary.count("acked") > acked + 200)
    flow.end()


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_the_parent_is_killed(tmp_path, stopped, wait_until):
    script = tmp_path / "script.py"
    script.write_text(
        """
import subprocess, sys, time
from typhoon import Bolt, LocalCluster, Spout, Topology

class Numbers(Spout):
    outputs = ["n"]
    def next_tuple(self):
        self.emit([1], tup_id=1)

class Sink(Bolt):
    def initialize(self, conf, context):
        self.child = subprocess.Popen(["sleep", "600"])
        open(f"child-{context.task_id}", "w").write(str(self.child.pid))
    def process(self, tup):
        pass

class App(Topology):
    numbers = Numbers.spec(par=2)
    sink = Sink.spec(inputs=[numbers], par=2)

if __name__ == "__main__":
    cluster = LocalCluster(processes=True)
    topology = cluster.submit("app", App, {"topology.workers": 2})
    topology.wait_until_running()
    print(*(one.pid for one in topology.stats().processes), flush=True)
    time.sleep(600)
"""
    )
    with subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as parent:
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        wait_until(lambda: len(list(tmp_path.glob("child-*"))) == 2)
        children = wait_until(
            lambda: [int(text) for one in tmp_path.glob("child-*") if (text := one.read_text())]
        )
        if stopped:
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
        parent.kill()
    wait_until(lambda: not any(alive(pid) for pid in [*workers, *children]), timeout=5)


def test_what_a_worker_has_started_ends_with_it(diary, submit, wait_until):
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary))
    builder.set_bolt("spawner", Spawner(diary)).shuffle_grouping("numbers")
    topology = submit(builder, 2)
    (child, parent) = wait_until(lambda: diary.all("spawned"))[0]
    os.kill(parent, signal.SIGKILL)
    wait_until(lambda: not alive(child), timeout=5)
    second = wait_until(lambda: diary.all("spawned")[1:])[0][0]
    assert alive(second)
    topology.close()
    wait_until(lambda: not alive(second), timeout=5)


# Silence -----------------------------------------------------------------------------------------


def test_stopped_beyond_the_heartbeat_time_out(line, diary, wait_until, caplog):
    """It is taken for dead, and its successor does its work."""
    flow = line(worker_heartbeat_frequency_secs=0.1, supervisor_worker_timeout_secs=1)
    victim = flow.process("forward")
    seen = diary.count("seen")
    os.kill(victim.pid, signal.SIGSTOP)
    flow.back([victim], seen)
    assert not alive(victim.pid)
    stats, acked = flow.end()
    assert set(acked.values()) == {1}
    assert stats.failed_by_worker_death == diary.count("lost") > 0
    (notice,) = flow.topology.notices
    assert "was silent for 1 s" in notice
    assert "hint: its log is " in notice
    assert len([one for one in caplog.records if "was silent for 1 s" in one.message]) == 1


@pytest.mark.parametrize("component", ["numbers", "forward", "sink"])
def test_stopped_beyond_the_link_time_out(line, diary, wait_until, caplog, component):
    """Its peers give their sessions with it up, but nobody kills it: what it does afterwards must
    not count twice."""
    flow = line(worker_link_timeout=0.3)
    victim = flow.process(component)
    os.kill(victim.pid, signal.SIGSTOP)
    over = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > over)
    os.kill(victim.pid, signal.SIGCONT)
    seen = diary.count("seen")
    wait_until(lambda: diary.count("seen") > seen + 500)
    wait_until(lambda: any("it was lost: " in one.getMessage() for one in caplog.records))
    assert flow.pids() == flow.first
    stats, acked = flow.end()
    assert stats.failed_by_worker_death == diary.count("lost") > 0, "no session was given up"
    assert set(acked.values()) == {1}
    assert stats.acked == len(acked)
    assert stats.failed == 0


# Workers that cannot run -------------------------------------------------------------------------


def broken(diary, bolt):
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary))
    builder.set_bolt("broken", bolt).shuffle_grouping("numbers")
    return builder


def test_a_worker_that_cannot_import_the_topology(diary, tmp_path):
    (tmp_path / "gone.py").write_text("import nowhere_to_be_found\n")
    origin = Origin(modules=(("gone", str(tmp_path / "gone.py")),))
    with LocalCluster(processes=True, origin=origin) as cluster:
        builder = broken(diary, Sink(diary))
        topology = cluster.submit("test", builder, {"topology.workers": 2})
        with pytest.raises(TopologyFailedError, match="nowhere_to_be_found") as caught:
            topology.wait_until_running(timeout=20)
        assert "could not load the topology" in caught.value.message
        assert topology.status == "FAILED"
        assert topology.is_over
        with pytest.raises(TopologyFailedError, match="nowhere_to_be_found"):
            topology.wait_until_drained(timeout=5)


def test_a_component_that_cannot_be_unpickled(diary, submit):
    topology = submit(broken(diary, Sink(diary, trap=Trap())), 2, wait=False)
    with pytest.raises(TopologyFailedError, match="the trap was sprung"):
        topology.wait_until_running(timeout=20)
    assert topology.status == "FAILED"


def test_a_component_that_cannot_be_pickled(diary, submit):
    """Known before anything starts, and by its name."""
    lock = threading.Lock()
    with pytest.raises(InvalidTopologyError, match=r"bolt 'broken' cannot be pickled.*lock"):
        submit(broken(diary, Sink(diary, lock=lock)), 2)


def test_a_component_whose_initialize_raises(diary, submit, wait_until):
    topology = submit(broken(diary, CannotStart(diary)), 2, wait=False)
    wait_until(lambda: topology.status == "FAILED", 20)
    assert isinstance(topology.failure, TopologyFailedError)
    assert "bolt 'broken' could not start" in topology.failure.message
    assert "there is no such table" in topology.failure.message
    wait_until(lambda: topology.is_over)


def test_a_worker_that_dies_in_initialize_again_and_again(diary, submit, wait_until):
    topology = submit(
        broken(diary, DiesAtStart(diary)),
        2,
        wait=False,
        supervisor_worker_max_restarts=3,
    )
    wait_until(lambda: topology.status == "FAILED", 40)
    wait_until(lambda: topology.is_over)
    assert "gave up after 3 restarts" in topology.failure.message
    assert "exit status 3" in topology.failure.message
    deaths = [pid for name, _, pid in diary.all("opened") if name == "broken"]
    assert len(deaths) == len(set(deaths)) == 4
    log = Path(topology.failure.hint.removeprefix("its log is "))
    assert log.exists(), "the hint points at a log that is not there any more"
    assert "about to die" in log.read_text()


def test_who_was_in_flight_is_not_to_blame_for_a_start_that_failed(
    diary, submit, tmp_path, wait_until
):
    """Only what a worker may have held when it ran can have killed it."""
    keep, lives = tmp_path / "keep", tmp_path / "lives"
    keep.touch()
    lives.mkdir()
    builder = TopologyBuilder()
    builder.set_spout("numbers", Replayed(diary, keep=str(keep), pace=2000))
    dies = DiesWhileItStarts(diary, lives=str(lives))
    builder.set_bolt("sink", dies).shuffle_grouping("numbers")
    topology = submit(builder, 2, topology_message_timeout_secs=NEVER, topology_max_worker_deaths=3)
    wait_until(lambda: diary.count("acked") > 100, what="the first acks")
    for number in range(4):
        (lives / str(number)).touch()
    (sink,) = [one for one in topology.stats().processes if "sink" in one.components]
    os.kill(sink.pid, signal.SIGKILL)
    wait_until(lambda: not list(lives.iterdir()), 20, what="all starts that fail")
    count = diary.count("acked")
    wait_until(lambda: diary.count("acked") > count + 100, 20, what="acks after them")
    keep.unlink()
    topology.wait_until_drained(timeout=30)
    assert topology.stats()["components"]["numbers"]["gave_up"] == 0
    acked = diary.firsts("acked")
    assert set(acked) == set(range(len(acked)))


def test_on_error_exit_starts_one_worker_anew(diary, submit, tmp_path, wait_until):
    builder = TopologyBuilder()
    keep = tmp_path / "keep"
    keep.touch()
    builder.set_spout("numbers", Replayed(diary, keep=str(keep)))
    raises = Raises(diary, at=150, once=str(tmp_path / "once"))
    raises.on_error = "exit"
    builder.set_bolt("raises", raises).shuffle_grouping("numbers")
    builder.set_bolt("sink", Sink(diary)).shuffle_grouping("raises")
    topology = submit(builder, 3, topology_message_timeout_secs=NEVER)
    wait_until(lambda: diary.count("acked") > 400, 20)
    starts = {one.components: one.starts for one in topology.stats().processes}
    assert starts == {("numbers",): 1, ("raises",): 2, ("sink",): 1}
    (notice,) = topology.notices
    assert "150 is not wanted" in notice
    assert "hint: its log is " in notice
    keep.unlink()
    topology.wait_until_drained(timeout=20)
    acked = diary.firsts("acked")
    assert acked == Counter(range(len(acked)))


def test_a_tuple_that_kills_its_worker_is_given_up_alone(diary, submit):
    """And what was in flight beside it is not."""
    builder = TopologyBuilder()
    builder.set_spout("numbers", Replayed(diary, count=300))
    builder.set_bolt("kills", Kills(diary, at=100)).shuffle_grouping("numbers")
    builder.set_bolt("sink", Sink(diary)).shuffle_grouping("kills")
    topology = submit(
        builder,
        3,
        topology_message_timeout_secs=NEVER,
        topology_max_worker_deaths=3,
        supervisor_worker_lasting_secs=0.01,
    )
    topology.wait_until_drained(timeout=50)
    assert diary.firsts("acked") == Counter(set(range(300)) - {100})
    assert diary.count("killing") == 3
    numbers = next(one for one in topology.stats().components if one.id == "numbers")
    assert numbers.errors == 1
    assert "tup_id 100 was in 3 workers that died: given up" in numbers.last_error


def test_a_worker_above_its_memory_limit_is_killed(diary, submit, tmp_path, wait_until):
    builder = TopologyBuilder()
    once = str(tmp_path / "once")
    builder.set_spout("numbers", Replayed(diary, count=1000))
    builder.set_bolt("hog", Hog(diary, at=500, once=once)).shuffle_grouping("numbers")
    builder.set_bolt("sink", Sink(diary)).shuffle_grouping("hog")
    topology = submit(builder, 3, worker_memory_limit_mb=250, topology_message_timeout_secs=NEVER)
    topology.wait_until_drained(timeout=40)
    assert diary.firsts("acked") == Counter(range(1000))
    assert any("out of memory" in notice for notice in topology.notices)
    starts = {one.components: one.starts for one in topology.stats().processes}
    assert starts == {("numbers",): 1, ("hog",): 2, ("sink",): 1}


def test_full_disk_under_the_logs(diary, submit, tmp_path, monkeypatch):
    """What workers print is lost, and nothing else."""
    folder = tmp_path / "full"
    folder.mkdir()
    for port in (6700, 6701):
        (folder / f"worker-{port}.log").symlink_to("/dev/full")
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: str(folder))
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=500))
    builder.set_bolt("talker", Talker(diary), 2).shuffle_grouping("numbers")
    topology = submit(builder, 2)
    topology.wait_until_drained(timeout=30)
    assert diary.firsts("acked") == Counter(range(500))


# Links -------------------------------------------------------------------------------------------


def test_a_lock_that_is_held_for_long_loses_no_link(diary, submit, caplog):
    """The first thread of the worker waits for nothing but the GIL meanwhile."""
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=800, pace=400), 2)
    builder.set_bolt("clutches", Clutches(diary, hold=0.9)).shuffle_grouping("numbers")
    builder.set_bolt("sink", Sink(diary)).shuffle_grouping("clutches")
    config = {"topology_message_timeout_secs": NEVER, "worker_link_timeout": 0.4}
    topology = submit(builder, 2, **config)
    topology.wait_until_drained(timeout=50)
    assert diary.count("held") == 4
    assert diary.firsts("acked") == Counter(range(800))
    assert not [one.getMessage() for one in caplog.records if "was lost" in one.getMessage()]
    assert topology.stats().failed_by_worker_death == 0


def test_connections_that_break_lose_nothing(diary, submit, tmp_path, wait_until):
    """The sessions go on where they were: no tree even fails."""
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=20_000))
    builder.set_bolt("cutter", Cutter(diary, every=500)).shuffle_grouping("numbers")
    builder.set_bolt("sink", Sink(diary)).shuffle_grouping("cutter")
    topology = submit(builder, 3, topology_message_timeout_secs=NEVER)
    topology.wait_until_drained(timeout=50)
    assert diary.count("cut") == 39
    assert diary.firsts("acked") == Counter(range(20_000))
    assert diary.firsts("seen") == Counter(range(20_000))
    assert topology.stats().failed_by_worker_death == 0


def garbage(kind, end):
    if kind == "noise":
        end.sendall(random.Random(1).randbytes(5000))
    elif kind == "huge":
        end.sendall(b"\xff" * 16 + b"\x7f" * 100)
    elif kind == "http":
        end.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    elif kind == "hello and no more":
        end.sendall(b"T")


@pytest.mark.parametrize("kind", ["noise", "huge", "http", "hello and no more", "nothing"])
def test_strangers_at_the_door(line, diary, wait_until, kind):
    flow = line()
    group = flow.topology._worker
    before = {pid: psutil.Process(pid).num_fds() for pid in flow.first.values()}
    addresses = [one.address.removeprefix("unix:") for one in group._crew.wanted]
    ends = []
    for address in addresses:
        for _ in range(50):
            end = socket.socket(socket.AF_UNIX)
            end.settimeout(5)
            end.connect(address)
            ends.append(end)
            try:
                garbage(kind, end)
            except OSError:
                pass  # it was sent away before it had said everything
    acked = diary.count("acked")
    wait_until(lambda: diary.count("acked") > acked + 500, what="work to go on")
    # Every one of them is sent away, also who says nothing.
    for end in ends:
        try:
            while end.recv(4096):
                pass
        except ConnectionResetError:
            pass
        end.close()
    wait_until(
        lambda: {pid: psutil.Process(pid).num_fds() for pid in before} == before,
        what="their handles to be given back",
    )
    stats, acked = flow.end()
    assert set(acked.values()) == {1}
    assert (stats.failed, stats.failed_by_worker_death) == (0, 0)
    assert sum(one.starts for one in stats.processes) == 3
