"""Bolts whose ``process`` is a coroutine: how they run, what they may do, how they end."""

import asyncio
import contextvars
import gc
import logging
import threading
import time
from collections import Counter

import psutil
import pytest

import typhoon
from typhoon import AsyncBolt, Bolt, Grouping, LocalCluster, Spout, Stream, TopologyBuilder
from typhoon.errors import AlreadySettledError, NotRunningError, TopologyFailedError
from typhoon.testing import FakeClock

NO_TIMEOUTS = {"topology.enable.message.timeouts": False}


def stats_of(topology, name):
    return next(one for one in topology.stats().components if one.id == name)


def run(builder, config=None, timeout=20):
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder, config)
        topology.wait_until_drained(timeout=timeout)
        return topology.stats()


class Gate:
    """Coroutines wait for it; any thread opens it."""

    def __init__(self):
        self.opened = False
        self.waiting = []

    async def wait(self):
        if self.opened:
            return
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.waiting.append((loop, future))
        await future

    def open(self):
        self.opened = True
        for loop, future in self.waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_open, future)


def _open(future):
    if not future.done():
        future.set_result(None)


@pytest.fixture
def door():
    """A gate for coroutines, which the end of the test opens."""
    one = Gate()
    yield one
    one.open()


@pytest.fixture
def said(caplog):
    """What the log has above INFO."""
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


async def forward(self, tup):
    await asyncio.sleep(0)
    self.emit(list(tup.values))


# Calls --------------------------------------------------------------------------------------------


def test_it_is_an_alias():
    assert AsyncBolt is Bolt


@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
def test_each_tuple_is_processed_once_and_acked(journal, chain, par, ordered):
    bolt = journal.bolt(forward, ordered=ordered)
    stats = run(chain(journal.source(range(3000)), bolt, bolt, journal.bolt(), par=par))
    assert Counter(journal.seen) == Counter(range(3000))
    assert Counter(journal.acked) == Counter(range(3000))
    assert (stats.acked, stats.failed, journal.failed) == (3000, 0, [])


def test_no_more_than_max_in_flight_run_and_as_many_do(journal, chain, door, wait_until):
    running, most = [], []

    async def process(self, tup):
        running.append(tup[0])
        most.append(len(running))
        await door.wait()
        await asyncio.sleep(0)
        running.remove(tup[0])

    with LocalCluster() as cluster:
        bolt = journal.bolt(process, max_in_flight=7)
        topology = cluster.submit("test", chain(journal.source(range(500)), bolt))
        wait_until(lambda: len(running) == 7)
        door.open()
        topology.wait_until_drained(timeout=20)
    assert max(most) == 7
    assert Counter(journal.acked) == Counter(range(500))


def test_each_executor_has_its_own_max_in_flight(journal, chain, door, wait_until):
    running = Counter()

    async def process(self, tup):
        running[id(self)] += 1
        await door.wait()

    with LocalCluster() as cluster:
        bolt = journal.bolt(process, max_in_flight=5)
        topology = cluster.submit("test", chain(journal.source(range(100)), bolt, par=3))
        wait_until(lambda: sum(running.values()) == 15)
        assert set(running.values()) == {5}
        door.open()
        topology.wait_until_drained(timeout=20)


def test_one_at_a_time_is_one_at_a_time(journal, chain):
    async def process(self, tup):
        await asyncio.sleep(0)
        journal.seen.append(("begin", tup[0]))
        await asyncio.sleep(0)
        journal.seen.append(("end", tup[0]))

    run(chain(journal.source(range(200)), journal.bolt(process, max_in_flight=1)))
    wanted = [(what, n) for n in range(200) for what in ("begin", "end")]
    assert journal.seen == wanted


@pytest.mark.parametrize("feeder_threaded", [False, True], ids=["on-the-loop", "threaded"])
def test_a_full_bolt_holds_up_those_who_feed_it(journal, chain, door, wait_until, feeder_threaded):
    async def process(self, tup):
        await door.wait()

    class Endless(Spout):
        outputs = ("n",)
        count = 0

        def next_tuple(self):
            Endless.count += 1
            self.emit(["x" * 100])

    feeder = journal.bolt(lambda self, tup: self.emit(list(tup.values)), threaded=feeder_threaded)
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(Endless, feeder, journal.bolt(process)))
        wait_until(lambda: stats_of(topology, "b2").executed == 100)
        before = -1

        def stands_still():
            nonlocal before
            last, before = before, Endless.count
            return last == before and last > 100

        wait_until(stands_still)
        assert Endless.count < 20_000
        assert stats_of(topology, "b2").executed == 100


def test_many_emits_per_input_find_room(journal, chain):
    async def process(self, tup):
        for number in range(50):
            self.emit([number])
            await asyncio.sleep(0)

    builder = chain(
        journal.source(range(300)), journal.bolt(process), journal.bolt(forward), journal.bolt()
    )
    run(builder, {"topology.executor.receive.buffer.size": 64})
    assert len(journal.seen) == 15_000
    assert Counter(journal.acked) == Counter(range(300))


@pytest.mark.parametrize(
    "config",
    [
        {"topology.executor.threads": "all"},
        {"topology.acker.executors": 0},
        {"topology.max.spout.pending": 1},
        {"topology.debug.copy.values": True},
    ],
    ids=lambda config: next(iter(config)),
)
def test_under_other_settings(journal, chain, config):
    run(chain(journal.source(range(300)), journal.bolt(forward), journal.bolt()), config)
    assert Counter(journal.seen) == Counter(range(300))
    assert Counter(journal.acked) == Counter(range(300))


def test_beside_an_event_loop_of_the_host(journal, chain):
    async def main():
        with LocalCluster() as cluster:
            builder = chain(journal.source(range(100)), journal.bolt(forward), journal.bolt())
            topology = cluster.submit("test", builder)
            await asyncio.to_thread(topology.wait_until_drained, 10)

    asyncio.run(main())
    assert Counter(journal.seen) == Counter(range(100))


def test_deactivated_and_activated_again(journal, chain):
    with LocalCluster() as cluster:
        builder = chain(journal.source(range(1000)), journal.bolt(forward), journal.bolt())
        topology = cluster.submit("test", builder)
        topology.deactivate()
        topology.activate()
        topology.wait_until_drained(timeout=10)
    assert Counter(journal.seen) == Counter(range(1000))


def test_several_tasks_share_an_executor(journal):
    tasks = set()

    class Named(Bolt):
        outputs = ("n",)
        ordered = True

        def initialize(self, conf, context):
            self.task = context.task_id

        async def process(self, tup):
            tasks.add(self.task)
            await asyncio.sleep(0)
            self.emit([tup[0]])

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(400)))
    builder.set_bolt("named", Named, 2).set_num_tasks(6).shuffle_grouping("source")
    builder.set_bolt("sink", journal.bolt()).shuffle_grouping("named")
    run(builder)
    assert len(tasks) == 6
    assert Counter(journal.seen) == Counter(range(400))
    assert Counter(journal.acked) == Counter(range(400))


@pytest.mark.parametrize("others", ["on-the-loop", "threaded"])
def test_between_bolts_of_other_kinds(journal, chain, par, others):
    plain = journal.bolt(
        lambda self, tup: self.emit(list(tup.values)), threaded=others == "threaded"
    )
    sink = journal.bolt(threaded=others == "threaded")
    run(chain(journal.source(range(2000)), plain, journal.bolt(forward), plain, sink, par=par))
    assert Counter(journal.seen) == Counter(range(2000))
    assert Counter(journal.acked) == Counter(range(2000))


def test_a_loop_in_the_topology_through_a_coroutine(journal):
    async def process(self, tup):
        await asyncio.sleep(0)
        if tup[0] % 10:
            self.emit([tup[0] - 1])
        else:
            journal.seen.append(tup[0])

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(1000)))
    declarer = builder.set_bolt("round", journal.bolt(process, max_in_flight=10))
    declarer.shuffle_grouping("source").shuffle_grouping("round")
    run(builder)
    assert Counter(journal.seen) == dict.fromkeys(range(0, 1000, 10), 10)
    assert Counter(journal.acked) == Counter(range(1000))


def test_groupings_of_what_it_emits(journal):
    places = {"fields": {}, "direct": {}, "custom": {}, "ids": []}

    class Even:
        def prepare(self, context, stream, target_tasks):
            self.tasks = target_tasks

        def choose_tasks(self, source_task, values):
            return [self.tasks[values[0] % 2]]

    class Send(Bolt):
        outputs = (Stream(["n"]), Stream(["n"], "direct", direct=True), Stream(["n"], "custom"))

        def initialize(self, conf, context):
            self.direct = context.tasks_of("direct")

        async def process(self, tup):
            n = tup[0]
            await asyncio.sleep(0)
            places["ids"].append((n, self.emit([n], need_task_ids=True)))
            self.emit([n], stream="direct", direct_task=self.direct[n % len(self.direct)])
            places["ids"].append((n, self.emit([n], stream="custom", need_task_ids=True)))

    class Sink(Bolt):
        def initialize(self, conf, context):
            self.kind, self.task = context.component_id, context.task_id

        async def process(self, tup):
            await asyncio.sleep(0)
            places[self.kind].setdefault(tup[0], []).append(self.task)

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(100)))
    builder.set_bolt("send", Send).shuffle_grouping("source")
    builder.set_bolt("fields", Sink, 3).fields_grouping("send", ["n"])
    builder.set_bolt("direct", Sink, 3).direct_grouping("send", "direct")
    builder.set_bolt("custom", Sink, 2).custom_grouping("send", Even(), "custom")
    run(builder)
    for kind, count in (("fields", 3), ("direct", 3), ("custom", 2)):
        assert {n: len(tasks) for n, tasks in places[kind].items()} == dict.fromkeys(range(100), 1)
        assert len({task for tasks in places[kind].values() for task in tasks}) == count
    for n, tasks in places["ids"]:
        assert tasks in (places["fields"][n], places["custom"][n])
    assert len({tuple(places["custom"][n]) for n in range(0, 100, 2)}) == 1


# Anchors ------------------------------------------------------------------------------------------


async def by_child(self, tup):
    async def child():
        await asyncio.sleep(0)
        self.emit([tup[0]])

    await asyncio.create_task(child())


async def by_thread(self, tup):
    await asyncio.to_thread(lambda: self.emit([tup[0]]))


async def by_gather(self, tup):
    async def child():
        await asyncio.sleep(0)
        self.emit([tup[0]])

    await asyncio.gather(child(), asyncio.sleep(0))


async def by_group(self, tup):
    async def child():
        await asyncio.sleep(0)
        self.emit([tup[0]])

    async with asyncio.TaskGroup() as group:
        group.create_task(child())


async def by_many(self, tup):
    await asyncio.sleep(0)
    self.emit_many([[tup[0]]])


async def by_name(self, tup):
    await asyncio.sleep(0)
    self.emit([tup[0]], anchors=[tup])


@pytest.mark.parametrize(
    "process", [forward, by_child, by_thread, by_gather, by_group, by_many, by_name]
)
@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
def test_an_emit_is_anchored_to_the_tuple_of_its_coroutine(journal, chain, process, ordered):
    """A hundred are interleaved; the sink fails some: only their trees fail."""

    def sink(self, tup):
        journal.seen.append(tup[0])
        if tup[0] % 7 == 0:
            self.fail(tup)

    bolt = journal.bolt(process, ordered=ordered)
    run(chain(journal.source(range(300)), bolt, journal.bolt(sink)))
    assert Counter(journal.seen) == Counter(range(300))
    assert Counter(journal.failed) == Counter(range(0, 300, 7))
    assert Counter(journal.acked) == Counter(n for n in range(300) if n % 7)


def test_no_anchors_are_no_anchors(journal, chain):
    async def process(self, tup):
        await asyncio.sleep(0)
        self.emit([tup[0]], anchors=[])

    bolt = journal.bolt(process)
    run(chain(journal.source(range(50)), bolt, journal.bolt(lambda self, tup: self.fail(tup))))
    assert Counter(journal.acked) == Counter(range(50))
    assert journal.failed == []


def test_without_auto_anchor_there_is_none(journal, chain):
    bolt = journal.bolt(forward, auto_anchor=False)
    run(chain(journal.source(range(50)), bolt, journal.bolt(lambda self, tup: self.fail(tup))))
    assert Counter(journal.acked) == Counter(range(50))


def test_a_join_is_anchored_to_all_it_came_from(journal, chain):
    """Two wait for one another; what the second emits hangs below both."""
    waiting = []

    async def process(self, tup):
        await asyncio.sleep(0)
        waiting.append(tup)
        if len(waiting) == 2:
            pair, waiting[:] = list(waiting), []
            self.emit([pair[0][0] + pair[1][0]], anchors=pair)
            for one in pair:
                self.ack(one)

    bolt = journal.bolt(process, auto_ack=False)
    run(chain(journal.source(range(10)), bolt, journal.bolt(lambda self, tup: self.fail(tup))))
    assert Counter(journal.failed) == Counter(range(10))


@pytest.mark.parametrize("how", ["emit", "child"])
def test_emit_after_its_tuple_was_settled_is_refused(journal, chain, how):
    async def process(self, tup):
        self.ack(tup)
        await asyncio.sleep(0)
        try:
            if how == "emit":
                self.emit([1])
            else:
                await asyncio.create_task(by_name(self, tup))
        except AlreadySettledError as error:
            journal.errors.append(error)

    run(chain(journal.source(range(20)), journal.bolt(process), journal.bolt()))
    assert len(journal.errors) == 20
    assert "anchors=[]" in str(journal.errors[0])
    assert Counter(journal.acked) == Counter(range(20))
    assert journal.seen == []


@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
def test_a_task_that_outlives_its_coroutine_emits_no_more(journal, chain, wait_until, ordered):
    tasks = []

    async def late(self):
        while not journal.acked:
            await asyncio.sleep(0.001)
        try:
            self.emit([1])
        except AlreadySettledError as error:
            journal.errors.append(error)

    async def process(self, tup):
        tasks.append(asyncio.create_task(late(self)))

    with LocalCluster() as cluster:
        bolt = journal.bolt(process, ordered=ordered)
        cluster.submit("test", chain(journal.source([1]), bolt, journal.bolt()))
        wait_until(lambda: journal.errors)
    assert journal.seen == []


def test_variables_of_the_user_survive(journal, chain):
    name = contextvars.ContextVar("name", default="none")

    class Named(Bolt):
        outputs = ("n",)

        async def initialize(self, conf, context):
            name.set("from initialize")

        async def process(self, tup):
            journal.seen.append(name.get())
            name.set(f"tuple {tup[0]}")
            await asyncio.sleep(0)
            await asyncio.to_thread(lambda: None)
            assert name.get() == f"tuple {tup[0]}"
            assert await asyncio.to_thread(name.get) == f"tuple {tup[0]}"

    run(chain(journal.source(range(100)), Named))
    assert set(journal.seen) == {"from initialize"}
    assert Counter(journal.acked) == Counter(range(100))


# Settling -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["task", "thread", "pool"])
@pytest.mark.parametrize("verdict", ["ack", "fail"])
def test_settled_later_by_another(journal, chain, where, verdict):
    tasks = set()

    class Later(Bolt):
        auto_ack = False

        async def process(self, tup):
            settle = getattr(self, verdict)
            if where == "task":

                async def later():
                    await asyncio.sleep(0.001)
                    settle(tup)

                tasks.add(asyncio.create_task(later()))
            elif where == "thread":
                threading.Timer(0.001, settle, [tup]).start()
            else:
                asyncio.get_running_loop().run_in_executor(None, settle, tup)

    run(chain(journal.source(range(100)), Later))
    ended = journal.acked if verdict == "ack" else journal.failed
    assert Counter(ended) == Counter(range(100))
    assert len(journal.acked) + len(journal.failed) == 100


@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
def test_explicit_verdicts_go_before_the_automatic_ack(journal, chain, ordered):
    async def process(self, tup):
        await asyncio.sleep(0)
        self.emit([tup[0]])
        (self.fail if tup[0] % 2 else self.ack)(tup)

    bolt = journal.bolt(process, ordered=ordered)
    run(chain(journal.source(range(100)), bolt, journal.bolt()))
    assert Counter(journal.seen) == Counter(range(100))
    assert Counter(journal.acked) == Counter(range(0, 100, 2))
    assert Counter(journal.failed) == Counter(range(1, 100, 2))


# Errors -------------------------------------------------------------------------------------------


async def bad(self, tup):
    await asyncio.sleep(0)
    if tup[0] % 10 == 5:
        raise ValueError(f"cannot stand {tup[0]}")
    self.emit([tup[0]])


BAD = range(5, 100, 10)


@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
@pytest.mark.parametrize("on_error", ["fail", "drop"])
def test_a_coroutine_that_raises(journal, chain, ordered, on_error):
    bolt = journal.bolt(bad, ordered=ordered, on_error=on_error)
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source(range(100)), bolt, journal.bolt()))
        topology.wait_until_drained(timeout=20)
        one = stats_of(topology, "b1")
    assert (one.errors, "cannot stand" in one.last_error) == (10, True)
    assert Counter(journal.failed) == Counter(BAD if on_error == "fail" else [])
    assert len(journal.acked) + len(journal.failed) == 100
    wanted = [n for n in range(100) if n not in BAD]
    assert (journal.seen == wanted) if ordered else (sorted(journal.seen) == wanted)


@pytest.mark.parametrize("auto_ack", [True, False])
@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
def test_a_coroutine_that_raises_may_write_dead_letters(journal, ordered, auto_ack):
    letters = []

    async def process(self, tup):
        await bad(self, tup)
        if not auto_ack:
            self.ack(tup)

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(100)))
    bolt = journal.bolt(process, ordered=ordered, on_error="dead-letter", auto_ack=auto_ack)
    builder.set_bolt("bad", bolt).shuffle_grouping("source")
    grave = journal.bolt(lambda self, tup: letters.append(tup))
    builder.set_bolt("grave", grave).shuffle_grouping("bad", "__dead_letter")
    run(builder)
    assert sorted(tup["values"][0] for tup in letters) == [*BAD]
    assert all(tup["error"] == f"ValueError: cannot stand {tup['values'][0]}" for tup in letters)
    assert all("in bad" in tup["traceback"] for tup in letters)
    assert Counter(journal.acked) == Counter(range(100))


def test_a_coroutine_that_raises_may_restart_its_worker(journal, chain):
    hits, made = [], []

    class Fragile(Bolt):
        on_error = "exit"

        async def initialize(self, conf, context):
            made.append(self)

        async def process(self, tup):
            await asyncio.sleep(0)
            if tup[0] == 50 and not hits:
                hits.append(1)
                raise ValueError("once")
            journal.seen.append(tup[0])

    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source(range(100)), Fragile))
        topology.wait_until_drained(timeout=20)
        assert topology.failure is None
    assert len(made) == 2
    assert set(journal.seen) == set(range(100))


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError("by hand"),
        SystemExit(3),
        KeyboardInterrupt(),
        StopAsyncIteration(),
        GeneratorExit(),
        TimeoutError(),
        UnspeakableError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
def test_whatever_is_raised_fails_its_tuple_alone(journal, chain, error, ordered):
    async def process(self, tup):
        await asyncio.sleep(0)
        if tup[0] == 5:
            raise error

    run(chain(journal.source(range(10)), journal.bolt(process, ordered=ordered, timeout_secs=10)))
    assert journal.failed == [5]
    assert Counter(journal.acked) == Counter(n for n in range(10) if n != 5)


def test_a_coroutine_that_cancels_itself(journal, chain):
    async def process(self, tup):
        if tup[0] == 5:
            asyncio.current_task().cancel()
        await asyncio.sleep(0)

    run(chain(journal.source(range(10)), journal.bolt(process, ordered=True)))
    assert journal.failed == [5]
    assert len(journal.acked) == 9


def test_a_group_that_fails_fails_the_tuple(journal, chain):
    async def process(self, tup):
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))
            group.create_task(bad(self, tup))

    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source([5]), journal.bolt(process)))
        topology.wait_until_drained(timeout=10)
        assert "ExceptionGroup" in stats_of(topology, "b1").last_error
    assert journal.failed == [5]


def test_a_task_of_its_own_that_ends_the_loop_ends_the_topology(journal, chain):
    tasks = []

    async def leave():
        raise SystemExit(3)

    async def process(self, tup):
        tasks.append(asyncio.create_task(leave()))
        await asyncio.sleep(60)

    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source([1]), journal.bolt(process)))
        with pytest.raises(TopologyFailedError, match=r"'b1'.*SystemExit: 3"):
            topology.wait_until_drained(timeout=10)
    assert journal.closed == ["Probe"]
    gc.collect()


# Time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
def test_a_coroutine_that_takes_too_long_is_cancelled(journal, chain, ordered):
    async def process(self, tup):
        try:
            if tup[0] == 3:
                await asyncio.sleep(60)
        except asyncio.CancelledError:
            journal.seen.append("cancelled")
            raise
        self.emit([tup[0]])

    with LocalCluster() as cluster:
        bolt = journal.bolt(process, timeout_secs=0.05, ordered=ordered)
        topology = cluster.submit("test", chain(journal.source(range(6)), bolt, journal.bolt()))
        topology.wait_until_drained(timeout=10)
        assert "it took more than timeout_secs = 0.05" in stats_of(topology, "b1").last_error
    assert journal.failed == [3]
    assert Counter(journal.acked) == Counter([0, 1, 2, 4, 5])
    seen = [n for n in journal.seen if n != "cancelled"]
    assert sorted(seen) == [0, 1, 2, 4, 5]
    assert seen == sorted(seen) or not ordered
    assert journal.seen.count("cancelled") == 1


def test_a_time_out_of_its_own_is_not_mistaken(journal, chain):
    async def process(self, tup):
        await asyncio.wait_for(asyncio.sleep(60), 0.01)

    with LocalCluster() as cluster:
        bolt = journal.bolt(process, timeout_secs=30)
        topology = cluster.submit("test", chain(journal.source([1]), bolt))
        topology.wait_until_drained(timeout=10)
        assert "timeout_secs" not in stats_of(topology, "b1").last_error
    assert journal.failed == [1]


def test_a_tree_times_out_while_it_waits_in_a_coroutine(journal, chain, door, wait_until):
    clock = FakeClock()

    async def process(self, tup):
        await door.wait()
        journal.seen.append(tup[0])

    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit(
            "test",
            chain(journal.source(range(5)), journal.bolt(process)),
            {"topology.message.timeout.secs": 4},
        )
        wait_until(lambda: len(door.waiting) == 5)
        deadline = time.monotonic() + 20
        while len(journal.failed) < 5 and time.monotonic() < deadline:
            with pytest.raises(TimeoutError, match="does not come to rest"):
                clock.advance(1, timeout=0.02)
        assert Counter(journal.failed) == Counter(range(5))
        assert journal.seen == []
        door.open()
        topology.wait_until_drained(timeout=10)
    assert journal.acked == []
    assert len(journal.failed) == 5


def test_a_coroutine_that_blocks_the_loop_makes_the_others_late_only(journal, chain):
    async def process(self, tup):
        if tup[0] == 0:
            time.sleep(0.3)
        await asyncio.sleep(0.001)
        self.emit([tup[0]])

    run(chain(journal.source(range(300)), journal.bolt(process), journal.bolt(forward)))
    assert Counter(journal.acked) == Counter(range(300))


@pytest.mark.parametrize("seconds", [0.05, 1.3])
def test_who_holds_up_the_loop_is_named(journal, chain, wait_until, seconds):
    told = threading.Event()

    async def process(self, tup):
        await asyncio.sleep(0)
        if not told.is_set():
            time.sleep(seconds)

    with LocalCluster() as cluster:
        bolt = journal.bolt(process, max_in_flight=1)
        topology = cluster.submit("test", chain(journal.source(range(1000)), bolt))
        wait_until(lambda: topology.notices, timeout=20)
        told.set()
        assert "'b1'" in topology.notices[0]
        assert "asyncio.to_thread" in topology.notices[0]
        topology.wait_until_drained(timeout=20)


def test_who_waits_as_it_should_is_not_named(journal, chain):
    async def process(self, tup):
        await asyncio.sleep(0.2)

    with LocalCluster() as cluster:
        bolt = journal.bolt(process, max_in_flight=10)
        topology = cluster.submit("test", chain(journal.source(range(80)), bolt))
        topology.wait_until_drained(timeout=20)
        assert topology.notices == []


# Ticks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_coroutine", [True, False], ids=["async", "plain"])
def test_ticks(journal, chain, par, is_coroutine):
    clock = FakeClock()
    ticks = []

    async def tick(self, tup):
        await asyncio.sleep(0)
        ticks.append((id(self), tup.stream))
        self.emit([-1])

    def plain(self, tup):
        ticks.append((id(self), tup.stream))
        self.emit([-1])

    bolt = journal.bolt(forward, process_tick=tick if is_coroutine else plain, tick_freq_secs=2.0)
    with LocalCluster(clock=clock) as cluster:
        builder = chain(journal.source(range(10)), bolt, journal.bolt(), par=par)
        topology = cluster.submit("test", builder)
        clock.advance(20)
        assert set(Counter(ticks).values()) == {10}
        assert (len(Counter(ticks)), {stream for _, stream in ticks}) == (par, {"__tick"})
        ticks.clear()
        topology.wait_until_drained(timeout=10)
        assert set(Counter(ticks).values()) == {1}
    assert Counter(journal.acked) == Counter(range(10))
    assert journal.seen.count(-1) == 11 * par


def test_a_tick_that_lasts_is_not_overtaken_by_the_next(journal, chain, door, wait_until):
    running, most, others = [], [], []

    async def tick(self, tup):
        running.append(1)
        most.append(len(running))
        await door.wait()
        running.pop()

    bolt = journal.bolt(forward, process_tick=tick, tick_freq_secs=0.01)
    other = journal.bolt(process_tick=lambda self, tup: others.append(1), tick_freq_secs=0.01)
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source(range(500)), bolt, other))
        wait_until(lambda: running and len(journal.acked) == 500)
        others.clear()
        wait_until(lambda: len(others) > 5)
        assert not topology.is_drained
        door.open()
        topology.wait_until_drained(timeout=10)
    assert set(most) == {1}


@pytest.mark.parametrize("on_error", ["fail", "dead-letter"])
def test_a_tick_that_raises_is_reported(journal, chain, on_error):
    clock = FakeClock()

    async def tick(self, tup):
        await asyncio.sleep(0)
        raise ValueError("no tick")

    bolt = journal.bolt(forward, process_tick=tick, tick_freq_secs=1.0, on_error=on_error)
    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit("test", chain(journal.source(range(10)), bolt))
        clock.advance(3)
        assert "process_tick: ValueError: no tick" in stats_of(topology, "b1").last_error
        topology.wait_until_drained(timeout=10)
    assert Counter(journal.acked) == Counter(range(10))


# In order -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [False, True], ids=["emit", "emit_many"])
def test_ordered_outputs_come_in_the_order_of_the_input(journal, chain, many):
    """Of ten that run at once, those that came first end last."""
    ended = []

    async def process(self, tup):
        row = [tup[0]]
        if many:
            self.emit_many(one for one in [row])
        else:
            self.emit(row)
            row.append("what is changed later does not matter")
        for _ in range(10 - tup[0] % 10):
            await asyncio.sleep(0.001)
        ended.append(tup[0])

    bolt = journal.bolt(process, ordered=True, max_in_flight=10)
    run(chain(journal.source(range(200)), bolt, journal.bolt()))
    assert journal.seen == list(range(200))
    assert ended != sorted(ended)
    assert Counter(journal.acked) == Counter(range(200))


def test_ordered_bolts_have_no_task_ids_to_give(journal, chain):
    async def process(self, tup):
        self.emit([1], need_task_ids=True)

    with LocalCluster() as cluster:
        builder = chain(journal.source([1]), journal.bolt(process, ordered=True), journal.bolt())
        topology = cluster.submit("test", builder)
        topology.wait_until_drained(timeout=10)
        assert "no task ids" in stats_of(topology, "b1").last_error
    assert journal.failed == [1]


def test_an_ordered_emit_that_is_wrong_fails_its_tuple(journal, chain):
    async def process(self, tup):
        self.emit([1, 2, 3] if tup[0] == 5 else [tup[0]])

    bolt = journal.bolt(process, ordered=True)
    run(chain(journal.source(range(10)), bolt, journal.bolt()))
    assert journal.failed == [5]
    assert journal.seen == [n for n in range(10) if n != 5]


def test_an_emit_of_ones_own_is_used_by_ordered_bolts_too(journal, chain):
    async def process(self, tup):
        await asyncio.sleep(0)
        self.emit([tup[0]])

    def emit(self, values, **options):
        return Bolt.emit(self, [values[0] * 2], **options)

    bolt = journal.bolt(process, ordered=True, emit=emit)
    run(chain(journal.source(range(10)), bolt, journal.bolt()))
    assert journal.seen == list(range(0, 20, 2))


@pytest.mark.parametrize("is_generator", [False, True], ids=["return", "yield"])
def test_functions_may_be_ordered(journal, chain, is_generator):
    async def once(n):
        await asyncio.sleep(0.0005 * (10 - n % 10))
        return (n,)

    async def each(n):
        yield await once(n)

    ordered = typhoon.bolt(outputs=["n"], ordered=True)(each if is_generator else once)
    run(chain(journal.source(range(100)), ordered, journal.bolt()))
    assert journal.seen == list(range(100))


def test_an_ordered_bolt_without_a_dict_is_refused(journal, chain):
    class Slotted(Bolt):
        __slots__ = ()
        ordered = True

        async def process(self, tup):
            pass

    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source([1]), Slotted))
        with pytest.raises(TopologyFailedError, match="leave __slots__ out of Slotted"):
            topology.wait_until_drained(timeout=10)


# Beginning and end --------------------------------------------------------------------------------


def test_what_belongs_to_the_loop_is_made_and_closed_on_it(journal, chain):
    class Through(Bolt):
        outputs = ("n",)

        async def initialize(self, conf, context):
            self.loop = asyncio.get_running_loop()
            self.lock = asyncio.Lock()
            self.queue = asyncio.Queue()
            self.pump = asyncio.create_task(self.pumped())

        async def pumped(self):
            while True:
                future, value = await self.queue.get()
                future.set_result(value + 1000)

        async def process(self, tup):
            future = self.loop.create_future()
            async with self.lock:
                await self.queue.put((future, tup[0]))
            self.emit([await future])

        async def close(self):
            assert asyncio.get_running_loop() is self.loop
            self.pump.cancel()
            await asyncio.sleep(0.01)
            journal.closed.append(self.pump.cancelled())

        async def cleanup(self):
            journal.closed.append("cleanup")

    run(chain(journal.source(range(500)), Through, journal.bolt()))
    assert Counter(journal.seen) == Counter(range(1000, 1500))
    assert Counter(journal.acked) == Counter(range(500))
    assert [what for what in journal.closed if what != "Probe"] == [True, "cleanup"]


@pytest.mark.parametrize("is_coroutine", [True, False], ids=["async", "plain"])
def test_an_initialize_that_raises_ends_the_topology(journal, chain, is_coroutine):
    made = []

    class NoStart(Bolt):
        outputs = ("n",)

        async def initialize(self, conf, context):
            if context.task_index == 1:
                await asyncio.sleep(0)
                raise ValueError("no server there")
            made.append(context.task_index)

        async def process(self, tup):
            pass

        def close(self):
            journal.closed.append(self)

    def initialize(self, conf, context):
        if context.task_index == 1:
            raise ValueError("no server there")

    if not is_coroutine:
        NoStart.initialize = initialize
    other = journal.bolt(forward, initialize=NoStart.initialize)
    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(journal.source(range(10)), NoStart, other, other, par=3)
        )
        with pytest.raises(TopologyFailedError, match=r"could not start: .*no server there"):
            topology.wait_until_drained(timeout=10)
    gc.collect()  # a coroutine that nobody awaited would warn now, which is an error here
    assert len(journal.closed) <= len(made) or not is_coroutine
    assert journal.acked == []


def test_an_initialize_that_waits_does_not_hold_up_the_end(journal, chain, door, wait_until):
    async def initialize(self, conf, context):
        await door.wait()

    with LocalCluster() as cluster:
        bolt = journal.bolt(forward, initialize=initialize)
        topology = cluster.submit("test", chain(journal.source(range(10)), bolt, par=2))
        wait_until(lambda: door.waiting)
        assert topology.failure is None
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert topology.failure is None
    assert journal.closed == []


def test_an_initialize_that_waits_is_waited_for(journal, chain):
    async def initialize(self, conf, context):
        await asyncio.sleep(0.1)
        self.is_ready = True

    async def process(self, tup):
        journal.seen.append(self.is_ready)

    run(chain(journal.source(range(10)), journal.bolt(process, initialize=initialize), par=2))
    assert journal.seen == [True] * 10


def test_initialize_may_emit_and_close_no_more(journal, chain):
    async def initialize(self, conf, context):
        self.emit([-1])
        await asyncio.sleep(0.01)
        self.emit([-2])

    async def close(self):
        try:
            self.emit([-3])
        except NotRunningError as error:
            journal.errors.append(error)

    bolt = journal.bolt(forward, initialize=initialize, close=close)
    run(chain(journal.source(range(10)), bolt, journal.bolt()))
    assert sorted(journal.seen) == [-2, -1, *range(10)]
    assert len(journal.errors) == 1


@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "untracked"])
def test_draining_waits_for_coroutines(journal, chain, door, wait_until, tracked):
    class Untracked(journal.source(range(5))):
        def next_tuple(self):
            self.emit([next(self.items)])

    async def process(self, tup):
        await door.wait()
        self.emit([tup[0]])

    spout = journal.source(range(5)) if tracked else Untracked
    with LocalCluster() as cluster:
        builder = chain(spout, journal.bolt(process), journal.bolt(forward), journal.bolt())
        topology = cluster.submit("test", builder)
        wait_until(lambda: len(door.waiting) == 5)
        with pytest.raises(TimeoutError):
            topology.wait_until_drained(timeout=0.1)
        door.open()
        topology.wait_until_drained(timeout=10)
    assert sorted(journal.seen) == list(range(5))


@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
def test_leaving_while_coroutines_wait(journal, chain, wait_until, said, ordered):
    ended = []

    async def process(self, tup):
        journal.seen.append(tup[0])
        try:
            if tup[0]:
                await asyncio.sleep(60)
        finally:
            ended.append(tup[0])

    with LocalCluster() as cluster:
        bolt = journal.bolt(process, ordered=ordered, max_in_flight=50)
        cluster.submit("test", chain(journal.source(range(100)), bolt, journal.bolt(forward)))
        wait_until(lambda: len(journal.seen) >= 50)
        began = time.monotonic()
    assert time.monotonic() - began < 1.5
    assert Counter(ended) == Counter(journal.seen)
    assert (set(journal.acked) | {0}, journal.failed) == ({0}, [])
    assert journal.closed == ["Probe", "Probe"]
    gc.collect()
    assert said() == []


def test_a_thousand_coroutines_that_wait_are_ended_at_once(journal, chain, wait_until):
    ended = []

    async def process(self, tup):
        journal.seen.append(tup[0])
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(tup[0])

    with LocalCluster() as cluster:
        bolt = journal.bolt(process, max_in_flight=1000)
        cluster.submit("test", chain(journal.source(range(2000)), bolt))
        wait_until(lambda: len(journal.seen) >= 1000)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert Counter(ended) == Counter(journal.seen) == Counter(range(1000))
    assert journal.closed == ["Probe"]


def test_a_close_that_hangs_is_given_up_and_said(journal, chain, par):
    async def close(self):
        journal.closed.append("begin")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            journal.closed.append("cancelled")
            raise

    with LocalCluster() as cluster:
        bolt = journal.bolt(forward, close=close)
        topology = cluster.submit("test", chain(journal.source([1]), bolt, par=par))
        topology.wait_until_drained(timeout=10)
        one = stats_of(topology, "b1")
        assert "close: TimeoutError" in one.last_error
    assert Counter(journal.closed) == {"begin": par, "cancelled": par}


def test_a_close_that_hangs_does_not_hold_up_the_end(journal, chain, wait_until):
    async def close(self):
        await asyncio.sleep(60)

    with LocalCluster() as cluster:
        bolt = journal.bolt(forward, close=close)
        cluster.submit("test", chain(journal.source([1]), bolt, bolt, par=3))
        wait_until(lambda: journal.acked)
        began = time.monotonic()
    assert time.monotonic() - began < 2


def test_a_close_that_raises_is_reported(journal, chain):
    async def close(self):
        await asyncio.sleep(0)
        raise ValueError("cannot end")

    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(journal.source([1]), journal.bolt(forward, close=close))
        )
        topology.wait_until_drained(timeout=10)
        assert "close: ValueError: cannot end" in stats_of(topology, "b1").last_error


def test_a_coroutine_that_will_not_be_cancelled_for_a_while(journal, chain, wait_until):
    async def process(self, tup):
        journal.seen.append(tup[0])
        end = time.monotonic() + 1.3
        while time.monotonic() < end:
            try:
                await asyncio.sleep(end - time.monotonic())
            except asyncio.CancelledError:
                journal.errors.append(1)

    with LocalCluster() as cluster:
        cluster.submit("test", chain(journal.source([1]), journal.bolt(process)))
        wait_until(lambda: journal.seen)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert journal.closed == ["Probe"]
    assert journal.errors


def test_kill_and_start_again_leaves_nothing(journal, chain, wait_until):
    process = psutil.Process()

    async def wait(self, tup):
        journal.seen.append(tup[0])
        if tup[0]:
            await asyncio.sleep(60)

    builder = chain(journal.source(range(20)), journal.bolt(wait), journal.bolt(forward))
    threads, files = [], []
    for cycle in range(50):
        journal.seen.clear()
        with LocalCluster() as cluster:
            topology = cluster.submit("test", builder)
            if cycle % 3:
                wait_until(lambda: len(journal.seen) == 20)
            if cycle % 3 == 2:
                topology.kill(0)
                wait_until(lambda: topology.is_over)  # noqa: B023 - called at once
        if cycle in (4, 49):
            gc.collect()
            threads.append(process.num_threads())
            files.append(process.num_fds())
    assert threads[0] == threads[1]
    assert files[0] == files[1]


@pytest.mark.slow
def test_memory_stays_flat(journal, chain):
    """A hundred thousand coroutines leave no more behind than ten thousand."""
    process = psutil.Process()
    sizes = []

    class Counted(Spout):
        outputs = ("n",)
        left = 120_000

        def next_tuple(self):
            if not self.left:
                raise StopIteration
            self.left -= 1
            if self.left in (100_000, 0):
                gc.collect()
                sizes.append(process.memory_info().rss)
            self.emit(["x" * 50], tup_id=self.left)

    bolt = journal.bolt(forward, ordered=True)
    run(chain(Counted, bolt, journal.bolt(lambda self, tup: None)), timeout=50)
    assert sizes[1] - sizes[0] < 8 << 20


def test_a_clock_that_stands_still_does_not_hold_up_coroutines(journal, chain, par):
    with LocalCluster(clock=FakeClock()) as cluster:
        builder = chain(journal.source(range(500)), journal.bolt(forward), journal.bolt(), par=par)
        cluster.submit("test", builder).wait_until_drained(timeout=20)
    assert Counter(journal.acked) == Counter(range(500))


def test_keys_go_to_their_task_in_order(journal):
    """An ordered bolt with fields grouping behind it: each key's values in order."""
    keys = {}

    class Keyed(Spout):
        outputs = ("key", "n")

        def initialize(self, conf, context):
            self.items = iter(range(600))

        def next_tuple(self):
            n = next(self.items)
            self.emit([n % 7, n], tup_id=n)

    async def process(self, tup):
        await asyncio.sleep(0.0001 * (tup["n"] * 7919 % 13))
        self.emit(list(tup.values))

    def note(self, tup):
        keys.setdefault((tup["key"], id(self)), []).append(tup["n"])

    builder = TopologyBuilder()
    builder.set_spout("source", Keyed)
    ordered = journal.bolt(process, ordered=True, outputs=["key", "n"])
    builder.set_bolt("ordered", ordered).grouping("source", Grouping.SHUFFLE)
    builder.set_bolt("sink", journal.bolt(note), 3).fields_grouping("ordered", ["key"])
    run(builder)
    assert len(keys) == 7
    assert all(values == sorted(values) and len(values) > 80 for values in keys.values())
