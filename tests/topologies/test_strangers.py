"""Who settles, or anchors to, a tuple that was given to somebody else is told so."""

import pytest

from typhoon import Bolt, LocalCluster, TopologyBuilder
from typhoon.errors import AlreadySettledError, NotRunningError


class Holding:
    """A bolt that keeps what it gets, and its tasks by number."""

    def __init__(self):
        self.tasks, self.held = {}, []
        given = self

        class Hold(Bolt):
            outputs = ("n",)
            auto_ack = False

            def initialize(self, conf, context):
                given.tasks[context.task_id] = self

            def process(self, tup):
                given.held.append((self, tup))

        self.bolt = Hold


CALLS = {
    "ack": lambda bolt, tup: bolt.ack(tup),
    "fail": lambda bolt, tup: bolt.fail(tup),
    "reset_timeout": lambda bolt, tup: bolt.reset_timeout(tup),
    "emit": lambda bolt, tup: bolt.emit([1], anchors=[tup]),
    "emit_many": lambda bolt, tup: bolt.emit_many([[1]], anchors=[tup]),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("by_id", [False, True], ids=["by-tuple", "by-id"])
@pytest.mark.parametrize("who", ["sibling", "other bolt", "other topology"])
def test_stranger_is_refused_and_the_tree_is_whole(journal, wait_until, call, by_id, who):
    holding, other = Holding(), Holding()
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source([1]))
    builder.set_bolt("hold", holding.bolt).shuffle_grouping("source").set_num_tasks(2)
    builder.set_bolt("other", other.bolt).shuffle_grouping("hold")
    with LocalCluster() as cluster:
        topology = cluster.submit("first", builder)
        strange = Holding()
        second = TopologyBuilder()
        second.set_spout("source", journal.source([]))
        second.set_bolt("hold", strange.bolt).shuffle_grouping("source").set_num_tasks(2)
        cluster.submit("second", second)
        wait_until(lambda: holding.held and len(strange.tasks) == 2 and other.tasks)
        (owner, tup), *_ = holding.held
        stranger = {
            "sibling": lambda: next(one for one in holding.tasks.values() if one is not owner),
            "other bolt": lambda: next(iter(other.tasks.values())),
            # Of the same executor's number; an id tells tasks apart by their numbers only.
            "other topology": lambda: next(
                one for number, one in strange.tasks.items() if number != tup_task(tup, holding)
            ),
        }[who]()
        with pytest.raises(ValueError, match="was not given") as caught:
            CALLS[call](stranger, tup.id if by_id else tup)
        assert "hint: " in str(caught.value)
        wait_until(lambda: topology.stats().components[0].pending == 1)
        assert (journal.acked, journal.failed) == ([], [])
        owner.ack(tup)
        wait_until(lambda: journal.acked == [1])
        owner.ack(tup.id)  # a second time, by an id that was its own: counted and no more
        with pytest.raises(AlreadySettledError):
            owner.emit([1], anchors=[tup.id])
        topology.wait_until_drained(timeout=10)
    assert (journal.acked, journal.failed) == ([1], [])


def tup_task(tup, holding):
    """The number of the task that holds `tup`."""
    return next(number for number, one in holding.tasks.items() if one is holding.held[0][0])


@pytest.mark.parametrize("name", ["nope", "", "3", "-1", "x-1"])
def test_what_is_no_id_is_named(journal, chain, wait_until, name):
    holding = Holding()
    with LocalCluster() as cluster:
        cluster.submit("test", chain(journal.source([1]), holding.bolt))
        wait_until(lambda: holding.held)
        owner, _ = holding.held[0]
        for call in CALLS.values():
            with pytest.raises(ValueError, match=f"'b1' .task 2. was not given '{name}'"):
                call(owner, name)


def test_tuple_of_a_topology_that_is_over_may_be_settled_in_vain(journal, chain, wait_until):
    first, second = Holding(), Holding()
    with LocalCluster() as cluster:
        cluster.submit("first", chain(journal.source([1]), first.bolt))
        wait_until(lambda: first.held)
    with LocalCluster() as cluster:
        topology = cluster.submit("second", chain(journal.source([1]), second.bolt))
        wait_until(lambda: second.held)
        (old, tup), (new, _) = first.held[0], second.held[0]
        assert [getattr(new, call)(tup) for call in ("ack", "fail", "reset_timeout")] == [None] * 3
        assert [getattr(old, call)(tup) for call in ("ack", "fail", "reset_timeout")] == [None] * 3
        with pytest.raises(NotRunningError):
            old.emit([1], anchors=[tup])
        wait_until(lambda: topology.stats().components[0].pending == 1)
        new.ack(second.held[0][1])
        topology.wait_until_drained(timeout=10)
    assert journal.acked == [1]
