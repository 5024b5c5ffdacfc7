"""streamparse's components in a topology of this process: their habits, one by one."""

import pickle
from itertools import count

import pytest

from typhoon import LocalCluster
from typhoon.compat.pystorm.component import Tuple
from typhoon.compat.streamparse import (
    BatchingBolt,
    Bolt,
    ReliableSpout,
    Spout,
    TicklessBatchingBolt,
    Topology,
)
from typhoon.errors import NotRunningError
from typhoon.testing import FakeClock

seen: list = []


@pytest.fixture(autouse=True)
def fresh():
    seen.clear()


def make(bolt, spout=None, config=None):
    """A topology of a spout, Numbers unless told otherwise, and `bolt`."""
    source = (spout or Numbers).spec()
    body = {"source": source, "bolt": bolt.spec(inputs=[source]), "config": config or {}}
    return type(Topology)("Made", (Topology,), body)


def run(topology, config=None):
    with LocalCluster() as cluster:
        submitted = cluster.submit("test", topology, config)
        submitted.wait_until_drained(timeout=15)
        return submitted.stats()


class Numbers(Spout):
    outputs = ["n"]
    limit = 3

    def initialize(self, conf, context):
        self.numbers = count()

    def next_tuple(self):
        n = next(self.numbers)
        if n == self.limit:
            raise StopIteration
        self.emit([n], tup_id=n)

    def ack(self, tup_id):
        seen.append(("acked", tup_id))

    def fail(self, tup_id):
        seen.append(("failed", tup_id))


class Idle(Numbers):
    def next_tuple(self):
        if next(self.numbers) < self.limit:
            self.emit([0], tup_id=0)


class Noting(BatchingBolt):
    outputs = ["n"]
    config = {"topology.tick.tuple.freq.secs": 1}

    def process_batch(self, key, tups):
        seen.append(len(tups))


@pytest.fixture
def ticking(wait_until):
    """A function that runs a bolt behind Idle under a clock that stands still."""
    clock = FakeClock()
    with LocalCluster(clock=clock) as cluster:

        def start(bolt):
            topology = cluster.submit("test", make(bolt, Idle))
            wait_until(lambda: topology.stats().executed["bolt"] >= 3)
            return clock

        yield start


def test_a_batch_comes_after_more_than_that_many_ticks(ticking):
    clock = ticking(Noting)
    clock.advance(1.5)
    assert seen == []
    clock.advance(1)
    assert seen == [3, *[("acked", 0)] * 3]


def test_a_tickless_batch_comes_after_its_seconds(ticking):
    class Tickless(TicklessBatchingBolt):
        secs_between_batches = 3
        process_batch = Noting.process_batch

    clock = ticking(Tickless)
    clock.advance(2.75)
    assert seen == []
    clock.advance(0.5)
    assert seen[0] == 3


def test_a_bolt_without_a_tick_frequency_is_ticked_once_a_second(ticking, caplog):
    class Untold(Noting):
        config = None

    ticking(Untold).advance(2.5)
    assert seen[0] == 3
    assert "bolt 'bolt' has no tick frequency" in caplog.text


def test_the_last_batch_comes_when_it_drains():
    class Rare(Noting):
        ticks_between_batches = 1000

    assert run(make(Rare)).acked == 3
    assert seen[0] == 3


def test_a_failing_batch_fails_and_others_stay_where_exceptions_do_not_exit():
    class Failing(Noting):
        exit_on_exception = False

        def group_key(self, tup):
            return tup.values.n == 1

        def process_batch(self, key, tups):
            if key:
                raise ValueError("one")

    run(make(Failing))
    assert sorted(seen) == [("acked", 0), ("acked", 2), ("failed", 1)]


def test_an_exception_exits_unless_told_otherwise():
    lives = []

    class Once(Bolt):
        def process(self, tup):
            if not lives:
                lives.append(self)
                raise ValueError("first life")
            seen.append(self)

    run(make(Once))
    instances = {value for value in seen if isinstance(value, Bolt)}
    assert len(instances) == 1
    assert lives[0] not in instances


def test_flags_count_whenever_they_are_set():
    class Late(Bolt):
        def initialize(self, conf, ctx):
            self.auto_ack = False

        def process(self, tup):
            if tup.values.n != 1:
                self.ack(tup)
            else:
                self.fail(tup.id)

    run(make(Late))
    assert sorted(seen) == [("acked", 0), ("acked", 2), ("failed", 1)]


def test_settling_twice_and_anchoring_to_the_settled_pass(caplog):
    class Twice(Bolt):
        outputs = ["n"]

        def process(self, tup):
            self.ack(tup)
            self.emit([1])
            self.fail(tup)

    run(make(Twice))
    assert sorted(seen) == [("acked", 0), ("acked", 1), ("acked", 2)]
    assert not caplog.text


def test_a_kept_tuple_is_a_plain_one_to_everybody():
    class Keeping(Bolt):
        def process(self, tup):
            seen.append(tup)

    run(make(Keeping))
    tup = next(value for value in seen if isinstance(value, Tuple))
    assert tup == Tuple(*tup)
    assert tup.values == (0,)
    assert type(pickle.loads(pickle.dumps(tup._replace(values=(0,))))) is Tuple
    tup_id, _, _, _, (n,) = tup
    assert (tup_id, n) == (tup.id, 0)


def test_fields_that_are_no_identifiers_give_a_plain_tuple():
    class Odd(Numbers):
        outputs = ["user-id"]

    class Plain(Bolt):
        def process(self, tup):
            seen.append(type(tup.values))

    run(make(Plain, Odd))
    assert tuple in seen


def test_a_reliable_spout_insists_on_ids():
    class Forgetful(ReliableSpout):
        outputs = ["n"]

        def next_tuple(self):
            with pytest.raises(ValueError, match="replays by tup_id"):
                self.emit([1])
            seen.append("refused")
            raise StopIteration

    run(make(Noting, Forgetful))
    assert seen == ["refused"]


def test_emit_takes_lists_and_tuples_only():
    class Wrong(Bolt):
        outputs = ["n"]

        def process(self, tup):
            with pytest.raises(TypeError, match="takes a list or a tuple of values"):
                self.emit("n")

    assert run(make(Wrong)).acked == 3


def test_without_a_topology_it_says_so():
    with pytest.raises(NotRunningError, match=r"emit\(\) of a Noting that no topology runs"):
        Noting().emit([1])


def test_a_subclass_of_a_topology_has_only_its_own_components():
    base = make(Noting)
    again = Numbers.spec(name="again")
    derived = type(Topology)("Derived", (base,), {"again": again})
    assert [spec.name for spec in derived.specs] == ["again"]
    assert set(run(derived).emitted) == {"again"}


def test_each_executor_is_a_thread():
    from typhoon.topology import topology_spec

    assert all(one.threaded for one in topology_spec(make(Noting)).components.values())


def test_what_is_declared_can_be_shipped():
    with LocalCluster(check_serializable=True) as cluster:
        cluster.submit("test", make(Noting)).wait_until_drained(timeout=15)
