"""Bolts that process their tuples in batches: when, anchored to what, and what a failure means."""

from collections import Counter

import pytest

from typhoon import BatchingBolt, Bolt, LocalCluster, Spout, TicklessBatchingBolt, TopologyBuilder
from typhoon.errors import InvalidTopologyError
from typhoon.testing import FakeClock


@pytest.fixture
def batcher(journal):
    """A function that makes a bolt which notes its batches as (key, values)."""

    def make(base=BatchingBolt, process_batch=None, **body):
        def note(self, key, tups):
            journal.seen.append((key, [tup[0] for tup in tups]))

        given = {"outputs": ["n"], "process_batch": process_batch or note, **body}
        return type("Batcher", (base,), given)

    return make


class Open(Spout):
    """Emits 0, 1, 2 and then waits: the topology does not drain."""

    outputs = ("n",)

    def initialize(self, conf, context):
        self.left = [2, 1, 0]

    def next_tuple(self):
        if self.left:
            n = self.left.pop()
            self.emit([n], tup_id=n)


@pytest.fixture
def running():
    """A function that submits a topology under a clock that stands still."""
    clock = FakeClock()
    with LocalCluster(clock=clock) as cluster:
        yield lambda topology: (clock, cluster.submit("test", topology))


def run(topology, config=None):
    with LocalCluster() as cluster:
        submitted = cluster.submit("test", topology, config)
        submitted.wait_until_drained(timeout=15)
        return submitted.stats()


def executed(topology):
    return topology.stats().executed["b1"]


def test_it_is_pystorms_defaults():
    assert BatchingBolt.ticks_between_batches == 1
    assert TicklessBatchingBolt.secs_between_batches == 2
    for cls in (BatchingBolt, TicklessBatchingBolt):
        assert cls.auto_anchor
        assert cls.auto_ack
        assert cls.auto_fail
        assert issubclass(cls, Bolt)


def test_a_batch_is_processed_at_every_tick(chain, batcher, journal, running, wait_until):
    clock, topology = running(chain(Open, batcher(tick_freq_secs=5)))
    wait_until(lambda: executed(topology) >= 3)
    clock.advance(4)
    assert journal.seen == []
    clock.advance(2)
    assert journal.seen == [(None, [0, 1, 2])]
    clock.advance(10)
    assert len(journal.seen) == 1


def test_ticks_between_batches_are_counted(chain, batcher, journal, running, wait_until):
    bolt = batcher(tick_freq_secs=1, ticks_between_batches=3)
    clock, topology = running(chain(Open, bolt))
    wait_until(lambda: executed(topology) >= 3)
    clock.advance(2.5)
    assert journal.seen == []
    clock.advance(1)
    assert journal.seen == [(None, [0, 1, 2])]


def test_a_tickless_one_goes_by_its_seconds_whatever_is_configured(
    chain, batcher, journal, running, wait_until
):
    bolt = batcher(TicklessBatchingBolt, secs_between_batches=2.5, tick_freq_secs=100)
    clock, topology = running(chain(Open, bolt))
    wait_until(lambda: executed(topology) >= 3)
    clock.advance(2)
    assert journal.seen == []
    clock.advance(1)
    assert journal.seen == [(None, [0, 1, 2])]


def test_without_a_tick_frequency_it_gets_a_second_and_says_so(
    chain, batcher, journal, running, wait_until, caplog
):
    clock, topology = running(chain(Open, batcher()))
    wait_until(lambda: executed(topology) >= 3)
    clock.advance(1.25)
    assert journal.seen == [(None, [0, 1, 2])]
    assert "bolt 'b1' has no tick frequency" in caplog.text


def test_one_with_a_tick_frequency_says_nothing(chain, batcher, running, caplog):
    running(chain(Open, batcher(tick_freq_secs=5)))
    assert "tick frequency" not in caplog.text


def test_batches_have_keys_and_their_tuples_in_order(chain, batcher, journal):
    bolt = batcher(group_key=lambda self, tup: tup[0] % 2)
    stats = run(chain(journal.source(range(10)), bolt))
    assert sorted(journal.seen) == [(0, [0, 2, 4, 6, 8]), (1, [1, 3, 5, 7, 9])]
    assert stats.acked == 10


def test_draining_does_not_wait_for_the_ticks(chain, batcher, journal):
    """A batch that would be due in a week; time-outs are off, so that nothing else ends it."""
    bolt = batcher(tick_freq_secs=3600, ticks_between_batches=168)
    stats = run(chain(journal.source(range(3)), bolt), {"topology.enable.message.timeouts": False})
    assert journal.seen == [(None, [0, 1, 2])]
    assert stats.acked == 3


def test_what_is_not_tracked_gets_its_last_batch_too(chain, batcher, journal):
    bolt = batcher(tick_freq_secs=3600, ticks_between_batches=168)
    run(chain(journal.source(range(3)), bolt, journal.bolt()), {"topology.acker.executors": 0})
    assert journal.seen == [(None, [0, 1, 2])]


def test_batches_behind_batches_are_drained_in_order(chain, batcher, journal):
    def pass_on(self, key, tups):
        self.emit([sum(tup[0] for tup in tups)])

    slow = {"tick_freq_secs": 3600}
    stats = run(
        chain(
            journal.source(range(5)),
            batcher(process_batch=pass_on, **slow),
            batcher(process_batch=pass_on, **slow),
            journal.bolt(),
        )
    )
    assert journal.seen == [10]
    assert stats.acked == 5


def test_a_deactivated_topology_gets_its_batch(chain, batcher, journal, running, wait_until):
    _, topology = running(chain(Open, batcher(tick_freq_secs=3600)))
    wait_until(lambda: executed(topology) >= 3)
    topology.deactivate()
    wait_until(lambda: journal.seen == [(None, [0, 1, 2])])
    assert topology.drain(timeout=10)


def test_emits_of_a_batch_are_anchored_to_its_tuples(chain, batcher, journal):
    """The last bolt fails what comes of the odd ones: they fail, and no others."""

    def pass_on(self, key, tups):
        self.emit([key])
        self.emit_many([[key]])

    def refuse(self, tup):
        if tup[0] == 1:
            self.fail(tup)

    run(
        chain(
            journal.source(range(6)),
            batcher(group_key=lambda self, tup: tup[0] % 2, process_batch=pass_on),
            journal.bolt(refuse),
        )
    )
    assert sorted(journal.acked) == [0, 2, 4]
    assert sorted(journal.failed) == [1, 3, 5]


def test_without_auto_anchor_the_trees_end_with_the_batch(chain, batcher, journal):
    def pass_on(self, key, tups):
        self.emit([1])

    bolt = batcher(process_batch=pass_on, auto_anchor=False)
    run(chain(journal.source(range(3)), bolt, journal.bolt(lambda self, tup: self.fail(tup))))
    assert sorted(journal.acked) == [0, 1, 2]


def test_anchors_of_an_emit_go_before_those_of_the_batch(chain, batcher, journal):
    def pass_on(self, key, tups):
        self.emit([1], anchors=[tups[0]])

    bolt = batcher(process_batch=pass_on)
    run(chain(journal.source(range(3)), bolt, journal.bolt(lambda self, tup: self.fail(tup))))
    assert journal.failed == [0]


def refuse_odd_keys(self, key, tups):
    if key == 1:
        raise ValueError("odd")


def test_what_raises_fails_its_batch_and_the_others_go_on(chain, batcher, journal):
    bolt = batcher(group_key=lambda self, tup: tup[0] % 3, process_batch=refuse_odd_keys)
    stats = run(chain(journal.source(range(9)), bolt))
    assert sorted(journal.failed) == [1, 4, 7]
    assert sorted(journal.acked) == [0, 2, 3, 5, 6, 8]
    assert next(one for one in stats.components if one.id == "b1").errors == 1


def test_on_error_drop_acks_the_batch(chain, batcher, journal):
    bolt = batcher(
        group_key=lambda self, tup: tup[0] % 2, process_batch=refuse_odd_keys, on_error="drop"
    )
    run(chain(journal.source(range(4)), bolt))
    assert sorted(journal.acked) == [0, 1, 2, 3]


def test_on_error_dead_letter_has_one_for_each_tuple_of_the_batch(batcher, journal):
    builder = TopologyBuilder("letters")
    builder.set_spout("source", journal.source(range(4)))
    bolt = batcher(
        group_key=lambda self, tup: tup[0] % 2,
        process_batch=refuse_odd_keys,
        on_error="dead-letter",
    )
    builder.set_bolt("b1", bolt).shuffle_grouping("source")
    letters = journal.bolt(lambda self, tup: journal.seen.append(tup["values"]))
    builder.set_bolt("letters", letters).shuffle_grouping("b1", "__dead_letter")
    run(builder)
    assert sorted(journal.seen) == [(1,), (3,)]
    assert sorted(journal.acked) == [0, 1, 2, 3]


def test_on_error_exit_begins_anew(chain, batcher, journal):
    lives = []

    def once(self, key, tups):
        if not lives:
            lives.append(1)
            raise ValueError("first life")
        journal.seen.append(len(tups))

    run(chain(journal.source(range(4)), batcher(process_batch=once, on_error="exit")))
    assert journal.seen == [4]
    assert sorted(journal.acked) == [0, 1, 2, 3]


def test_what_group_key_raises_fails_its_tuple_only(chain, batcher, journal):
    bolt = batcher(group_key=lambda self, tup: 1 // tup[0])
    run(chain(journal.source(range(3)), bolt))
    assert journal.failed == [0]
    assert sorted(journal.acked) == [1, 2]


def test_what_was_settled_by_hand_is_not_settled_again(chain, batcher, journal, caplog):
    def by_hand(self, key, tups):
        self.ack(tups[0])
        self.fail(tups[1].id)

    run(chain(journal.source(range(3)), batcher(process_batch=by_hand)))
    assert Counter(acked=sorted(journal.acked) == [0, 2], failed=journal.failed == [1]).total() == 2
    assert "a second time" not in caplog.text


def test_without_auto_ack_the_tuples_are_the_authors(chain, batcher, journal):
    def by_hand(self, key, tups):
        assert self.auto_ack is False
        for tup in tups:
            self.ack(tup)

    run(chain(journal.source(range(3)), batcher(process_batch=by_hand, auto_ack=False)))
    assert sorted(journal.acked) == [0, 1, 2]


def test_auto_ack_may_be_said_in_init_and_is_seen_as_said(chain, batcher, journal):
    class Said(batcher()):
        def __init__(self):
            self.auto_ack = False

        def process_batch(self, key, tups):
            journal.seen.append(self.auto_ack)
            for tup in tups:
                self.ack(tup)

    class Unsaid(batcher()):
        def initialize(self, conf, context):
            journal.seen.append(self.auto_ack)
            journal.seen.append("auto_ack" in vars(self))

    run(chain(journal.source(range(3)), Said))
    assert journal.seen == [False]
    run(chain(journal.source(range(3)), Unsaid()))
    assert journal.seen[1:3] == [True, False]
    assert len(journal.acked) == 6


def test_it_is_tested_without_a_cluster(batcher, journal):
    from typhoon import Tuple

    bolt = batcher(auto_ack=False, group_key=lambda self, tup: tup[0] % 2)()
    for n in range(3):
        bolt.process(Tuple(values=[n]))
    bolt.process_batches()
    assert sorted(journal.seen) == [(0, [0, 2]), (1, [1])]


@pytest.mark.parametrize(
    ("body", "mistake"),
    [
        ({}, "Plain has no method process_batch\nhint: define process_batch(self, key, tups)"),
        ({"process_batch": lambda self, tups: None}, "cannot be called the way it will be"),
        ({"process_batch": lambda self, key, tups: (yield)}, "contains yield"),
        (
            {"process_batch": lambda self, key, tups: None, "ticks_between_batches": 0},
            "ticks_between_batches must be a number above 0, not 0",
        ),
        *(
            (
                {"process_batch": lambda self, key, tups: None, "secs_between_batches": seconds},
                f"secs_between_batches must be a number from 0.001 to 864,000,000, not {seconds}",
            )
            for seconds in (0, 1e-9, float("inf"), float("nan"), 1e300)
        ),
    ],
)
def test_mistakes_are_found_before_it_starts(chain, journal, body, mistake):
    bolt = type("Plain", (BatchingBolt,), body)
    with LocalCluster() as cluster, pytest.raises(InvalidTopologyError) as caught:
        cluster.submit("test", chain(journal.source([1]), bolt))
    assert mistake in caught.value.mistakes[0]
