"""Components that raise, block, flood and lie, and a topology that goes on or says why not."""

import gc
import logging
import threading
import time
from collections import Counter

import psutil
import pytest

from typhoon import Bolt, LocalCluster, Spout, TopologyBuilder
from typhoon.errors import (
    AlreadyAliveError,
    BackPressureError,
    InvalidTopologyError,
    NotRunningError,
    TopologyFailedError,
)
from typhoon.testing import FakeClock


def stats_of(topology, name):
    return next(one for one in topology.stats().components if one.id == name)


def one_in_a_thousand(journal):
    def process(self, tup):
        if tup[0] % 1000 == 500:
            raise ValueError(f"cannot stand {tup[0]}")
        journal.seen.append(tup[0])

    return process


def good(count):
    return [n for n in range(count) if n % 1000 != 500]


# A bolt that raises -------------------------------------------------------------------------------


def test_bolt_that_raises_fails_its_tuple_and_goes_on(journal, chain, par, threaded):
    bolt = journal.bolt(one_in_a_thousand(journal), threaded=threaded)
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source(range(5000)), bolt, par=par))
        topology.wait_until_drained(timeout=20)
        one = stats_of(topology, "b1")
        assert (topology.stats().acked, topology.stats().failed) == (4995, 5)
    assert sorted(journal.failed) == [500, 1500, 2500, 3500, 4500]
    assert sorted(journal.acked) == good(5000)
    assert sorted(journal.seen) == good(5000)
    assert one.errors == 5
    assert "cannot stand" in one.last_error


def test_bolt_that_raises_may_drop_its_tuple(journal, chain, par, threaded):
    bolt = journal.bolt(one_in_a_thousand(journal), threaded=threaded, on_error="drop")
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source(range(5000)), bolt, par=par))
        topology.wait_until_drained(timeout=20)
        assert stats_of(topology, "b1").errors == 5
    assert Counter(journal.acked) == Counter(range(5000))
    assert journal.failed == []
    assert sorted(journal.seen) == good(5000)


def test_bolt_that_raises_may_write_dead_letters(journal, par, threaded):
    letters = []
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(5000)))
    bolt = journal.bolt(one_in_a_thousand(journal), threaded=threaded, on_error="dead-letter")
    builder.set_bolt("bad", bolt, par).shuffle_grouping("source")
    builder.set_bolt(
        "grave", journal.bolt(lambda self, tup: letters.append(tup)), par
    ).shuffle_grouping("bad", "__dead_letter")
    with LocalCluster() as cluster:
        cluster.submit("test", builder).wait_until_drained(timeout=20)
    assert sorted(tup["values"][0] for tup in letters) == [500, 1500, 2500, 3500, 4500]
    for tup in letters:
        assert (tup["component"], tup["stream"]) == ("source", "default")
        assert tup["error"] == f"ValueError: cannot stand {tup['values'][0]}"
        assert "in process" in tup["traceback"]
    assert Counter(journal.acked) == Counter(range(5000))


def test_dead_letter_that_fails_fails_the_tree(journal):
    def refuse(self, tup):
        raise ValueError("no")

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(10)))
    builder.set_bolt("bad", journal.bolt(refuse, on_error="dead-letter")).shuffle_grouping("source")
    builder.set_bolt("grave", journal.bolt(refuse)).shuffle_grouping("bad", "__dead_letter")
    with LocalCluster() as cluster:
        cluster.submit("test", builder).wait_until_drained(timeout=20)
    assert Counter(journal.failed) == Counter(range(10))
    assert journal.acked == []


def test_bolt_that_raises_may_restart_its_worker(journal, chain, par, threaded):
    made = []
    hits = []

    class Fragile(Bolt):
        on_error = "exit"

        def initialize(self, conf, context):
            made.append(self)

        def process(self, tup):
            if tup[0] == 500 and not hits:
                hits.append(tup[0])
                raise ValueError("once")
            journal.seen.append(tup[0])

    Fragile.threaded = threaded
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source(range(1000)), Fragile, par=par))
        topology.wait_until_drained(timeout=20)
        assert topology.failure is None
        assert stats_of(topology, "b1").errors == 1
    assert hits == [500]
    assert len({id(one) for one in made}) == 2 * par
    assert set(journal.seen) == set(range(1000))  # a spout that starts over emits all again


def test_worker_that_ends_again_and_again_is_given_up(journal, chain):
    def process(self, tup):
        raise ValueError("always")

    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(journal.source(range(10)), journal.bolt(process, on_error="exit"))
        )
        with pytest.raises(TopologyFailedError, match=r"b1.*always"):
            topology.wait_until_drained(timeout=20)


@pytest.mark.parametrize("where", ["process", "process_tick"])
def test_stop_iteration_out_of_a_bolt_is_an_ordinary_error(journal, chain, par, threaded, where):
    clock = FakeClock()

    def stop(self, tup):
        next(iter([]))

    body = {"threaded": threaded, where: stop, "tick_freq_secs": 1.0}
    builder = chain(
        journal.source(range(10)), journal.bolt(body.pop("process", None), **body), par=par
    )
    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit("test", builder)
        topology.wait_until_drained(timeout=10)
        one = stats_of(topology, "b1")
    assert "StopIteration" in one.last_error
    assert (one.errors >= par) if where == "process_tick" else (one.errors == 10)
    assert Counter(journal.failed if where == "process" else journal.acked) == Counter(range(10))


# A spout that raises ------------------------------------------------------------------------------


def test_spout_that_raises_is_asked_again(journal, chain, threaded):
    class Shaky(journal.source(range(100))):
        calls = 0

        def next_tuple(self):
            self.calls += 1
            if self.calls % 3 == 0:
                raise ValueError("shaky")
            super().next_tuple()

    Shaky.threaded = threaded
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(Shaky, journal.bolt()))
        topology.wait_until_drained(timeout=10)
        one = stats_of(topology, "source")
    assert Counter(journal.acked) == Counter(range(100))
    assert one.errors >= 50
    assert one.last_error == "next_tuple: ValueError: shaky"


@pytest.mark.parametrize("error", [ValueError, StopIteration])
@pytest.mark.parametrize("method", ["ack", "fail"])
def test_spout_that_raises_in_ack_or_fail_goes_on(journal, chain, method, error, threaded):
    calls = []

    def raises(self, tup_id):
        calls.append(tup_id)
        raise error("no")

    source = journal.source(range(100), **{method: raises}, threaded=threaded)
    bolt = journal.bolt((lambda self, tup: self.fail(tup)) if method == "fail" else None)
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(source, bolt))
        topology.wait_until_drained(timeout=10)
        one = stats_of(topology, "source")
    assert Counter(calls) == Counter(range(100))
    assert one.errors == 100
    assert one.last_error.startswith(f"{method}: {error.__name__}")
    assert one.emitted == 100


@pytest.mark.parametrize("error", [ValueError, StopIteration])
@pytest.mark.parametrize("many", [False, True], ids=["emit", "emit_many"])
def test_spout_that_raises_in_ack_without_acking_goes_on(journal, chain, error, many, threaded):
    """`ack` is called inside `emit` then, and yet it is not `next_tuple` that has failed."""
    calls = []

    class Shaky(journal.source(range(50))):
        def next_tuple(self):
            n = next(self.items)
            if many:
                self.emit_many([[n], [n]], tup_ids=[n, n + 50])
            else:
                self.emit([n], tup_id=n)
            journal.closed.append(n)

        def ack(self, tup_id):
            calls.append(tup_id)
            raise error("no")

    Shaky.threaded = threaded
    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(Shaky, journal.bolt()), {"topology.acker.executors": 0}
        )
        topology.wait_until_drained(timeout=10)
        one = stats_of(topology, "source")
    amount = 100 if many else 50
    assert sorted(calls) == list(range(amount))
    assert [n for n in journal.closed if isinstance(n, int)] == list(range(50))
    assert one.errors == amount
    assert one.last_error.startswith(f"ack: {error.__name__}")
    assert one.emitted == amount == len(journal.seen)


def test_ack_without_acking_may_end_the_worker(journal, chain):
    def raises(self, tup_id):
        raise ValueError("always")

    source = journal.source(range(10), ack=raises, on_error="exit")
    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(source, journal.bolt()), {"topology.acker.executors": 0}
        )
        with pytest.raises(TopologyFailedError, match=r"source.*raised in ack.*always"):
            topology.wait_until_drained(timeout=20)


def stops(self, *args):
    next(iter([]))


def test_stop_iteration_out_of_initialize_is_not_an_end_of_data(journal, chain, threaded):
    for source, bolt in (
        (journal.source([1], initialize=stops), journal.bolt()),
        (journal.source([1]), journal.bolt(initialize=stops)),
    ):
        source.threaded = bolt.threaded = threaded
        with LocalCluster() as cluster:
            topology = cluster.submit("test", chain(source, bolt))
            with pytest.raises(TopologyFailedError, match="could not start: StopIteration"):
                topology.wait_until_drained(timeout=10)


@pytest.mark.parametrize("method", ["activate", "close", "deactivate"])
def test_stop_iteration_beside_the_tuples_is_reported(journal, chain, threaded, method):
    source = journal.source(range(5), threaded=threaded, **{method: stops})
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(source, journal.bolt()))
        if method == "deactivate":
            assert topology.wait(10)
            topology.deactivate()
        topology.wait_until_drained(timeout=10)
        one = stats_of(topology, "source")
    assert Counter(journal.acked) == Counter(range(5))
    if method != "deactivate":
        assert one.errors == 1
        assert one.last_error.startswith(f"{method}: StopIteration")


def test_stop_iteration_out_of_process_many_fails_the_batch(journal, chain, threaded):
    bolt = journal.bolt(process_many=stops, threaded=threaded)
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source(range(5)), bolt))
        topology.wait_until_drained(timeout=10)
        assert stats_of(topology, "b1").last_error.startswith("process_many: StopIteration")
    assert Counter(journal.failed) == Counter(range(5))


def test_what_was_emitted_before_stop_iteration_counts(journal, chain):
    class Last(journal.source([])):
        def next_tuple(self):
            self.emit([1], tup_id=1)
            self.emit([2], tup_id=2)
            raise StopIteration

        def ack(self, tup_id):
            super().ack(tup_id)
            if tup_id == 1:
                self.emit([3], tup_id=3)

    with LocalCluster() as cluster:
        cluster.submit("test", chain(Last, journal.bolt())).wait_until_drained(timeout=10)
    assert Counter(journal.acked) == Counter([1, 2, 3])


def test_one_task_ends_and_the_others_go_on(journal):
    class Uneven(journal.source([])):
        def initialize(self, conf, context):
            self.items = iter(range(10 * (context.task_index + 1)))

    builder = TopologyBuilder()
    builder.set_spout("source", Uneven, 3)
    builder.set_bolt("end", journal.bolt()).shuffle_grouping("source")
    with LocalCluster() as cluster:
        cluster.submit("test", builder).wait_until_drained(timeout=10)
    assert len(journal.acked) == 10 + 20 + 30


@pytest.mark.parametrize("kind", ["spout", "bolt"])
@pytest.mark.parametrize("where", ["__init__", "initialize"])
def test_component_that_cannot_start_is_named(journal, chain, par, threaded, kind, where):
    def broken(self, *args):
        raise OSError("no database")

    body = {where: broken, "threaded": threaded}
    spout = journal.source(range(3), **(body if kind == "spout" else {}))
    bolt = journal.bolt(**(body if kind == "bolt" else {}))
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(spout, bolt, par=par))
        name = "source" if kind == "spout" else "b1"
        with pytest.raises(TopologyFailedError, match=f"{kind} '{name}'.*no database") as caught:
            topology.wait_until_drained(timeout=10)
        assert isinstance(caught.value.__cause__, OSError)
        assert topology.failure is caught.value
        assert not topology.is_drained


def test_what_cannot_be_made_is_not_said_to_be_initialised(journal, chain):
    class Unmade(Bolt):
        def __init__(self):
            raise OSError("no disk")

        def process(self, tup): ...

    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source([1]), Unmade))
        with pytest.raises(TopologyFailedError, match="no disk") as caught:
            topology.wait_until_drained(timeout=10)
        assert "initialize" not in str(caught.value)
        assert stats_of(topology, "b1").last_error == "create: OSError: no disk"


def test_error_in_close_does_not_keep_the_others_from_closing(journal, chain, threaded):
    closed = []

    def close(self):
        closed.append(type(self).__name__)
        raise ValueError("close")

    spout = journal.source(range(3), close=close, threaded=threaded)
    bolt = journal.bolt(close=close, threaded=threaded)
    with LocalCluster() as cluster:
        cluster.submit("test", chain(spout, bolt, bolt, par=3)).wait_until_drained(timeout=10)
    assert Counter(closed) == {"Source": 1, "Probe": 6}


# Blocking -----------------------------------------------------------------------------------------


def test_threaded_bolt_that_blocks_does_not_hold_up_others(journal, gate, wait_until):
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(1000)))
    blocked = threading.Event()

    def block(self, tup):
        blocked.set()
        gate.wait(30)

    builder.set_bolt("stuck", journal.bolt(block, threaded=True)).shuffle_grouping("source")
    builder.set_bolt("free", journal.bolt()).shuffle_grouping("source")
    with LocalCluster() as cluster:
        cluster.submit("test", builder)
        wait_until(blocked.is_set)
        wait_until(lambda: len(journal.seen) == 1000)
        began = time.monotonic()
    assert time.monotonic() - began < 2.8
    gate.set()


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        *(("bolt", method) for method in ("process", "process_many", "process_tick", "initialize")),
        *(("spout", method) for method in ("next_tuple", "ack", "initialize")),
    ],
)
def test_component_on_the_loop_that_blocks_is_named_within_a_second(
    journal, chain, gate, wait_until, kind, method
):
    blocked = threading.Event()
    source = journal.source([1])
    goes_on = getattr(source if kind == "spout" else Bolt, method, None)

    def block(self, *args):
        if not blocked.is_set():
            blocked.set()
            gate.wait(10)
        if goes_on is not None:
            goes_on(self, *args)

    if kind == "spout":
        setattr(source, method, block)
        bolt = journal.bolt()
    else:
        ticks = {"tick_freq_secs": 0.01} if method == "process_tick" else {}
        bolt = journal.bolt(**ticks, **{method: block})
    who = "spout 'source'" if kind == "spout" else "bolt 'b1'"
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(source, bolt))
        wait_until(blocked.is_set)
        wait_until(lambda: any(who in notice for notice in topology.notices), timeout=1.0)
        assert any("threaded = True" in notice for notice in topology.notices)
        gate.set()
        topology.wait_until_drained(timeout=10)
    assert journal.acked == [1]


def test_threaded_bolt_that_blocks_is_not_blamed(journal, chain, gate, wait_until):
    blocked = threading.Event()

    def block(self, tup):
        blocked.set()
        gate.wait(1.2)  # the watchdog names what lasts half a second

    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(journal.source([1]), journal.bolt(block, threaded=True))
        )
        topology.wait_until_drained(timeout=10)
        assert blocked.is_set()
        assert topology.notices == []


# Floods -------------------------------------------------------------------------------------------


def test_one_process_emits_a_million(journal, chain, threaded):
    million = 1_000_000
    count = [0]

    def burst(self, tup):
        for n in range(million):
            self.emit([n])

    def add(self, tups):
        count[0] += len(tups)

    bolts = journal.bolt(burst, threaded=threaded), journal.bolt(process_many=add)
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source([1]), *bolts))
        topology.wait_until_drained(timeout=50)
        assert stats_of(topology, "b1").emitted == million
    assert count == [million]
    assert journal.acked == [1]


def test_more_than_the_hard_limit_in_one_process_is_an_error(journal, chain):
    def burst(self, tup):
        for n in range(100_000):
            self.emit([n])

    bolts = journal.catching(burst), journal.bolt()
    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test",
            chain(journal.source([1]), *bolts),
            {
                "topology.executor.outbox.hard.limit.bytes": 1 << 20,
                "topology.executor.receive.buffer.size": 16,
            },
        )
        topology.wait_until_drained(timeout=20)
    assert [type(error) for error in journal.errors] == [BackPressureError]
    assert journal.failed == [1]


@pytest.mark.parametrize("tracked", [True, False])
def test_flood_is_held_back_by_a_slow_bolt(journal, chain, par, threaded, tracked, wait_until):
    high = 64
    permits = threading.Semaphore(0)

    class Flood(Spout):
        outputs = ("n",)
        n = 0

        def next_tuple(self):
            self.n += 1
            self.emit([self.n], tup_id=self.n if tracked else None)

    def slow(self, tup):
        permits.acquire(timeout=20)
        journal.seen.append(tup[0])

    with LocalCluster() as cluster:
        bolt = journal.bolt(slow, threaded=True)
        middle = journal.bolt(lambda self, tup: self.emit(list(tup.values)), threaded=threaded)
        topology = cluster.submit(
            "test",
            chain(Flood, middle, bolt, par=par),
            {"topology.executor.receive.buffer.size": high},
        )
        highest = 0
        for step in range(1, 51):
            permits.release(20)
            wait_until(lambda n=step * 20: len(journal.seen) >= n)
            rows = {one.id: one for one in topology.stats().components}
            highest = max(highest, rows["b1"].queued, rows["b2"].queued)
            if not tracked:
                assert rows["source"].pending == 0
            assert rows["source"].emitted <= len(journal.seen) + par * (8 * high) + 200
        assert highest <= par * (2 * high + 8)
        assert highest > 0
        topology.deactivate()
        permits.release(100_000)
        wait_until(
            lambda: stats_of(topology, "b2").executed == stats_of(topology, "source").emitted
        )


# Life ---------------------------------------------------------------------------------------------


def test_emit_before_and_after_running_is_refused(journal, chain):
    tasks = []

    class Early(journal.source([1])):
        def __init__(self):
            try:
                self.emit([1])
            except NotRunningError as error:
                journal.errors.append(error)

        def initialize(self, conf, context):
            super().initialize(conf, context)
            tasks.append(self)

    keep = journal.bolt(lambda self, tup: tasks.append(self))
    with LocalCluster() as cluster:
        cluster.submit("test", chain(Early, keep)).wait_until_drained(timeout=10)
    assert len(journal.errors) == 1
    for task in tasks:
        with pytest.raises(NotRunningError):
            task.emit([1])
        with pytest.raises(NotRunningError):
            task.emit_many([[1]])
    with pytest.raises(NotRunningError):
        keep().emit([1])


def test_deactivate_and_activate(journal, chain, wait_until, threaded):
    calls = []

    class Endless(Spout):
        outputs = ("n",)
        n = 0

        def next_tuple(self):
            self.n += 1
            self.emit([self.n], tup_id=self.n)

        def activate(self):
            calls.append("activate")

        def deactivate(self):
            calls.append("deactivate")

        def ack(self, tup_id):
            journal.acked.append(tup_id)

    Endless.threaded = threaded
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(Endless, journal.bolt(threaded=threaded)))
        wait_until(lambda: len(journal.acked) > 100)
        topology.deactivate()
        assert topology.status == "INACTIVE"
        wait_until(lambda: calls[-1:] == ["deactivate"])
        wait_until(lambda: len(journal.acked) == stats_of(topology, "source").emitted)
        emitted = stats_of(topology, "source").emitted
        topology.activate()
        assert topology.status == "ACTIVE"
        wait_until(lambda: len(journal.acked) > emitted + 100)
        assert calls == ["activate", "deactivate", "activate"]
        assert topology.drain(timeout=10)
        assert topology.is_drained
    assert journal.acked == list(range(1, len(journal.acked) + 1))
    assert len(journal.seen) == len(journal.acked)


def test_submitted_inactive_asks_for_nothing(journal, chain, wait_until):
    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(journal.source(range(10)), journal.bolt()), active=False
        )
        assert not topology.wait(0.05)
        assert journal.seen == []
        topology.activate()
        topology.wait_until_drained(timeout=10)
    assert journal.seen == list(range(10))


def test_drain_that_cannot_end_says_so(journal, chain, wait_until):
    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(journal.source(range(10)), journal.bolt(auto_ack=False))
        )
        wait_until(lambda: len(journal.seen) == 10)
        assert not topology.drain(timeout=0.1)
        assert not topology.is_drained
    assert journal.closed == ["Probe"]


def test_kill_ends_it(journal, chain, wait_until):
    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(journal.source(range(10)), journal.bolt(auto_ack=False))
        )
        wait_until(lambda: len(journal.seen) == 10)
        topology.kill(0.1)
        assert topology.status == "KILLED"
        assert journal.closed == ["Probe"]
        again = cluster.submit("test", chain(journal.source(range(10)), journal.bolt()))
        again.wait_until_drained(timeout=10)
    assert len(journal.seen) == 20


def test_name_is_free_once_a_topology_failed_or_was_closed(journal, chain):
    def broken(self, conf, context):
        raise OSError("no database")

    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(journal.source([1], initialize=broken), journal.bolt())
        )
        with pytest.raises(TopologyFailedError):
            topology.wait_until_drained(timeout=10)
        running = cluster.submit("test", chain(journal.source([1]), journal.bolt(auto_ack=False)))
        with pytest.raises(AlreadyAliveError):
            cluster.submit("test", chain(journal.source([1]), journal.bolt()))
        running.close()
        cluster.submit("test", chain(journal.source([2]), journal.bolt())).wait_until_drained(
            timeout=10
        )
    assert journal.acked == [2]


def test_time_over_while_waiting_names_what_is_pending(journal, chain):
    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(journal.source(["lost one"]), journal.bolt(auto_ack=False))
        )
        assert not topology.wait(0.2)
        with pytest.raises(TimeoutError, match="lost one"):
            topology.wait_until_drained(timeout=0.2)


def _and_then(initialize, after):
    def both(self, conf, context):
        initialize(self, conf, context)
        after()

    return both


def test_leaving_closes_every_task(journal, chain, par, threaded):
    closed = []
    spout = journal.source(range(10), close=lambda self: closed.append("spout"), threaded=threaded)
    bolt = journal.bolt(close=lambda self: closed.append("bolt"), threaded=threaded)
    opened = threading.Semaphore(0)
    for one in (spout, bolt):
        one.initialize = _and_then(one.initialize, opened.release)
    with LocalCluster() as cluster:
        cluster.submit("test", chain(spout, bolt, bolt, par=par))
        for _ in range(1 + 2 * par):
            assert opened.acquire(timeout=10)
    assert Counter(closed) == {"spout": 1, "bolt": 2 * par}
    closed.clear()
    with LocalCluster() as cluster:
        cluster.submit("test", chain(spout, bolt, bolt, par=par)).wait_until_drained(timeout=10)
        assert Counter(closed) == {"spout": 1, "bolt": 2 * par}
    assert Counter(closed) == {"spout": 1, "bolt": 2 * par}


def test_ticks_go_by_the_clock(journal, chain, par, threaded):
    clock = FakeClock()
    ticks = []
    bolt = journal.bolt(
        process_tick=lambda self, tup: ticks.append((id(self), tup.stream)),
        tick_freq_secs=2.0,
        threaded=threaded,
    )
    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit("test", chain(journal.source(range(10)), bolt, par=par))
        while len(journal.seen) < 10:
            clock.advance(0.25)
        ticks.clear()
        clock.advance(20)
        assert set(Counter(ticks).values()) == {10}
        assert len(Counter(ticks)) == par
        assert {stream for _, stream in ticks} == {"__tick"}
        ticks.clear()
        topology.wait_until_drained(timeout=10)
        assert set(Counter(ticks).values()) == {1}  # the last one, at the end
    assert Counter(journal.acked) == Counter(range(10))


def test_no_more_than_one_tick_waits_for_a_task(journal, chain, gate, wait_until):
    clock = FakeClock()
    ticks = []
    blocked = threading.Event()

    def block(self, tup):
        blocked.set()
        gate.wait(20)

    bolt = journal.bolt(
        block, process_tick=lambda self, tup: ticks.append(1), tick_freq_secs=1.0, threaded=True
    )
    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit(
            "test", chain(journal.source([1]), bolt), {"topology.enable.message.timeouts": False}
        )
        wait_until(blocked.is_set)
        with pytest.raises(TimeoutError):
            clock.advance(0.25, timeout=0.05)
        for _ in range(20):
            with pytest.raises(TimeoutError):
                clock.advance(1, timeout=0.02)
        assert ticks == []
        gate.set()
        wait_until(lambda: ticks)
        clock.advance(0.25)
        assert len(ticks) <= 2
        topology.wait_until_drained(timeout=10)


@pytest.mark.parametrize("body", ["async", "yield"])
def test_process_that_would_do_nothing_is_refused(journal, chain, body):
    async def coroutines(self, tup):
        yield [1]

    def generator(self, tup):
        yield [1]

    bolt = journal.bolt(coroutines if body == "async" else generator)
    with LocalCluster() as cluster, pytest.raises(InvalidTopologyError, match=body):
        cluster.submit("test", chain(journal.source([1]), bolt))


@pytest.fixture
def no_logging():
    """What is logged, pytest keeps: with tracebacks, and so with all that their frames hold."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _broken(self, conf, context):
    raise OSError("no database")


async def _nothing_to_await(self, tup): ...


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("no_logging")
def test_a_thousand_starts_and_stops_leave_nothing(journal, chain):
    """Runs that end, that are left, that fail at their start or later, on every kind of line."""
    process = psutil.Process()
    source = journal.source(range(20))
    fails = journal.bolt(lambda self, tup: 1 / 0, on_error="exit")
    builders = (
        chain(source, journal.bolt(), journal.bolt(threaded=True)),
        chain(source, journal.bolt(_nothing_to_await), journal.bolt()),
        chain(source, journal.bolt(initialize=_broken)),
        chain(source, fails),
    )
    threads, files, memory = set(), set(), []
    for cycle in range(1000):
        with LocalCluster() as cluster:
            topology = cluster.submit("test", builders[cycle % 4])
            if cycle % 4 == 3:
                while not topology.stats().components[1].errors:
                    time.sleep(0.0005)
            elif cycle % 3:
                topology.wait(10)
        if cycle % 100 == 99:
            journal.seen.clear()
            journal.acked.clear()
            journal.closed.clear()
            gc.collect()
            threads.add(process.num_threads())
            files.add(process.num_fds())
            memory.append(process.memory_info().rss)
    assert len(threads) == len(files) == 1
    # The first hundreds fill what Python and the allocator keep for good.
    assert (memory[-1] - memory[2]) / 700 < 5000
