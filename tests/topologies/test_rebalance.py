"""Executors are dealt out anew in one process: the tasks stay, the instances are new."""

import itertools

import pytest

from typhoon import Bolt, LocalCluster, Spout, TopologyBuilder
from typhoon.errors import InvalidTopologyError


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
        with pytest.raises(InvalidTopologyError, match="at least one executor"):
            running.rebalance(executors={"sink": 0})
        running.wait_until_drained(timeout=30)
    assert len(notes["opened"]) == 3
