"""Emits by threads that do not run the component: they wait, or are refused, but never lost."""

import asyncio
import gc
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from typhoon import Grouping, LocalCluster, Stream, TopologyBuilder
from typhoon.errors import BackPressureError, NotRunningError, WouldDeadlockError

SMALL = {"topology.executor.receive.buffer.size": 64}


class Tasks(list):
    """The instances of a component that run."""

    def source(self, journal, **body):
        """A spout that has nothing itself, until `stop` is set on its class."""

        def initialize(spout, conf, context):
            self.append(spout)

        def next_tuple(spout):
            if type(spout).stop:
                raise StopIteration

        own = {"initialize": initialize, "next_tuple": next_tuple, "stop": False}
        return journal.source([], **own, **body)


@pytest.fixture
def tasks():
    return Tasks()


def queued(topology):
    return sum(one.queued for one in topology.stats().components)


@pytest.mark.parametrize("owner", ["spout", "threaded-spout", "bolt"])
def test_flood_from_another_thread_waits_for_who_gets_it(journal, chain, tasks, wait_until, owner):
    """300 MB go through, and only what fits the queues is there at any time."""
    count, value = 30_000, 10_000

    def initialize(bolt, conf, context):
        tasks.append(bolt)

    def slow(bolt, tup):
        if tup[0] % 10 == 0:
            time.sleep(0.0005)
        journal.seen.append(tup[0])

    def emit(n):
        named = {"anchors": []} if owner == "bolt" else {"tup_id": n}
        tasks[0].emit([n, bytes(value)], **named)

    process = psutil.Process()
    source = tasks.source(journal, outputs=("n", "value"), threaded=owner == "threaded-spout")
    bolts = [journal.bolt(slow, threaded=True)]
    if owner == "bolt":
        source = journal.source([])
        middle = {"initialize": initialize, "outputs": ("n", "value")}
        bolts.insert(0, journal.bolt(lambda bolt, tup: None, **middle))
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(source, *bolts), SMALL)
        wait_until(lambda: tasks)
        gc.collect()
        before = most = process.memory_info().rss
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(lambda: [emit(n) for n in range(count)])]
            while not jobs[0].done():
                most = max(most, process.memory_info().rss)
                time.sleep(0.01)
            jobs[0].result()
        source.stop = True
        wait_until(lambda: len(journal.seen) == count)
        topology.wait_until_drained(timeout=20)
    assert journal.seen == list(range(count))
    assert journal.acked == ([] if owner == "bolt" else list(range(count)))
    assert journal.failed == []
    assert most - before < 40 << 20


def test_spout_is_told_of_acks_in_a_flood_from_another_thread(journal, chain, tasks, wait_until):
    source = tasks.source(journal)
    slow = journal.bolt(lambda bolt, tup: time.sleep(0.0001), threaded=True)
    end = threading.Event()
    sent = []

    def flood():
        while not end.is_set():
            tasks[0].emit([len(sent)], tup_id=len(sent))
            sent.append(len(sent))

    with LocalCluster() as cluster, ThreadPoolExecutor(1) as pool:
        topology = cluster.submit("test", chain(source, slow), SMALL)
        wait_until(lambda: tasks)
        job = pool.submit(flood)
        wait_until(lambda: len(journal.acked) > 2000)
        assert len(sent) - len(journal.acked) < 1000
        end.set()
        job.result(10)
        source.stop = True
        topology.wait_until_drained(timeout=10)
    assert Counter(journal.acked) == Counter(sent)


def test_another_thread_waits_while_the_owner_waits_in_emit(
    journal, chain, tasks, gate, wait_until
):
    """A threaded bolt that waits for room is not one that waits for the other thread."""

    def process(bolt, tup):
        tasks.append(bolt)
        for n in range(1000):
            bolt.emit([n])

    hold = journal.bolt(lambda bolt, tup: gate.wait(20), threaded=True)
    with LocalCluster() as cluster, ThreadPoolExecutor(1) as pool:
        topology = cluster.submit(
            "test", chain(journal.source([1]), journal.bolt(process, threaded=True), hold), SMALL
        )
        wait_until(lambda: tasks and queued(topology) >= 64)
        sent = []

        def flood():
            for n in range(1000):
                tasks[0].emit([n], anchors=[])
                sent.append(n)

        job = pool.submit(flood)
        time.sleep(0.3)
        assert len(sent) <= 200
        gate.set()
        job.result(20)
        topology.wait_until_drained(timeout=20)
        assert topology.stats().executed["b2"] == 2000


class Refuses:
    """A custom grouping that takes even numbers only."""

    def prepare(self, context, stream, target_tasks):
        self.targets = target_tasks

    def choose_tasks(self, source_task, values):
        if values[0] % 2:
            raise KeyError(f"not {values[0]}")
        return self.targets


@pytest.fixture
def refusing(journal, tasks):
    source = tasks.source(journal)
    builder = TopologyBuilder()
    builder.set_spout("source", source)
    builder.set_bolt("end", journal.bolt()).grouping("source", Grouping.custom(Refuses()))
    return source, builder


def test_emit_that_is_refused_later_fails_its_name(journal, refusing, tasks, wait_until):
    source, builder = refusing
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder)
        wait_until(lambda: tasks)
        for n in range(10):
            tasks[0].emit([n], tup_id=n)
        tasks[0].emit([11])
        wait_until(lambda: len(journal.acked) + len(journal.failed) == 10)
        source.stop = True
        topology.wait_until_drained(timeout=10)
        (one,) = (one for one in topology.stats().components if one.id == "source")
    assert Counter(journal.acked) == Counter(range(0, 10, 2))
    assert Counter(journal.failed) == Counter(range(1, 10, 2))
    assert one.errors == 6
    assert one.last_error == "emit: KeyError: 'not 11'"
    assert one.pending == 0


def test_emit_that_is_refused_is_raised_where_task_ids_are_waited_for(
    journal, refusing, tasks, wait_until
):
    source, builder = refusing
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder)
        wait_until(lambda: tasks)
        began = time.monotonic()
        with pytest.raises(KeyError, match="not 1"):
            tasks[0].emit([1], tup_id=1, need_task_ids=True)
        assert time.monotonic() - began < 1
        assert len(tasks[0].emit([2], tup_id=2, need_task_ids=True)) == 1
        wait_until(lambda: journal.acked == [2])
        source.stop = True
        topology.wait_until_drained(timeout=10)
        assert not topology.stats().components[0].errors
    assert journal.failed == []


def test_emit_that_is_refused_without_acking_is_reported_only(journal, refusing, tasks, wait_until):
    source, builder = refusing
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder, {"topology.acker.executors": 0})
        wait_until(lambda: tasks)
        for n in range(4):
            tasks[0].emit([n], tup_id=n)
        wait_until(lambda: topology.stats().components[0].errors == 2)
        source.stop = True
        topology.wait_until_drained(timeout=10)
    assert (journal.acked, journal.failed) == ([0, 2], [])


def test_emit_that_was_given_up_does_not_happen(journal, chain, threaded):
    with ThreadPoolExecutor(1) as pool:

        def process(self, tup):
            job = pool.submit(self.emit, [1], anchors=[tup], need_task_ids=True)
            try:
                job.result(5)
            except WouldDeadlockError as error:
                journal.errors.append(error)

        with LocalCluster() as cluster:
            bolt = journal.bolt(process, threaded=threaded)
            cluster.submit(
                "test", chain(journal.source([1]), bolt, journal.bolt())
            ).wait_until_drained(timeout=10)
    assert [str(error).splitlines()[0].endswith("nothing was emitted") for error in journal.errors]
    assert (journal.acked, journal.failed, journal.seen) == ([1], [], [])


def test_emit_to_a_component_that_is_closed_meanwhile_says_so(
    journal, chain, tasks, gate, wait_until
):
    hold = journal.bolt(lambda bolt, tup: gate.wait(20), threaded=True)
    with ThreadPoolExecutor(1) as pool:
        with LocalCluster() as cluster:
            topology = cluster.submit("test", chain(tasks.source(journal), hold), SMALL)
            wait_until(lambda: tasks)
            job = pool.submit(lambda: [tasks[0].emit([n]) for n in range(10_000)])
            wait_until(lambda: queued(topology) >= 64)
            gate.set()
        with pytest.raises(NotRunningError):
            job.result(10)


# The thread of an event loop ----------------------------------------------------------------------


def test_thread_of_an_event_loop_is_told_instead_of_waiting(
    journal, chain, tasks, gate, wait_until
):
    hold = journal.bolt(lambda bolt, tup: gate.wait(20), threaded=True)
    source = tasks.source(journal)

    def flood():
        for n in range(10_000):
            tasks[0].emit([n], tup_id=n)

    async def main():
        with pytest.raises(WouldDeadlockError, match="event loop") as caught:
            flood()
        assert "asyncio.to_thread" in str(caught.value)
        with pytest.raises(WouldDeadlockError, match="event loop"):
            tasks[0].emit([1], need_task_ids=True)
        job = asyncio.create_task(asyncio.to_thread(tasks[0].emit, [-1], -1))
        await asyncio.sleep(0)
        gate.set()
        await job

    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(source, hold), SMALL)
        wait_until(lambda: tasks)
        asyncio.run(main())
        source.stop = True
        topology.wait_until_drained(timeout=10)
    assert len(journal.acked) == len(set(journal.acked)) < 400
    assert journal.acked[-1] == -1


# Threads that run the engine ----------------------------------------------------------------------


@pytest.mark.parametrize("where", ["same thread", "another thread"])
def test_component_that_emits_for_another_never_waits_for_it(journal, tasks, wait_until, where):
    """It could be what the other one waits for; so it gets as far as the hard limit."""
    source = tasks.source(journal, outputs=[Stream(["n"], "more")])
    sent = []

    def flood(bolt, tup):
        for n in range(5000):
            try:
                tasks[0].emit([n], stream="more")
                sent.append(n)
            except BackPressureError as error:
                journal.errors.append(error)
                return

    builder = TopologyBuilder()
    builder.set_spout("first", journal.source([1]))
    builder.set_spout("source", source)
    threaded = where == "another thread"
    builder.set_bolt("flood", journal.bolt(flood, threaded=threaded)).shuffle_grouping("first")
    builder.set_bolt("end", journal.bolt()).shuffle_grouping("source", "more")
    conf = {**SMALL, "topology.executor.outbox.hard.limit.bytes": 192 * 1000}
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder, conf)
        wait_until(lambda: journal.acked == [1])
        source.stop = True
        topology.wait_until_drained(timeout=10)
    assert journal.seen == sent
    if where == "same thread":  # nothing leaves while the call lasts
        assert len(sent) == 1000
        assert [type(error) for error in journal.errors] == [BackPressureError]


def test_many_threads_emit_at_once(journal, chain, tasks, wait_until):
    source = tasks.source(journal)
    with LocalCluster() as cluster, ThreadPoolExecutor(8) as pool:
        topology = cluster.submit("test", chain(source, journal.bolt()), SMALL)
        wait_until(lambda: tasks)
        begin = threading.Barrier(8)

        def emit(first):
            begin.wait(10)
            for n in range(first, 8000, 8):
                tasks[0].emit([n], tup_id=n)

        list(pool.map(emit, range(8)))
        wait_until(lambda: len(journal.acked) == 8000)
        source.stop = True
        topology.wait_until_drained(timeout=10)
    assert Counter(journal.acked) == Counter(range(8000))
