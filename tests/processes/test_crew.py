"""What goes between a supervisor and the processes of its workers, and what is left of it."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from worker_parts import Numbers, Replayed, Sink, Trap

from typhoon import TopologyBuilder
from typhoon.errors import InvalidConfigError, InvalidTopologyError
from typhoon.local import _crew
from typhoon.local._outlet import MOST_WAITING
from typhoon.worker import PRINTED, tell_supervisor

COUNT = 200


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the folders of runs are made."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def numbers_to(bolt, diary, par=2, **own):
    """``numbers`` → ``bolt``."""
    builder = TopologyBuilder("crew")
    builder.set_spout("numbers", Numbers(diary, **{"count": COUNT, **own}))
    builder.set_bolt("bolt", bolt, par).shuffle_grouping("numbers")
    return builder


# The folder of a run -----------------------------------------------------------------------------


def test_a_run_ends_where_somebody_has_tidied_its_folder_away(diary, submit, folder):
    topology = submit(numbers_to(Sink(diary), diary), 2)
    for one in folder.iterdir():
        shutil.rmtree(one)
    topology.wait_until_drained(timeout=20)
    assert topology.status == "DRAINED"


def test_a_run_ends_whatever_its_folder_does(diary, submit, folder, monkeypatch):
    def fail(*_, **__):
        raise OSError("no space left")

    topology = submit(numbers_to(Sink(diary), diary, pace=100), 2)
    with monkeypatch.context() as patch:
        patch.setattr(topology._worker._crew._folder, "close", fail)
        with pytest.raises(OSError, match="no space left"):
            topology.close()
    assert topology.is_over
    topology._worker._crew._folder.close(keep_logs=False)


def test_only_a_death_that_nobody_ordered_keeps_the_folder(diary, submit, folder, tmp_path):
    keep = tmp_path / "keep"
    keep.touch()
    topology = submit(numbers_to(Sink(diary), diary, keep=str(keep), pace=1000), 2)
    topology.rebalance(10, workers=1)
    topology.rebalance(10, workers=2)
    assert topology.notices == []
    keep.unlink()
    topology.wait_until_drained(timeout=20)
    assert not list(folder.iterdir())


def test_a_notice_of_a_death_names_the_log(diary, submit, folder, tmp_path, wait_until):
    keep = tmp_path / "keep"
    keep.touch()
    builder = numbers_to(Sink(diary), diary, keep=str(keep), pace=1000)
    topology = submit(builder, 2, topology_message_timeout_secs=300)
    os.kill(topology.stats().processes[1].pid, signal.SIGKILL)
    (notice,) = wait_until(lambda: topology.notices)
    keep.unlink()
    topology.wait_until_drained(timeout=20)
    text, _, log = notice.partition("\nhint: its log is ")
    assert text.startswith("worker 6701: killed by SIGKILL")
    assert "killed by SIGKILL" in Path(log).read_text()


def test_who_closes_second_waits_for_the_first(diary, submit, folder):
    topology = submit(numbers_to(Sink(diary), diary, pace=100), 2)
    first = threading.Thread(target=topology.close)
    first.start()
    topology.close()
    assert diary.count("closed") == 3
    assert topology.is_over
    first.join()


# Orders ------------------------------------------------------------------------------------------


def test_a_topology_that_is_larger_than_a_socket_holds(diary, submit, folder, wait_until):
    bolt = Sink(diary, ballast=b"x" * 1_000_000)
    topology = submit(numbers_to(bolt, diary), 2)
    wait_until(lambda: not list(folder.rglob("*.order")), what="no order that was read")
    topology.wait_until_drained(timeout=30)
    assert diary.count("acked") == COUNT


# What workers say --------------------------------------------------------------------------------

TALKATIVE = """
import time
from typhoon import ReliableSpout, Topology, bolt

class Numbers(ReliableSpout):
    outputs = ["n"]
    def initialize(self, conf, context):
        self.numbers = iter(range(100))
    def next_tuple(self):
        n = next(self.numbers)
        time.sleep(0.01)
        self.emit([n], tup_id=n)

@bolt
def say(n):
    print("number", n)

class Talkative(Topology):
    numbers = Numbers.spec()
    say = say.spec(inputs=[numbers])
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_who_reads_what_is_printed_may_go(write_app, tmp_path, workers):
    """As `head` does. In one process each `print` raises then, and the run goes on."""
    arguments = ("run", str(write_app(TALKATIVE)), "--workers", str(workers))
    patience = ("-c", "topology.max.replays=1", "-c", "supervisor.worker.timeout.secs=2")
    typhoon = shlex.join([sys.executable, "-m", "typhoon.cli", *arguments, *patience])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{typhoon} | head -n 2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["number 0", "number 1"]
    assert "acked 100" in done.stderr
    if workers > 1:
        assert done.stderr.count("what workers print is left out from now on") == 1
        assert "failed 0" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("options", ["--workers 1", "--workers 2", "--workers 2 --tap numbers"])
def test_standard_streams_that_are_closed(write_app, tmp_path, closed, options):
    command = f"{sys.executable} -m typhoon.cli run {write_app(TALKATIVE)} {options} {closed}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "acked 100" in done.stderr or "2>&-" in closed
    shown = done.stdout + done.stderr
    said = {"number 99", '{"n": 99}'} & set(shown.splitlines())
    assert said or closed != "<&-"


LAST = TALKATIVE.replace('print("number", n)', 'print(n, end=" " if n < 99 else "")')


def test_a_last_line_without_its_end_is_shown(write_app, run_typhoon):
    done = run_typhoon("run", write_app(LAST), "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == " ".join(map(str, range(100))) + "\n"


class Liar(Sink):
    """Says once what nobody can read."""

    def process(self, tup):
        if not self.once.exists():
            self.once.touch()
            self.lie()
        super().process(tup)


def nonsense():
    tell_supervisor("nonsense", "")


def trap():
    tell_supervisor(PRINTED, Trap())


@pytest.mark.parametrize("lie", [nonsense, trap])
def test_who_says_what_cannot_be_read_is_started_anew(diary, submit, tmp_path, lie):
    builder = TopologyBuilder()
    builder.set_spout("numbers", Replayed(diary, count=COUNT))
    bolt = Liar(diary, once=tmp_path / "once", lie=lie)
    builder.set_bolt("liar", bolt).shuffle_grouping("numbers")
    topology = submit(builder, 2, topology_message_timeout_secs=300)
    topology.wait_until_drained(timeout=40)
    assert diary.firsts("acked") == Counter(range(COUNT))
    starts = {one.components: one.starts for one in topology.stats().processes}
    assert starts == {("numbers",): 1, ("liar",): 2}


class Reader:
    """A standard output whose reader reads only while ``reads`` is set."""

    def __init__(self):
        self.reads = threading.Event()
        self.text = ""

    def write(self, text):
        self.reads.wait()
        self.text += text

    def flush(self):
        """It holds nothing back."""


@pytest.fixture
def reader():
    reader = Reader()
    yield reader
    reader.reads.set()


LINE = "." * 9_990


class Shouts(Sink):
    """Prints 10 KB for each number."""

    def process(self, tup):
        print(f"{tup.values[0]:08} {LINE}")
        super().process(tup)


def test_who_reads_what_is_printed_may_pause(diary, submit, reader, wait_until, monkeypatch):
    """As `less` does: workers wait as for a pipe of their own, and nobody takes them for dead."""
    monkeypatch.setattr(sys, "stdout", reader)
    count = 1000
    topology = submit(
        numbers_to(Shouts(diary), diary, count=count),
        2,
        wait=False,
        topology_message_timeout_secs=300,
        worker_heartbeat_frequency_secs=0.1,
        supervisor_worker_timeout_secs=1,
    )
    crew = topology._worker._crew
    wait_until(lambda: any(one.held for one in crew.wanted), what="one to be held up")
    over = time.monotonic() + 3
    wait_until(lambda: time.monotonic() > over)
    assert diary.count("seen") < count
    assert crew._outlet._size < MOST_WAITING + 2 * len(LINE) * 10
    assert [one.starts for one in topology.stats().processes] == [1, 1]
    assert topology.notices == []
    assert not topology.wait(0.2), "what has been printed has not been read"
    reader.reads.set()
    topology.wait_until_drained(timeout=30)
    assert diary.firsts("acked") == Counter(range(count))
    said = [int(line.partition(" ")[0]) for line in reader.text.splitlines()]
    assert sorted(said) == list(range(count))
    assert [one.starts for one in topology.stats().processes] == [1, 1]


def test_closing_does_not_wait_for_who_never_reads(diary, submit, reader, wait_until, monkeypatch):
    monkeypatch.setattr(sys, "stdout", reader)
    topology = submit(numbers_to(Shouts(diary), diary, count=1000), 2, wait=False)
    crew = topology._worker._crew
    wait_until(lambda: any(one.held for one in crew.wanted), what="one to be held up")
    began = time.monotonic()
    topology.close()
    assert time.monotonic() - began < 8
    assert topology.is_over


# Answers -----------------------------------------------------------------------------------------


TRAP = "a trap"


class Lock:
    """Cannot be pickled."""

    def __init__(self):
        self.lock = threading.Lock()

    def __repr__(self):
        return "a lock"


class NamedTrap(Trap):
    def __repr__(self):
        return TRAP


class Locks(Sink):
    """Shows what cannot be sent."""

    def begin(self):
        self.context.metrics.gauge("lock").set([Lock()])
        self.context.metrics.gauge("trap").set(NamedTrap())
        self.context.metrics.gauge("list").set([1, "two"])

    def process(self, tup):
        super().process(tup)
        while not self.gate.exists():
            time.sleep(0.01)


class Named(Numbers):
    """Its tup_ids cannot be sent."""

    def begin(self):
        super().begin()
        self.locks = [Lock() for _ in range(2)]

    def next_tuple(self):
        if not self.locks:
            raise StopIteration
        self.emit([1], tup_id=self.locks.pop())

    def settled(self, how, tup_id):
        self.diary.note(how, repr(tup_id))


def test_what_cannot_be_sent_is_told_in_words(diary, submit, tmp_path, wait_until):
    builder = TopologyBuilder()
    builder.set_spout("named", Named(diary))
    builder.set_bolt("locks", Locks(diary, gate=tmp_path / "gate")).shuffle_grouping("named")
    topology = submit(builder, 2)
    wait_until(lambda: diary.count("seen") == 1)
    assert topology.oldest_pending() == ["a lock", "a lock"]
    own = topology.stats()["components"]["locks"]["metrics"]
    assert {name: list(values.values()) for name, values in own.items()} == {
        "lock": ["[a lock]"],
        "trap": [TRAP],
        "list": [[1, "two"]],
    }
    (tmp_path / "gate").touch()
    topology.wait_until_drained(timeout=20)
    assert [one.starts for one in topology.stats().processes] == [1, 1]


def test_a_question_that_cannot_be_answered_harms_nobody(diary, submit):
    topology = submit(numbers_to(Sink(diary), diary), 2)
    assert topology._worker._crew.ask_all("no such thing") == {0: None, 1: None}
    topology.wait_until_drained(timeout=20)
    assert [one.starts for one in topology.stats().processes] == [1, 1]


# How many there may be ---------------------------------------------------------------------------


def test_more_workers_than_there_may_be(diary, submit, folder):
    with pytest.raises(InvalidTopologyError, match="workers = 65: a topology has at most 64"):
        submit(numbers_to(Sink(diary), diary, par=64), 65)
    assert not list(folder.iterdir())


def test_more_workers_than_a_machine_has_ports_for(diary, submit):
    """Only as many are started as have anything to run."""
    topology = submit(numbers_to(Sink(diary), diary, par=1), 10_000)
    assert topology.stats().workers == 2
    topology.wait_until_drained(timeout=20)


@pytest.mark.parametrize("workers", [10_001, 10**30])
def test_more_workers_than_any_cluster_has(diary, submit, workers):
    with pytest.raises(InvalidConfigError, match="at most 10000"):
        submit(numbers_to(Sink(diary), diary), workers)


def test_a_rebalance_to_more_than_there_may_be_moves_nothing(diary, submit, tmp_path):
    keep = tmp_path / "keep"
    keep.touch()
    topology = submit(numbers_to(Sink(diary), diary, 64, keep=str(keep), pace=100), 2)
    with pytest.raises(InvalidTopologyError, match="at most 64"):
        topology.rebalance(10, workers=65)
    assert topology.status == "ACTIVE"
    assert [one.starts for one in topology.stats().processes] == [1, 1]
    keep.unlink()
    topology.wait_until_drained(timeout=20)
    assert set(diary.firsts("acked")) == set(diary.firsts("seen"))


def test_a_folder_whose_path_is_too_long_for_sockets(diary, submit, tmp_path, monkeypatch):
    above = tmp_path / ("x" * 100)
    above.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(above))
    with pytest.raises(InvalidConfigError, match="hint: set TMPDIR to a shorter path, or worker"):
        submit(numbers_to(Sink(diary), diary), 2)
    assert not list(above.iterdir())
    topology = submit(numbers_to(Sink(diary), diary), 2, worker_link_transport="tcp")
    topology.wait_until_drained(timeout=20)


def test_where_nobody_can_listen(diary, submit, monkeypatch, wait_until):
    monkeypatch.setattr(_crew.Crew, "_listen_at", lambda *_: "unix:/nowhere/at/all")
    topology = submit(numbers_to(Sink(diary), diary), 2, wait=False)
    wait_until(lambda: topology.failure)
    assert "cannot listen at unix:/nowhere/at/all" in topology.failure.message
    assert "worker.link.transport" in topology.failure.hint


def test_a_peer_that_cannot_be_reached_is_named(diary, submit, monkeypatch, wait_until, caplog):
    def elsewhere(crew, member, address):
        on_listening(crew, member, "tcp:127.0.0.1:1")

    on_listening = _crew.Crew._on_listening
    monkeypatch.setattr(_crew.Crew, "_on_listening", elsewhere)
    submit(numbers_to(Sink(diary), diary), 2, wait=False, worker_link_transport="tcp")
    where = "it listens at tcp:127.0.0.1:1, and there is no answer"
    for worker, peer in ((6700, 6701), (6701, 6700)):
        said = f"worker {worker}: no link with worker {peer}: {where}"
        wait_until(lambda said=said: said in caplog.messages, what=said)


@pytest.mark.parametrize("part", ["ProcessLauncher", "Outlet", "Slots", "SlotAssignment"])
def test_a_start_that_fails_leaves_nothing(diary, submit, folder, monkeypatch, part):
    def fail(*_):
        raise OSError("too many open files")

    monkeypatch.setattr(_crew, part, fail)
    with pytest.raises(OSError, match="too many open files"):
        submit(numbers_to(Sink(diary), diary), 2)
    assert not list(folder.iterdir())
