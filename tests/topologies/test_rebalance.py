"""Executors are dealt out anew in one process: the tasks stay, the instances are new."""

import itertools
import threading

import pytest

from typhoon import Bolt, LocalCluster, Spout, TopologyBuilder
from typhoon.errors import InvalidTopologyError, NotRunningError, TopologyFailedError
from typhoon.worker import _worker


@pytest.fixture
def notes():
    return {"acked": set(), "opened": [], "closed": [], "next": itertools.count()}


def topology(notes, wanted=2000):
    class Numbers(Spout):
        outputs = ["number"]

        def next_tuple(self):
            number = next(notes["next"])
            if number >= wanted:
                raise StopIteration
            self.emit([number], tup_id=number)

        def ack(self, tup_id):
            notes["acked"].add(tup_id)

    class Sink(Bolt):
        def initialize(self, conf, context):
            self.task = context.task_id
            notes["opened"].append(self.task)

        def process(self, tup):
            pass

        def close(self):
            notes["closed"].append(self.task)

    builder = TopologyBuilder("here")
    builder.set_spout("numbers", Numbers)
    builder.set_bolt("sink", Sink).set_num_tasks(3).shuffle_grouping("numbers")
    return builder


def test_other_numbers_of_executors(notes, wait_until):
    with LocalCluster() as cluster:
        running = cluster.submit("here", topology(notes, 200_000))
        wait_until(lambda: len(notes["acked"]) > 100, what="the first acks")
        assert running.rebalance(10, workers=7, executors={"sink": 3}) == []
        rows = {one.id: (one.executors, one.tasks) for one in running.stats().components}
        assert rows["sink"] == (3, 3)
        assert running.status == "ACTIVE"
        running.wait_until_drained(timeout=30)
        assert notes["acked"] == set(range(200_000))
        stats = running.stats()
        assert (stats.failed, stats.timed_out, stats.acked) == (0, 0, 200_000)
    assert sorted(notes["opened"]) == sorted(notes["closed"])
    assert len(notes["opened"]) == 6


def test_what_is_left_at_the_end_of_the_wait_fails(wait_until):
    failed, held = [], []

    class One(Spout):
        outputs = ["number"]

        def initialize(self, conf, context):
            self.numbers = iter([7])

        def next_tuple(self):
            self.emit([next(self.numbers)], tup_id=7)

        def fail(self, tup_id):
            failed.append(tup_id)

    class Holds(Bolt):
        auto_ack = False

        def process(self, tup):
            held.append(tup)

    builder = TopologyBuilder("held")
    builder.set_spout("one", One)
    builder.set_bolt("holds", Holds).shuffle_grouping("one")
    with LocalCluster() as cluster:
        running = cluster.submit("held", builder)
        wait_until(lambda: held, what="the tuple that is held")
        running.rebalance(0.05)
        assert failed == [7]
        assert running.stats().failed_by_worker_death == 1


def test_mistakes_are_named_and_nothing_moves(notes):
    with LocalCluster() as cluster:
        running = cluster.submit("here", topology(notes))
        with pytest.raises(InvalidTopologyError, match="there is no component 'sinks'"):
            running.rebalance(executors={"sinks": 2})
        with pytest.raises(InvalidTopologyError, match="has at least one"):
            running.rebalance(executors={"sink": 0})
        running.wait_until_drained(timeout=30)
    assert len(notes["opened"]) == 3


@pytest.mark.parametrize(
    "asked",
    [
        {"workers": 2.5},
        {"workers": True},
        {"workers": 10**30},
        {"wait_secs": "5s"},
        {"wait_secs": -1},
        {"wait_secs": float("nan")},
        {"wait_secs": True},
        {"executors": {"sink": "x"}},
        {"executors": {"sink": 1.5}},
        {"executors": {"sink": True}},
        {"executors": {"nobody": 1}},
        {"executors": 3},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_with_a_hint(notes, asked):
    with LocalCluster() as cluster:
        running = cluster.submit("here", topology(notes))
        with pytest.raises(InvalidTopologyError, match="hint: "):
            running.rebalance(**asked)
        assert running.status == "ACTIVE"
        running.wait_until_drained(timeout=30)
    assert len(notes["opened"]) == 3


def test_a_kill_that_makes_no_sense_kills_nothing(notes):
    with LocalCluster() as cluster:
        running = cluster.submit("here", topology(notes))
        with pytest.raises(InvalidTopologyError, match="wait_secs = '5s'"):
            running.kill("5s")
        assert running.status == "ACTIVE"
        running.wait_until_drained(timeout=30)


def test_what_is_over_has_nothing_to_deal_out(notes):
    with LocalCluster() as cluster:
        running = cluster.submit("here", topology(notes, 10))
        running.wait_until_drained(timeout=30)
        with pytest.raises(NotRunningError, match="is DRAINED"):
            running.rebalance(1)


def test_whatever_is_raised_meanwhile_the_status_is_as_before(notes, monkeypatch):
    with LocalCluster() as cluster:
        running = cluster.submit("here", topology(notes))

        def breaks(*_):
            raise RuntimeError("no more memory")

        monkeypatch.setattr(running._worker, "rebalance", breaks)
        with pytest.raises(RuntimeError):
            running.rebalance(10)
        assert running.status == "ACTIVE"
        running.deactivate()
        with pytest.raises(RuntimeError):
            running.rebalance(10)
        assert running.status == "INACTIVE"
        running.activate()
        running.wait_until_drained(timeout=30)


def test_a_component_that_does_not_come_back_is_no_success(notes, monkeypatch, wait_until):
    """The new executors are made as soon as it does."""
    inside, go_on = threading.Event(), threading.Event()

    class Slow(Bolt):
        def initialize(self, conf, context):
            notes["opened"].append(context.task_id)

        def process(self, tup):
            inside.set()
            go_on.wait(20)

    builder = topology(notes, 10)
    builder.set_bolt("slow", Slow).shuffle_grouping("numbers")
    monkeypatch.setattr(_worker, "REBALANCE_S", 0.2)
    monkeypatch.setattr("typhoon.local._topology.GIVE_UP_S", 0.1)
    with LocalCluster() as cluster:
        running = cluster.submit("here", builder)
        assert inside.wait(10)
        with pytest.raises(TopologyFailedError, match="has not come back from a call"):
            running.rebalance(0.1, executors={"sink": 3})
        assert running.status == "ACTIVE"
        assert len(notes["opened"]) == 4
        go_on.set()
        wait_until(lambda: len(notes["opened"]) == 8, what="the new instances")
        assert {one.id: one.executors for one in running.stats().components}["sink"] == 3
