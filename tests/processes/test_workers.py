"""A topology in several worker processes does what it does in one."""

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections import Counter, defaultdict

import pytest
from worker_parts import (
    Batches,
    Bounce,
    Checksum,
    CoroutineForward,
    Direct,
    Forward,
    Judge,
    Keys,
    Letters,
    ManySink,
    Modulo,
    Numbers,
    Odd,
    Order,
    Pair,
    Raises,
    Sequence,
    Sink,
    Ticked,
    Window,
    huge,
    large,
    lock_at_five,
    trap_at_five,
)

from typhoon import LocalCluster, TopologyBuilder

COUNT = 2000
TASKS = 4


def of(topology, component):
    return next(one for one in topology.stats().components if one.id == component)


def pids(topology):
    return {one.port: one.pid for one in topology.stats().processes}


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def chain(spout, *bolts, par=2):
    """``numbers`` → ``b1`` → ``b2`` ..., shuffled."""
    builder = TopologyBuilder("chain")
    builder.set_spout("numbers", spout, par)
    before = "numbers"
    for number, bolt in enumerate(bolts, start=1):
        builder.set_bolt(f"b{number}", bolt, par).shuffle_grouping(before)
        before = f"b{number}"
    return builder


@pytest.mark.parametrize("threaded", [False, True], ids=["on-the-loop", "threaded"])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_tuple_arrives_once_and_is_acked_once(diary, submit, workers, threaded):
    forward, sink = Forward(diary), Sink(diary)
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=COUNT), 3)
    # By key, so that nothing stays in the worker that it was emitted in.
    builder.set_bolt("forward", forward, 3).fields_grouping("numbers", ["number"])
    builder.set_bolt("sink", sink, 3).fields_grouping("forward", ["number"])
    topology = submit(builder, workers, topology_executor_threads="all" if threaded else "auto")
    running = pids(topology)
    assert len(set(running.values())) == workers
    assert os.getpid() not in running.values()
    topology.wait_until_drained(timeout=40)
    assert diary.firsts("acked") == Counter(range(COUNT))
    assert diary.firsts("seen") == Counter(range(COUNT))
    assert diary.all("failed") == []
    assert {pid for _, _, pid in diary.all("seen")} == set(running.values())
    stats = topology.stats()
    assert (stats.acked, stats.failed, stats.timed_out, stats.replayed) == (COUNT, 0, 0, 0)
    assert stats.executed == {"forward": COUNT, "sink": COUNT}
    assert sorted(diary.all("opened")) == sorted(diary.all("closed"))
    assert not any(alive(pid) for pid in running.values())


# Groupings ---------------------------------------------------------------------------------------


def grouped(diary, submit, workers, group, *, spout=None):
    """Run keys through one grouping; gives what each (task, key) saw, and who is in which task."""
    builder = TopologyBuilder()
    builder.set_spout("source", spout or Keys(diary, count=COUNT, keys=40), 2)
    group(builder.set_bolt("sink", Sink(diary), TASKS))
    submit(builder, workers).wait_until_drained(timeout=40)
    tasks = sorted(task for name, task, _ in diary.all("opened") if name == "sink")
    assert len(tasks) == TASKS
    return tasks, [tuple(what) for what in diary.all("seen")]


@pytest.mark.parametrize("workers", [2, 3])
def test_fields_one_key_has_one_task(diary, submit, workers):
    tasks, seen = grouped(
        diary, submit, workers, lambda bolt: bolt.fields_grouping("source", ["key"])
    )
    where = defaultdict(set)
    for key, task, _ in seen:
        where[key].add(task)
    assert len(where) == 40
    assert all(len(found) == 1 for found in where.values())
    assert {task for _, task, _ in seen} == set(tasks)
    assert Counter(key for key, _, _ in seen) == {f"key {n}": 2 * COUNT // 40 for n in range(40)}


def test_partial_key_one_key_has_two_tasks(diary, submit):
    tasks, seen = grouped(
        diary, submit, 3, lambda bolt: bolt.partial_key_grouping("source", ["key"])
    )
    where = defaultdict(set)
    for key, task, _ in seen:
        where[key].add(task)
    assert max(len(found) for found in where.values()) == 2
    assert {task for _, task, _ in seen} == set(tasks)
    assert len(seen) == 2 * COUNT


def test_all_everybody_gets_a_copy(diary, submit):
    tasks, seen = grouped(
        diary,
        submit,
        3,
        lambda bolt: bolt.all_grouping("source"),
        spout=Numbers(diary, count=COUNT),
    )
    assert Counter((number, task) for number, task, _ in seen) == Counter(
        (number, task) for number in range(COUNT) for task in tasks
    )
    assert diary.firsts("acked") == Counter(range(COUNT))


def test_global_the_lowest_task_gets_all(diary, submit):
    tasks, seen = grouped(diary, submit, 3, lambda bolt: bolt.global_grouping("source"))
    assert Counter(task for _, task, _ in seen) == {tasks[0]: 2 * COUNT}


def test_direct_the_task_that_was_named_gets_it(diary, submit):
    tasks, seen = grouped(
        diary,
        submit,
        3,
        lambda bolt: bolt.direct_grouping("source"),
        spout=Direct(diary, count=COUNT),
    )
    assert len(seen) == 2 * COUNT
    assert all(task == tasks[number % TASKS] for number, task, _ in seen)
    assert len({pid for _, _, pid in seen}) == 3


def test_custom_the_object_chooses(diary, submit):
    tasks, seen = grouped(
        diary,
        submit,
        3,
        lambda bolt: bolt.custom_grouping("source", Modulo()),
        spout=Numbers(diary, count=COUNT),
    )
    assert sorted(number for number, _, _ in seen) == list(range(COUNT))
    assert all(task == tasks[number % TASKS] for number, task, _ in seen)


@pytest.mark.parametrize("kind", ["shuffle", "none"])
def test_shuffle_everybody_gets_a_share(diary, submit, kind):
    tasks, seen = grouped(
        diary, submit, 3, lambda bolt: getattr(bolt, f"{kind}_grouping")("source")
    )
    shares = Counter(task for _, task, _ in seen)
    assert shares.total() == 2 * COUNT
    assert set(shares) == set(tasks)


def test_local_or_shuffle_stays_in_the_worker(diary, submit):
    """Both workers have a task of each, so nothing has to leave."""
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=COUNT), 2)
    builder.set_bolt("forward", Stamp(diary), 2).local_or_shuffle_grouping("numbers")
    builder.set_bolt("sink", Sink(diary), 2).local_or_shuffle_grouping("forward")
    topology = submit(builder, 2)
    topology.wait_until_drained(timeout=40)
    assert diary.count("seen") == COUNT
    assert all(stamp == pid for stamp, _, pid in diary.all("seen"))
    assert len({pid for _, _, pid in diary.all("seen")}) == 2


class Stamp(Forward):
    """Emits the number of its process."""

    def process(self, tup):
        self.emit([os.getpid()])


# Bolts of all kinds ------------------------------------------------------------------------------


@pytest.mark.parametrize("between", [Forward, CoroutineForward, Batches])
@pytest.mark.parametrize("last", [Sink, ManySink])
def test_bolts_of_all_kinds(diary, submit, between, last):
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=COUNT), 2)
    builder.set_bolt("between", between(diary), 2).fields_grouping("numbers", ["number"])
    builder.set_bolt("last", last(diary), 3).fields_grouping("between", ["number"])
    topology = submit(builder, 3)
    topology.wait_until_drained(timeout=40)
    assert diary.firsts("seen") == Counter(range(COUNT))
    assert diary.firsts("acked") == Counter(range(COUNT))
    assert len({pid for _, _, pid in diary.all("seen")}) == 3


def test_functions_are_components(tmp_path, run_typhoon, write_app):
    """Also the state of each key is in one task, wherever that is."""
    app = write_app(
        """
from collections import Counter
from typhoon import Topology, bolt, spout

@spout(outputs=["line"])
def lines():
    for n in range(300):
        yield f"a b{n % 7} c a"

@bolt(outputs=["word"])
def split(line):
    yield from line.split()

@bolt(outputs=["word", "n"], state=Counter, by="word", par=3)
def count(word, state):
    state[word] += 1
    return word, state[word]

@bolt
def note(word, n):
    with open("noted", "a") as file:
        file.write(f"{word} {n}\\n")

word_count = Topology.chain(lines, split, count, note)
"""
    )
    done = run_typhoon("run", app, "--workers", "3", "--json")
    assert done.returncode == 0, done.stderr
    stats = json.loads(done.stdout)
    assert (stats["acked"], len(stats["processes"])) == (300, 3)
    counts = Counter(word for n in range(300) for word in f"a b{n % 7} c a".split())
    noted = Counter((tmp_path / "noted").read_text(encoding="utf-8").splitlines())
    assert noted == {f"{word} {n + 1}": 1 for word in counts for n in range(counts[word])}


def test_command_line_runs_workers(run_typhoon, write_app):
    app = write_app(
        """
from typhoon import Bolt, Grouping, Spout, Topology

class Numbers(Spout):
    outputs = ["n"]
    def initialize(self, conf, context):
        self.numbers = iter(range(500))
    def next_tuple(self):
        n = next(self.numbers)
        self.emit([n], tup_id=n)

class Sink(Bolt):
    def process(self, tup):
        pass

class App(Topology):
    numbers = Numbers.spec()
    sink = Sink.spec(inputs={numbers: Grouping.fields("n")}, par=2)
"""
    )
    done = run_typhoon("run", app, "--workers", "2", "--json")
    assert done.returncode == 0, done.stderr
    stats = json.loads(done.stdout)
    assert (stats["workers"], stats["acked"], stats["executed"]["sink"]) == (2, 500, 500)
    first, second = stats["processes"]
    assert first["port"] != second["port"]
    assert first["starts"] == second["starts"] == 1
    assert min(first["cpu_s"], second["cpu_s"], first["rss_mb"], second["rss_mb"]) > 0
    components = set(first["components"]) | set(second["components"])
    assert components == {"numbers", "sink"}


def test_components_of_a_script_cross(tmp_path):
    """What is defined in `__main__` cannot be imported by anybody else."""
    script = tmp_path / "script.py"
    script.write_text(
        """
from dataclasses import dataclass
from typhoon import Bolt, Grouping, LocalCluster, Spout, Topology

@dataclass(frozen=True)
class Order:
    number: int

class Numbers(Spout):
    outputs = ["n", "order"]
    def initialize(self, conf, context):
        self.numbers = iter(range(300))
    def next_tuple(self):
        n = next(self.numbers)
        self.emit([n, Order(n).number], tup_id=n)

class Forward(Bolt):
    outputs = ["n", "order"]
    def process(self, tup):
        self.emit([tup["n"], Order(tup["order"] + 1).number])

class Sink(Bolt):
    def process(self, tup):
        assert Order(tup["order"]) == Order(tup["n"] + 1)

class App(Topology):
    numbers = Numbers.spec()
    forward = Forward.spec(inputs={numbers: Grouping.fields("n")}, par=2)
    sink = Sink.spec(inputs={forward: Grouping.fields("n")}, par=2)

if __name__ == "__main__":
    with LocalCluster(processes=True) as cluster:
        topology = cluster.submit("app", App, {"topology.workers": 2})
        topology.wait_until_running()
        processes = {one.pid for one in topology.stats().processes}
        topology.wait_until_drained(timeout=40)
        stats = topology.stats()
        print(stats.acked, stats.failed, len(processes))
        print(*{one.last_error for one in stats.components})
"""
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.stdout.splitlines() == ["300 0 2", "None"], done.stderr


def test_ticks_come_in_every_worker(diary, submit, wait_until):
    builder = chain(Numbers(diary, count=10), Ticked(diary), par=3)
    topology = submit(builder, 3)
    wait_until(lambda: len(diary.firsts("tick")) == 3, what="a tick in each of three tasks")
    wait_until(lambda: min(diary.firsts("tick").values()) >= 3)
    topology.wait_until_drained(timeout=20)


# Hard cases --------------------------------------------------------------------------------------


def test_ring_across_workers_stands_a_flood(diary, submit):
    """Every number goes twenty times on; the ring must neither lock up nor lose any."""
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=COUNT), 1)
    ping = builder.set_bolt("ping", Bounce(diary, times=20), 2)
    ping.fields_grouping("numbers", ["number"]).fields_grouping("pong", ["number", "left"])
    pong = builder.set_bolt("pong", Bounce(diary, times=20), 2)
    pong.fields_grouping("ping", ["number", "left"])
    topology = submit(builder, 2, topology_executor_receive_buffer_size=16)
    topology.wait_until_drained(timeout=50)
    assert diary.firsts("done") == Counter(range(COUNT))
    assert diary.firsts("acked") == Counter(range(COUNT))
    assert len({pid for _, pid in diary.all("done")}) == 2


def test_anchored_to_two_trees_of_two_workers(diary, submit):
    """A pair that fails fails both; one that is acked completes both."""
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=COUNT), 2)
    builder.set_bolt("pair", Pair(diary), 1).shuffle_grouping("numbers")
    builder.set_bolt("judge", Judge(diary), 3).fields_grouping("pair", ["first"])
    topology = submit(builder, 3)
    topology.wait_until_drained(timeout=40)
    good = [n for first, second, bad in diary.all("pair") if not bad for n in (first, second)]
    bad = [n for first, second, bad in diary.all("pair") if bad for n in (first, second)]
    assert sorted(good + bad) == list(range(COUNT))
    assert good
    assert bad
    assert diary.firsts("acked") == Counter(good)
    assert diary.firsts("failed") == Counter(bad)


def test_order_between_two_tasks_stays_under_back_pressure(diary, submit):
    builder = TopologyBuilder()
    builder.set_spout("source", Sequence(diary, count=COUNT), 2)
    builder.set_bolt("between", Order(diary), 1).shuffle_grouping("source")
    builder.set_bolt("sink", Order(diary, slow=0.0005), 3).fields_grouping("source", ["number"])
    topology = submit(builder, 3, topology_executor_receive_buffer_size=8)
    topology.wait_until_drained(timeout=50)
    last = {}
    for source, task, number, _ in diary.all("order"):
        assert number > last.get((source, task), -1), f"{source} → {task}: {number} came late"
        last[source, task] = number
    assert diary.count("order") == 4 * COUNT
    assert len({pid for *_, pid in diary.all("order")}) == 3


def test_memory_stays_flat_before_a_slow_bolt_elsewhere(diary, submit, wait_until):
    """Nothing but back-pressure holds the spout."""
    builder = TopologyBuilder()
    spout = Numbers(diary, value=kilobytes)
    builder.set_spout("numbers", spout, 1)
    builder.set_bolt("slow", Slow(diary), 1).shuffle_grouping("numbers")
    topology = submit(builder, 2, topology_executor_receive_buffer_size=64)
    wait_until(lambda: of(topology, "slow").executed > 300, what="the queues to fill")
    before = topology.stats()
    wait_until(lambda: of(topology, "slow").executed > 1500, timeout=30)
    after = topology.stats()
    for one, other in zip(before.processes, after.processes, strict=True):
        assert other.pid == one.pid
        assert other.rss_mb < one.rss_mb + 15
    assert after.emitted["numbers"] - after.executed["slow"] < 2000
    assert after.emitted["numbers"] > 1500


def kilobytes(number):
    return b"x" * 20_000


class Slow(Sink):
    def process(self, tup):
        time.sleep(0.003)


def test_values_that_cannot_be_decoded_fail_their_tuple_alone(diary, submit):
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=40), 1)
    builder.set_bolt("odd", Odd(diary, make=trap_at_five), 1).shuffle_grouping("numbers")
    builder.set_bolt("sink", Sink(diary), 2).all_grouping("odd")
    topology = submit(builder, 3)
    topology.wait_until_drained(timeout=30)
    assert diary.firsts("failed") == {5: 1}
    assert diary.firsts("acked") == Counter(set(range(40)) - {5})
    sink = of(topology, "sink")
    assert sink.errors >= 1
    assert "odd" in sink.last_error
    assert "the trap was sprung" in sink.last_error


def test_values_that_cannot_be_sent_fail_at_their_emit(diary, submit):
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=40), 1)
    builder.set_bolt("odd", Odd(diary, make=lock_at_five), 1).shuffle_grouping("numbers")
    builder.set_bolt("sink", Sink(diary), 2).all_grouping("odd")
    topology = submit(builder, 3)
    topology.wait_until_drained(timeout=30)
    assert diary.firsts("failed") == {5: 1}
    assert diary.firsts("acked") == Counter(set(range(40)) - {5})
    odd = of(topology, "odd")
    assert odd.errors == 1
    assert "number" in odd.last_error
    assert "lock" in odd.last_error


@pytest.mark.parametrize(("value", "count"), [(large, 6), (huge, 1)])
def test_large_values_come_whole(diary, submit, value, count):
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=count, value=value), 1)
    builder.set_bolt("sum", Checksum(diary), 2).all_grouping("numbers")
    topology = submit(builder, 2, topology_max_spout_pending=2)
    topology.wait_until_drained(timeout=50)
    sums = {number: (length, crc) for number, length, crc, _ in diary.all("sum")}
    whole = {n: value(n) for n in range(count)}
    assert sums == {n: (len(all_of_it), zlib.crc32(all_of_it)) for n, all_of_it in whole.items()}
    assert len(diary.all("sum")) == 2 * count
    assert diary.firsts("acked") == Counter(range(count))


@pytest.mark.parametrize("pending", [1, 7])
def test_max_spout_pending_counts_trees_everywhere(diary, submit, pending):
    builder = TopologyBuilder()
    builder.set_spout("source", Window(diary, count=300), 1)
    builder.set_bolt("sink", Sink(diary), 2).fields_grouping("source", ["number"])
    topology = submit(builder, 2, topology_max_spout_pending=pending)
    topology.wait_until_drained(timeout=30)
    assert diary.firsts("seen") == Counter(range(300))
    assert max(diary.firsts("most")) == pending


def test_without_acking_everything_arrives(diary, submit):
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=COUNT), 1)
    builder.set_bolt("forward", Forward(diary), 2).fields_grouping("numbers", ["number"])
    builder.set_bolt("sink", Sink(diary), 2).fields_grouping("forward", ["number"])
    topology = submit(builder, 2, topology_acker_executors=0)
    topology.wait_until_drained(timeout=30)
    assert diary.firsts("seen") == Counter(range(COUNT))
    assert diary.firsts("acked") == Counter(range(COUNT))


def test_dead_letters_cross(diary, submit):
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers(diary, count=100), 1)
    raises = Raises(diary, at=10)
    raises.on_error = "dead-letter"
    builder.set_bolt("raises", raises, 2).fields_grouping("numbers", ["number"])
    builder.set_bolt("letters", Letters(diary), 2).all_grouping("raises", "__dead_letter")
    builder.set_bolt("sink", Sink(diary), 1).shuffle_grouping("raises")
    topology = submit(builder, 3)
    topology.wait_until_drained(timeout=30)
    bad = set(range(10, 100, 10))
    assert diary.firsts("letter") == Counter(dict.fromkeys(bad, 2))
    assert {(who, why) for _, who, why, _ in diary.all("letter")} == {
        ("numbers", f"ValueError: {number} is not wanted") for number in bad
    }
    assert diary.firsts("seen") == Counter(set(range(100)) - bad)
    assert diary.firsts("acked") == Counter(range(100))


# Orders ------------------------------------------------------------------------------------------


def test_drain_finishes_what_is_in_flight(diary, submit, wait_until):
    topology = submit(chain(Numbers(diary), Forward(diary), Sink(diary), par=2), 2)
    wait_until(lambda: diary.count("acked") > 500)
    assert topology.drain(timeout=20)
    assert topology.status == "DRAINED"
    assert diary.firsts("seen") == diary.firsts("acked")
    assert diary.all("failed") == []
    assert topology.stats().acked == diary.count("acked")
    assert topology.stats().emitted["numbers"] == diary.count("acked")
    assert sorted(diary.all("opened")) == sorted(diary.all("closed"))


def test_deactivate_and_activate_reach_every_worker(diary, submit, wait_until):
    topology = submit(chain(Numbers(diary), Sink(diary), par=3), 3)
    wait_until(lambda: len({pid for _, _, pid in diary.all("seen")}) == 3)
    topology.deactivate()
    wait_until(topology._worker.is_idle, what="everything in flight to end")
    emitted = topology.stats().emitted["numbers"]
    assert topology.stats().acked == emitted
    assert topology.status == "INACTIVE"
    for _ in range(20):
        assert topology.stats().emitted["numbers"] == emitted
    topology.activate()
    wait_until(lambda: topology.stats().emitted["numbers"] > emitted + 1000)


def test_inactive_from_the_beginning(diary, wait_until):
    with LocalCluster(processes=True) as cluster:
        builder = chain(Numbers(diary, count=50), Sink(diary), par=2)
        topology = cluster.submit("test", builder, {"topology.workers": 2}, active=False)
        topology.wait_until_running(timeout=30)
        assert topology._worker.is_idle() or wait_until(topology._worker.is_idle)
        assert topology.stats().emitted["numbers"] == 0
        topology.activate()
        topology.wait_until_drained(timeout=20)
        assert diary.firsts("acked") == Counter(range(50))


def test_kill_ends_every_process(diary, submit, wait_until):
    topology = submit(chain(Numbers(diary), Sink(diary), par=2), 2)
    wait_until(lambda: diary.count("acked") > 100)
    running = pids(topology)
    topology.kill(wait_secs=5)
    assert topology.status == "KILLED"
    assert not any(alive(pid) for pid in running.values())
    assert diary.firsts("seen") == diary.firsts("acked")


def test_close_in_the_middle_of_work_closes_every_component(diary, wait_until):
    with LocalCluster(processes=True) as cluster:
        builder = chain(Numbers(diary), Forward(diary), Sink(diary), par=2)
        topology = cluster.submit("test", builder, {"topology.workers": 2})
        topology.wait_until_running(timeout=30)
        wait_until(lambda: diary.count("acked") > 100)
        running = pids(topology)
    assert topology.status == "STOPPED"
    assert sorted(diary.all("opened")) == sorted(diary.all("closed"))
    assert not any(alive(pid) for pid in running.values())


def test_close_before_anything_runs(diary):
    with LocalCluster(processes=True) as cluster:
        cluster.submit("test", chain(Numbers(diary), Sink(diary)), {"topology.workers": 3})
    assert diary.all("acked") == []


def test_two_topologies_beside_each_other(diary, tmp_path, wait_until):
    other = type(diary)(tmp_path / "other")
    with LocalCluster(processes=True) as cluster:
        for name, book in (("one", diary), ("two", other)):
            builder = chain(Numbers(book, count=500), Sink(book), par=2)
            cluster.submit(name, builder, {"topology.workers": 2})
        for name in ("one", "two"):
            cluster[name].wait_until_drained(timeout=40)
    assert diary.firsts("acked") == other.firsts("acked") == Counter(range(500))


def test_ctrl_c_drains_all_workers(tmp_path, write_app, wait_until):
    """As one who runs it on a terminal would: SIGINT to the process that supervises."""
    app = write_app(
        """
import os, pathlib
from typhoon import Bolt, Grouping, Spout, Topology

class Numbers(Spout):
    outputs = ["n"]
    def initialize(self, conf, context):
        self.n = 0
    def next_tuple(self):
        self.emit([self.n], tup_id=self.n)
        self.n += 1
        if self.n == 100:
            pathlib.Path("started").touch()
    def close(self):
        pathlib.Path("closed").write_text("")

class Sink(Bolt):
    def process(self, tup):
        pass

class App(Topology):
    config = {"topology.max.spout.pending": 50}
    numbers = Numbers.spec()
    sink = Sink.spec(inputs={numbers: Grouping.fields("n")}, par=2)
"""
    )
    command = [sys.executable, "-m", "typhoon.cli", "run", str(app), "--workers", "2", "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until((tmp_path / "started").exists, timeout=30)
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=40)
    assert process.returncode in (0, 130), told
    stats = json.loads(out)
    assert stats["acked"] == stats["emitted"]["numbers"] >= 100
    assert stats["failed"] == stats["timed_out"] == 0
    assert (tmp_path / "closed").exists()
