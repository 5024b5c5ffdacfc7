"""QueueSpout: an application puts tuples in, and hears how each of them ended."""

import asyncio
import gc
import queue
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from typhoon import (
    Bolt,
    EmitError,
    LocalCluster,
    NotRunningError,
    Spout,
    TopologyBuilder,
    TupleFailedError,
)
from typhoon.components import Puts, QueueSpout
from typhoon.testing import Capture, FakeClock


def clicks(bolt, *, par=1, maxsize=1000, bolts=1):
    builder = TopologyBuilder("clicks")
    builder.set_spout("clicks", QueueSpout(["n"], maxsize=maxsize), par)
    builder.set_bolt("bolt", bolt, bolts).shuffle_grouping("clicks")
    return builder


def choosy(journal):
    """A bolt that notes what it gets, and raises for what is negative."""

    def process(self, tup):
        if tup[0] < 0:
            raise ValueError("negative")
        journal.seen.append(tup[0])

    return journal.bolt(process)


def gated(journal, gate):
    """A bolt on a thread of its own, which waits for the gate before it goes on."""

    def process(self, tup):
        gate.wait(10)
        journal.seen.append(tup[0])

    return journal.bolt(process, threaded=True)


@pytest.fixture
def cluster():
    with LocalCluster() as cluster:
        yield cluster


def test_await_returns_when_the_tree_is_acked(journal, cluster):
    async def main():
        topology = cluster.submit("clicks", clicks(choosy(journal)))
        for n in range(20):
            await topology["clicks"].put([n])
            assert journal.seen[-1] == n
        assert topology["clicks"].under_way == 0

    asyncio.run(main())


def test_put_in_a_thread_returns_when_the_tree_is_acked(journal, cluster):
    topology = cluster.submit("clicks", clicks(choosy(journal)))
    for n in range(20):
        assert topology["clicks"].put([n], timeout=10) is None
        assert journal.seen[-1] == n


def test_many_threads_put_at_once(journal, cluster):
    topology = cluster.submit("clicks", clicks(choosy(journal), par=2, maxsize=3))
    puts = topology["clicks"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: puts.put([n], timeout=20), range(500)))
    assert sorted(journal.seen) == list(range(500))
    assert puts.under_way == puts.waiting == 0


def test_a_put_wakes_the_task_that_it_is_for(wait_until):
    puts, woken = Puts("clicks", 2, 2), []
    puts.join(0, lambda: woken.append(0))
    puts.join(1, lambda: woken.append(1))
    for n in range(2):
        puts.put_nowait([n])
    with ThreadPoolExecutor(1) as pool:
        last = pool.submit(puts.put, [2])
        wait_until(lambda: puts.waiting)
        assert woken == [0, 1]
        puts.settle(puts.take(1))
        assert woken == [0, 1, 0]
        puts.take(0)
        puts.settle(puts.take(0))
        last.result(10)


def test_what_fails_raises_and_the_others_do_not(journal, cluster):
    async def main():
        topology = cluster.submit("clicks", clicks(choosy(journal)))
        put = topology["clicks"].put
        answers = await asyncio.gather(*(put([n]) for n in (1, -2, 3, -4)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [
            type(None),
            TupleFailedError,
            type(None),
            TupleFailedError,
        ]
        assert "'clicks': the tuple (-2,) failed" in str(answers[1])

    asyncio.run(main())


def test_a_time_out_raises(journal, wait_until):
    def forget(self, tup):
        pass

    clock = FakeClock()
    with LocalCluster(clock=clock) as cluster, ThreadPoolExecutor(1) as pool:
        builder = clicks(journal.bolt(forget, auto_ack=False))
        topology = cluster.submit("clicks", builder, {"topology.message.timeout.secs": 10})
        waiting = pool.submit(topology["clicks"].put, [1])
        wait_until(lambda: topology.stats().emitted["clicks"])
        clock.advance(25)
        with pytest.raises(TupleFailedError):
            waiting.result(10)


def test_a_dead_letter_has_failed_for_who_put_the_tuple(cluster, journal):
    letters = Capture()
    builder = clicks(choosy(journal))
    builder.set_bolt("letters", letters).shuffle_grouping("clicks", "__dead_letter")
    topology = cluster.submit("clicks", builder, {"topology.max.replays": 1})
    with pytest.raises(TupleFailedError):
        topology["clicks"].put([-1], timeout=10)
    topology["clicks"].put([1], timeout=10)
    assert [values[:3] for values in letters.values] == [("clicks", "default", (-1,))]
    assert topology["clicks"].under_way == 0


@pytest.mark.parametrize(
    ("values", "error"), [(["a", "b"], EmitError), ("a", TypeError), (7, TypeError)]
)
def test_what_cannot_be_emitted_is_told_to_who_put_it(journal, cluster, values, error):
    topology = cluster.submit("clicks", clicks(choosy(journal)))
    with pytest.raises(error):
        topology["clicks"].put(values, timeout=10)
    topology["clicks"].put([1], timeout=10)
    assert journal.seen == [1]


def test_the_list_that_was_put_may_be_used_again(journal, cluster, gate):
    topology = cluster.submit("clicks", clicks(gated(journal, gate), maxsize=1))
    values = [1]
    topology["clicks"].put_nowait(values)
    values[0] = 2
    gate.set()
    topology["clicks"].put([3], timeout=10)
    assert journal.seen == [1, 3]


def test_the_third_put_waits_for_room(journal, cluster, gate, wait_until):
    async def main():
        topology = cluster.submit("clicks", clicks(gated(journal, gate), maxsize=2))
        puts = topology["clicks"]
        tasks = [asyncio.create_task(puts.put([n])) for n in range(3)]
        await asyncio.sleep(0)
        assert (puts.under_way, puts.waiting) == (2, 1)
        with pytest.raises(queue.Full, match="'clicks' has 2 tuples under way"):
            puts.put_nowait([9])
        await asyncio.to_thread(wait_until, lambda: topology.stats().emitted["clicks"] == 2)
        assert not any(task.done() for task in tasks)
        gate.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        assert journal.seen == [0, 1, 2]
        puts.put_nowait([3])
        await puts.put([4])
        assert journal.seen == [0, 1, 2, 3, 4]

    asyncio.run(main())


@pytest.mark.parametrize("par", [1, 3])
def test_ten_thousand_puts(journal, cluster, par):
    async def main():
        topology = cluster.submit("clicks", clicks(choosy(journal), par=par, bolts=2))
        put = topology["clicks"].put
        answers = await asyncio.gather(
            *(put([n if n % 10 else -1]) for n in range(10_000)), return_exceptions=True
        )
        assert [n for n, answer in enumerate(answers) if answer is not None] == [
            *range(0, 10_000, 10)
        ]
        stats = topology.stats()
        assert (stats.acked, stats.failed) == (9000, 1000)

    asyncio.run(main())
    assert sorted(journal.seen) == [n for n in range(10_000) if n % 10]


def test_the_tasks_take_turns(cluster):
    seen = Capture()
    topology = cluster.submit("clicks", clicks(seen, par=3))
    for n in range(30):
        topology["clicks"].put([n], timeout=10)
    tasks = [tup.task for tup in seen.tuples]
    assert sorted(tasks.count(task) for task in set(tasks)) == [10, 10, 10]


def test_a_put_that_is_cancelled_before_it_has_room_is_withdrawn(journal, cluster, gate):
    async def main():
        topology = cluster.submit("clicks", clicks(gated(journal, gate), maxsize=1))
        put = topology["clicks"].put
        first, second, third = (asyncio.create_task(put([n])) for n in (1, 2, 3))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert topology["clicks"].waiting == 1
        gate.set()
        await asyncio.gather(first, third)
        assert journal.seen == [1, 3]

    asyncio.run(main())


def test_a_put_that_is_cancelled_later_goes_its_way(journal, cluster, gate, wait_until):
    async def main():
        topology = cluster.submit("clicks", clicks(gated(journal, gate), maxsize=1))
        task = asyncio.create_task(topology["clicks"].put([1]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        await asyncio.to_thread(wait_until, lambda: journal.seen == [1])
        await topology["clicks"].put([2])

    asyncio.run(main())


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_out_of_time(journal, cluster, gate, place):
    topology = cluster.submit("clicks", clicks(gated(journal, gate), maxsize=1))
    puts = topology["clicks"]

    async def main():
        await puts.put([1], timeout=0.05)

    with pytest.raises(TimeoutError):
        puts.put([1], timeout=0.05) if place == "thread" else asyncio.run(main())
    with pytest.raises(TimeoutError):
        puts.put([2], timeout=0.05)  # waits for room, and is withdrawn
    gate.set()
    puts.put([3], timeout=10)
    assert journal.seen == [1, 3]


def test_the_end_of_an_event_loop_is_no_matter(journal, cluster, gate):
    async def main():
        task = asyncio.create_task(topology["clicks"].put([1]))
        await asyncio.sleep(0)
        assert not task.done()

    topology = cluster.submit("clicks", clicks(gated(journal, gate)))
    asyncio.run(main())
    gate.set()
    topology["clicks"].put([2], timeout=10)
    assert journal.seen == [1, 2]


def test_close_ends_the_topology_after_what_was_put(journal, cluster, gate, wait_until):
    topology = cluster.submit("clicks", clicks(gated(journal, gate), par=2, maxsize=2))
    puts = topology["clicks"]
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(puts.put, [n]) for n in range(5)]
        wait_until(lambda: puts.waiting == 3)
        puts.close()
        with pytest.raises(NotRunningError, match="close"):
            puts.put([9])
        gate.set()
        topology.wait_until_drained(timeout=10)
        assert [one.result(10) for one in waiting] == [None] * 5
    assert sorted(journal.seen) == [0, 1, 2, 3, 4]


def test_put_after_the_end(journal, cluster):
    topology = cluster.submit("clicks", clicks(choosy(journal)))
    known = topology["clicks"]
    topology.close()
    for puts in (known, topology["clicks"]):
        with pytest.raises(NotRunningError, match="its topology is over"):
            puts.put([1], timeout=10)
    never_asked = cluster.submit("clicks", clicks(choosy(journal)))
    never_asked.close()
    with pytest.raises(NotRunningError, match="its topology is over"):
        never_asked["clicks"].put([1], timeout=10)


def test_who_waits_when_the_topology_is_killed_is_told(journal, gate, wait_until):
    async def main():
        with LocalCluster() as cluster:
            topology = cluster.submit("clicks", clicks(gated(journal, gate), maxsize=2))
            tasks = [asyncio.create_task(topology["clicks"].put([n])) for n in range(4)]
            await asyncio.to_thread(wait_until, lambda: topology.stats().emitted["clicks"] == 2)
            timer = threading.Timer(0.3, gate.set)  # else the bolt would outlive the cluster
            timer.start()
            await asyncio.to_thread(topology.kill, 0.05)
            answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
            timer.join()
        # Two were sent, and nobody saw how they ended; two were not.
        assert [type(one) for one in answers[:2]] == [TupleFailedError, TupleFailedError]
        assert [type(one) for one in answers[2:]] == [NotRunningError, NotRunningError]
        assert "its worker ended before the tuple (0,) was" in str(answers[0])

    asyncio.run(main())


def test_a_topology_that_fails_lets_nobody_wait(journal, cluster, wait_until):
    class Broken(Bolt):
        def initialize(self, conf, context):
            started.wait(10)
            raise RuntimeError("no database")

        def process(self, tup):
            pass

    started = threading.Event()
    topology = cluster.submit("clicks", clicks(Broken))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(topology["clicks"].put, [1])
        wait_until(lambda: topology["clicks"].under_way)
        started.set()
        with pytest.raises(NotRunningError):
            waiting.result(10)


def test_a_worker_that_restarts(journal, cluster):
    def process(self, tup):
        journal.seen.append(tup[0])
        if tup[0] == 1 and journal.seen.count(1) == 1:
            raise RuntimeError("the connection is broken")

    topology = cluster.submit("clicks", clicks(journal.bolt(process, on_error="exit")))
    puts = topology["clicks"]
    puts.put([0], timeout=10)
    with pytest.raises(TupleFailedError, match="its worker ended"):
        puts.put([1], timeout=10)
    puts.put([1], timeout=10)
    assert topology["clicks"] is puts
    assert journal.seen == [0, 1, 1]


def test_put_while_deactivated_waits(journal, cluster, wait_until):
    topology = cluster.submit("clicks", clicks(choosy(journal)))
    topology["clicks"].put([1], timeout=10)
    topology.deactivate()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(topology["clicks"].put, [2])
        wait_until(lambda: topology["clicks"].under_way)
        assert journal.seen == [1]
        topology.activate()
        waiting.result(10)
    assert journal.seen == [1, 2]


def test_without_acking_put_returns_when_the_tuple_is_sent(journal, cluster):
    topology = cluster.submit("clicks", clicks(choosy(journal)), {"topology.acker.executors": 0})
    topology["clicks"].put([-1], timeout=10)
    topology["clicks"].put([1], timeout=10)
    assert topology["clicks"].under_way == 0


def test_max_spout_pending_holds_puts_back_too(journal, cluster, gate, wait_until):
    builder = clicks(gated(journal, gate), par=2)
    topology = cluster.submit("clicks", builder, {"topology.max.spout.pending": 1})
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(topology["clicks"].put, [n]) for n in range(6)]
        wait_until(lambda: topology["clicks"].under_way == 6)
        assert topology.stats().emitted["clicks"] <= 2
        gate.set()
        assert [one.result(10) for one in waiting] == [None] * 6


def test_two_topologies_of_one_declaration_share_nothing(journal, cluster):
    builder = clicks(choosy(journal))
    one, other = cluster.submit("one", builder), cluster.submit("other", builder)
    assert one["clicks"] is one["clicks"] is not other["clicks"]
    one["clicks"].put([1], timeout=10)
    assert (one.stats().acked, other.stats().acked) == (1, 0)


def test_a_subclass_says_it_in_its_body(journal, cluster):
    class Clicks(QueueSpout):
        outputs = ["n"]
        maxsize = 7

    builder = TopologyBuilder("clicks")
    builder.set_spout("clicks", Clicks)
    builder.set_bolt("bolt", choosy(journal)).shuffle_grouping("clicks")
    topology = cluster.submit("clicks", builder)
    assert isinstance(topology["clicks"], Puts)
    assert topology["clicks"].maxsize == 7
    topology["clicks"].put([1], timeout=10)
    assert journal.seen == [1]


def test_what_is_no_queue_spout_says_so(journal, cluster):
    topology = cluster.submit("clicks", clicks(choosy(journal)))
    with pytest.raises(KeyError, match="bolt 'bolt' is no QueueSpout; of such there are"):
        topology["bolt"]
    with pytest.raises(KeyError, match="has no component 'click', but"):
        topology["click"]
    with pytest.raises(TypeError, match="not iterable"):
        list(topology)


def test_maxsize_must_be_a_number_of_tuples():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        QueueSpout(["n"], maxsize=0)


def test_nothing_keeps_the_tasks_of_a_topology_that_is_over(journal):
    instances = []

    class Watched(QueueSpout):
        outputs = ["n"]

        def initialize(self, conf, context):
            super().initialize(conf, context)
            instances.append(weakref.ref(self))

    builder = TopologyBuilder("clicks")
    builder.set_spout("clicks", Watched)
    builder.set_bolt("bolt", choosy(journal)).shuffle_grouping("clicks")
    with LocalCluster() as cluster:
        topology = cluster.submit("clicks", builder)
        puts = topology["clicks"]
        puts.put([1], timeout=10)
    del cluster, topology
    gc.collect()
    assert instances[0]() is None
    assert puts.under_way == 0


def test_a_spout_of_ones_own_may_have_a_handle(journal, cluster):
    class Doors:
        open = True

        def end(self):
            self.open = False

    class Guarded(Spout):
        outputs = ["n"]

        @staticmethod
        def make_handle(spec):
            return Doors()

        def initialize(self, conf, context):
            self.doors = context.handle
            journal.seen.append(context.handle)

        def next_tuple(self):
            pass

    builder = TopologyBuilder("doors")
    builder.set_spout("doors", Guarded, 2)
    topology = cluster.submit("doors", builder)
    doors = topology["doors"]
    assert doors.open
    topology.close()
    assert journal.seen == [doors, doors]
    assert not doors.open
