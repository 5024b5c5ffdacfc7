"""What ordinary code never does to a tuple or a component, and the core has to survive.

`make sanitize` runs these under AddressSanitizer: a test that passes here may still fail there.
"""

import contextlib
import copy
import gc
import logging
import pickle
import random
import threading
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from typhoon import Bolt, Grouping, LocalCluster, Spout, TopologyBuilder, Tuple, native
from typhoon._core import BoltBase, Handle, SpoutBase, stable_hash
from typhoon.errors import EmitError, GroupingKeyError, NotRunningError

ITEMS = 300


def run(builder, config=None):
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder, config)
        topology.wait_until_drained(timeout=20)
        return topology.stats()


class Thing:
    """A value that can be watched: weakly referenced, and hung into cycles."""

    def __init__(self, n):
        self.n = n


def things(journal, alive, width=1):
    """A spout of fresh Things, each tuple with as many as `width`; `alive` gets all of them."""

    class Source(journal.source(range(ITEMS))):
        outputs = tuple("nmk"[:width])

        def next_tuple(self):
            n = next(self.items)
            values = [Thing(n) for _ in range(width)]
            alive.update(values)
            self.emit(values, tup_id=n)
            values.clear()

    return Source


def everything_is_acked(journal):
    return Counter(journal.acked) == Counter(range(ITEMS)) and journal.failed == []


def is_refused(call, *errors):
    with pytest.raises(errors):
        call()
    return True


# What is kept -------------------------------------------------------------------------------------


def parts_to_keep(tup, rng):
    """Any part of a tuple that outlives the call, and what it has to read as afterwards."""
    n = tup[0].n
    part = rng.randrange(8)
    if part == 0:
        return tup, lambda kept: kept.values[0].n == n and kept["n"].n == n
    if part == 1:
        return tup.values, lambda kept: kept[0].n == n
    if part == 2:
        return iter(tup), lambda kept: next(kept).n == n
    if part == 3:
        return (tup.id, tup), lambda kept: kept[0] == kept[1].id
    if part == 4:
        return weakref.ref(tup), lambda kept: kept() is None
    if part == 5:
        return pickle.loads(pickle.dumps(tup)), lambda kept: kept.values[0].n == n
    if part == 6:
        return copy.copy(tup), lambda kept: kept.values[0].n == n and kept.component == "source"
    return tup[:], lambda kept: kept[0].n == n


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("many", [False, True], ids=["process", "process_many"])
def test_any_part_of_a_tuple_may_be_kept(journal, chain, threaded, width, many):
    rng = random.Random(width)
    alive, kept = weakref.WeakSet(), []

    def process(self, tup):
        kept.append(parts_to_keep(tup, rng))
        if rng.random() < 0.05:
            gc.collect(rng.randrange(3))
        if rng.random() < 0.1:
            del kept[rng.randrange(len(kept))]

    def process_many(self, tups):
        for tup in tups:
            process(self, tup)

    body = {"process_many": process_many} if many else {"process": process}
    run(chain(things(journal, alive, width), journal.bolt(threaded=threaded, **body)))
    gc.collect()
    assert everything_is_acked(journal)
    assert len(kept) > ITEMS / 2
    assert all(check(part) for part, check in kept)
    kept.clear()
    gc.collect()
    assert len(alive) == 0


def knots(tup):
    """Ways to make a value reach the tuple that holds it."""
    thing = tup[0]
    yield lambda: setattr(thing, "back", tup)
    yield lambda: setattr(thing, "back", tup.values)
    yield lambda: setattr(thing, "back", [weakref.ref(tup), tup, tup.id])
    yield lambda: setattr(thing, "back", copy.copy(tup))
    yield lambda: setattr(thing, "back", iter(tup))


@pytest.mark.parametrize("width", [1, 3])
def test_cycles_through_values_are_collected(journal, chain, threaded, width):
    alive = weakref.WeakSet()

    def process(self, tup):
        knot = list(knots(tup))
        knot[tup[0].n % len(knot)]()
        if tup[0].n % 50 == 49:
            gc.collect()

    run(chain(things(journal, alive, width), journal.bolt(process, threaded=threaded)))
    assert everything_is_acked(journal)
    gc.collect()
    assert len(alive) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda thing: Tuple(values=[thing]),
        lambda thing: Tuple(values=[[thing]]),
        lambda thing: Tuple(values=[Tuple(values=(thing,))]),
        lambda thing: copy.copy(Tuple(values=[{"deep": (thing,)}])),
    ],
    ids=["value", "list", "tuple-in-tuple", "copy"],
)
def test_cycles_through_tuples_made_by_hand_are_collected(make):
    thing = Thing(1)
    thing.back = make(thing)
    watched, tup = weakref.ref(thing), weakref.ref(thing.back)
    del thing
    gc.collect()
    assert (watched(), tup()) == (None, None)


def test_cycles_through_names_are_collected():
    class Name(str):
        __slots__ = ("__dict__", "__weakref__")

    for build in (lambda name: Tuple(values=[1], fields=[name]), lambda name: Tuple(id=name)):
        name = Name("x")
        name.back = build(name)
        watched = weakref.ref(name)
        del name
        gc.collect()
        assert watched() is None


def test_tuples_nested_deeply_are_freed():
    watched = weakref.ref(innermost := Thing(1))
    tup = innermost
    del innermost
    for _ in range(100_000):
        tup = Tuple(values=[tup])
    del tup
    assert watched() is None


# Values that do something -------------------------------------------------------------------------


class Parting:
    """Runs its action when it is dropped; an error in there fails the test as a warning."""

    def __init__(self, action=None):
        self.action = action

    def __del__(self):
        if self.action is not None:
            self.action()


@pytest.mark.parametrize("wrap", [lambda one: [one], lambda one: (one, 0)], ids=["lone", "pair"])
@pytest.mark.parametrize("many", [False, True], ids=["process", "process_many"])
def test_values_that_emit_and_settle_when_they_are_dropped(journal, chain, threaded, wrap, many):
    class Source(journal.source(range(ITEMS))):
        outputs = ("n", "m")[: len(wrap(0))]

        def next_tuple(self):
            n = next(self.items)
            self.emit(wrap(Parting()), tup_id=n)

    def process(self, tup):
        n = self.count = getattr(self, "count", -1) + 1
        tup[0].action = lambda: self.emit([n])
        settle = self.fail if n % 10 == 0 else self.ack
        parting = Parting(lambda: settle(tup))
        assert parting.action is not None

    def process_many(self, tups):
        while tups:
            process(self, tups.pop())

    body = {"process_many": process_many} if many else {"process": process}
    hold = journal.bolt(auto_ack=False, threaded=threaded, **body)
    run(chain(Source, hold, journal.bolt()))
    assert sorted(journal.seen) == list(range(ITEMS))
    assert len(journal.failed) == ITEMS // 10
    assert Counter(journal.acked) + Counter(journal.failed) == Counter(range(ITEMS))


def test_names_that_emit_when_they_are_dropped(journal, chain, threaded):
    class Name(Parting):
        pass

    class Source(journal.source(range(ITEMS))):
        def next_tuple(self):
            n = next(self.items)
            self.emit([n], tup_id=Name(lambda: self.emit([n + ITEMS])))

        def ack(self, tup_id):
            journal.acked.append(1)

        def fail(self, tup_id):
            journal.failed.append(1)

    process = journal.bolt(lambda self, tup: tup[0] % 7 or self.fail(tup), threaded=threaded)
    builder = chain(Source, process)
    builder.set_bolt("end", journal.bolt(threaded=threaded)).shuffle_grouping("source")
    run(builder)
    assert len(journal.acked) + len(journal.failed) == ITEMS
    # Those that failed are expected to be replayed, so their names live as long as the spout.
    parted = {n for n in journal.seen if n >= ITEMS}
    assert {n for n in journal.seen if n < ITEMS} == set(range(ITEMS))
    assert len(parted) == len(journal.acked)


class Computed:
    """Like a dataclass, but its field is made anew whenever it is read."""

    __dataclass_fields__ = ()

    def __init__(self, make):
        self.make = make

    @property
    def n(self):
        return self.make()


def test_emit_that_is_refused_may_emit_while_it_drops_its_values(journal):
    class NoKey(Parting):
        __hash__ = None

    def process(self, tup):
        n = tup[0]
        with pytest.raises(GroupingKeyError):
            self.emit(Computed(lambda: NoKey(lambda: self.emit([n]))))

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(ITEMS)))
    builder.set_bolt("middle", journal.bolt(process)).shuffle_grouping("source")
    builder.set_bolt("end", journal.bolt(), 2).fields_grouping("middle", ["n"])
    run(builder)
    assert sorted(journal.seen) == list(range(ITEMS))
    assert everything_is_acked(journal)


@pytest.mark.parametrize("ends", [1, 3])
def test_key_that_emits_while_it_is_hashed(journal, threaded, ends):
    class Key:
        def __init__(self, n, bolt):
            self.n, self.bolt = n, bolt

        def __stable_hash__(self):
            bolt, self.bolt = self.bolt, None
            if bolt is not None:
                for _ in range(3):
                    bolt.emit([Key(self.n, None)])
                gc.collect(0)
            return self.n

    def process(self, tup):
        self.emit([Key(tup[0], self)])

    seen = journal.bolt(lambda self, tup: journal.seen.append(tup[0].n), threaded=threaded)
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(ITEMS)))
    builder.set_bolt("middle", journal.bolt(process)).shuffle_grouping("source")
    for end in range(ends):
        builder.set_bolt(f"end{end}", seen, 2).fields_grouping("middle", ["n"])
    run(builder, {"topology.executor.receive.buffer.size": 16})
    assert Counter(journal.seen) == Counter(list(range(ITEMS)) * 4 * ends)
    assert everything_is_acked(journal)


class Chooser:
    """A custom grouping that emits, settles and collects before it answers."""

    def __init__(self, meddle):
        self.meddle = meddle

    def prepare(self, context, stream, target_tasks):
        self.targets = target_tasks

    def choose_tasks(self, source_task, values):
        self.meddle(values[0])
        return self.targets


def test_grouping_that_emits_while_it_is_asked(journal, threaded):
    bolts = []

    def meddle(n):
        gc.collect(0)
        if n < ITEMS:
            bolts[0].emit([n + ITEMS])

    def process(self, tup):
        bolts[:] = [self]
        self.emit([tup[0]])

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(ITEMS)))
    builder.set_bolt("middle", journal.bolt(process, threaded=threaded)).shuffle_grouping("source")
    grouping = Grouping.custom(Chooser(meddle))
    builder.set_bolt("end", journal.bolt()).grouping("middle", grouping)
    run(builder)
    assert sorted(journal.seen) == list(range(2 * ITEMS))
    assert everything_is_acked(journal)


def test_list_that_is_changed_while_it_is_emitted(journal, chain):
    def process(self, tup):
        batch = [Computed(lambda: batch.clear() or tup[0]), [tup[0]]]
        self.emit_many(batch)
        values = [tup[0]]
        self.emit(values)
        values.clear()
        self.emit_many(Computed(lambda: tup[0]) for _ in range(2))

    run(chain(journal.source(range(ITEMS)), journal.bolt(process), journal.bolt()))
    assert Counter(journal.seen) == Counter(list(range(ITEMS)) * 4)
    assert everything_is_acked(journal)


class Liar(int):
    """An int of more than 64 bits that says nonsense of itself."""

    def to_bytes(self, *args, **kwargs):
        return "no bytes"

    def bit_length(self):
        return -1


class Raises:
    def __eq__(self, other):
        raise ZeroDivisionError

    def __hash__(self):
        raise ZeroDivisionError

    def __index__(self):
        raise ZeroDivisionError

    __stable_hash__ = __index__


def test_hash_of_what_lies_about_itself():
    assert stable_hash(Liar(2**80)) == stable_hash(2**80)
    assert stable_hash(Liar(-(2**63) - 1)) == stable_hash(-(2**63) - 1)
    assert is_refused(lambda: stable_hash(Raises()), GroupingKeyError)
    assert is_refused(lambda: stable_hash((1, (2, Raises()))), GroupingKeyError)


def test_hash_of_what_is_nested_too_deeply_is_refused():
    key = ()
    for _ in range(100_000):
        key = (key,)
    assert is_refused(lambda: stable_hash(key), GroupingKeyError)


def test_values_that_cannot_be_compared(journal, chain, threaded):
    class Source(journal.source(range(ITEMS))):
        def next_tuple(self):
            n = next(self.items)
            assert is_refused(lambda: self.emit([n], tup_id=Raises()), TypeError)
            self.emit([Raises()], tup_id=n)

    def process(self, tup):
        assert is_refused(lambda: 5 in tup, ZeroDivisionError)
        assert is_refused(lambda: tup[Raises()], ZeroDivisionError)
        assert isinstance(tup[0], Raises)
        assert tup["n"] is tup[-1]
        journal.seen.append(1)

    run(chain(Source, journal.bolt(process, threaded=threaded)))
    assert len(journal.seen) == ITEMS
    assert everything_is_acked(journal)


OWN_THREADS = {"topology.executor.threads": "all"}
PLAIN = ["", "wörd", "\U0001f300", b"\0bytes", 0, -(2**63), 2**63 - 1, 0.5, True, False, None]


@pytest.mark.parametrize("config", [{}, OWN_THREADS], ids=["on-the-loop", "threaded"])
def test_values_go_through_components_without_python_and_back(journal, config):
    class Source(journal.source(range(ITEMS))):
        outputs = ("n", "value")

        def next_tuple(self):
            n = next(self.items)
            self.emit([n, PLAIN[n % len(PLAIN)]], tup_id=n)

    def process(self, tup):
        journal.seen.append((tup["n"], tup["value"], type(tup["value"])))

    builder = TopologyBuilder()
    builder.set_spout("source", Source)
    builder.set_bolt("same", native.id(["n", "value"]), 2).fields_grouping("source", ["value"])
    builder.set_bolt("end", journal.bolt(process), 2).fields_grouping("same", ["value", "n"])
    run(builder, config)
    expected = [(n, PLAIN[n % len(PLAIN)]) for n in range(ITEMS)]
    assert sorted(journal.seen, key=lambda one: one[0]) == [(n, v, type(v)) for n, v in expected]
    assert everything_is_acked(journal)


@pytest.mark.parametrize("value", [2**63, object(), "\ud800", [1], (1,)], ids=type)
def test_what_a_component_without_python_cannot_read_is_refused(journal, value):
    def process(self, tup):
        assert is_refused(lambda: self.emit([value]), EmitError)
        self.emit([tup[0]])
        journal.seen.append(tup[0])

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(ITEMS)))
    builder.set_bolt("middle", journal.bolt(process)).shuffle_grouping("source")
    builder.set_bolt("end", native.null()).shuffle_grouping("middle")
    run(builder, OWN_THREADS)
    assert len(journal.seen) == ITEMS
    assert everything_is_acked(journal)


def test_text_without_utf8_is_a_key():
    keys = ["\ud800", "\ud801", "\udfff and more"]
    assert len({stable_hash(key) for key in keys}) == len(keys)
    assert all(stable_hash(key) == stable_hash(f" {key}"[1:]) for key in keys)


# Other threads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_threads_settle_and_emit_in_any_order(journal, chain, par, threaded, seed):
    rng = random.Random(seed)
    alive = weakref.WeakSet()
    fates = [rng.choice(["ack", "fail"]) for _ in range(ITEMS)]
    with ThreadPoolExecutor(3) as pool:

        def work(self, tup, by_id):
            n = tup[0].n
            for _ in range(n % 3):
                self.emit([n], anchors=[tup.id if by_id else tup])
            if n % 20 == 0:
                gc.collect(0)
            settle = getattr(self, fates[n])
            settle(tup.id if by_id else tup)
            settle(tup)

        def process(self, tup):
            if tup[0].n % 4:
                pool.submit(work, self, tup, tup[0].n % 2)
            else:
                work(self, tup, tup[0].n % 8)

        bolt = journal.bolt(process, auto_ack=False, threaded=threaded)
        stats = run(chain(things(journal, alive), bolt, journal.bolt(), par=par))
    assert Counter(journal.failed) == Counter(n for n in range(ITEMS) if fates[n] == "fail")
    assert Counter(journal.acked) == Counter(n for n in range(ITEMS) if fates[n] == "ack")
    assert Counter(journal.seen) == Counter({n: n % 3 for n in range(ITEMS) if n % 3})
    assert stats is not None
    gc.collect()
    assert len(alive) == 0


def test_closing_while_threads_emit(journal, chain, threaded, wait_until):
    alive, refused = weakref.WeakSet(), []
    see = journal.bolt(lambda self, tup: journal.seen.append(tup[0].n), threaded=threaded)

    class First(see):
        def initialize(self, conf, context):
            journal.closed.append(self)

    def flood(bolt):
        while True:
            thing = Thing(1)
            alive.add(thing)
            try:
                bolt.emit([thing])
                bolt.emit([thing], anchors=[], need_task_ids=True)
            except NotRunningError as error:
                refused.append(type(error))
                return

    for _ in range(5):
        journal.seen.clear()
        journal.closed.clear()
        with LocalCluster() as cluster:
            cluster.submit("test", chain(journal.source([]), First, see))
            wait_until(lambda: journal.closed)
            bolt = journal.closed[0]
            threads = [threading.Thread(target=flood, args=[bolt]) for _ in range(3)]
            for thread in threads:
                thread.start()
            wait_until(lambda: len(journal.seen) > 50)
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
    assert len(refused) == 15
    del bolt, cluster
    journal.closed.clear()
    gc.collect()
    assert len(alive) == 0


def test_one_instance_in_topologies_one_after_another(chain, journal, wait_until):
    class Same(Bolt):
        outputs = ("n",)
        threaded = True

        def __deepcopy__(self, memo):
            return self

        def process(self, tup):
            pass

    same, over, outcomes = Same(), threading.Event(), Counter()

    def emit():
        while not over.is_set():
            try:
                outcomes[type(same.emit([1], need_task_ids=True))] += 1
            except NotRunningError as error:
                outcomes[type(error)] += 1

    threads = [threading.Thread(target=emit) for _ in range(3)]
    for cycle in range(10):
        with LocalCluster() as cluster:
            cluster.submit("test", chain(journal.source([]), same))
            if cycle == 0:
                for thread in threads:
                    thread.start()
            before = outcomes[list]
            wait_until(lambda before=before: outcomes[list] > before)
    over.set()
    for thread in threads:
        thread.join(10)
    assert set(outcomes) <= {list, NotRunningError}


# Components ---------------------------------------------------------------------------------------


class Restless(Bolt):
    """Undoes itself in the middle of its work."""

    outputs = ("n",)

    def __init__(self):
        self.notes = []

    def process(self, tup):
        self.__init__()
        super().__init__()
        BoltBase.__init__(self)
        self.__dict__.clear()
        with contextlib.suppress(AttributeError):
            del self.emit
        BoltBase.emit(self, [tup[0]])
        assert is_refused(lambda: SpoutBase.emit(self, [1]), TypeError)
        type(self).extra = tup
        twin = copy.copy(self)
        assert is_refused(lambda: twin.emit([1]), NotRunningError)
        self.__class__ = type("Restless", (Restless,), {})


def test_component_that_undoes_itself(journal, chain, par, threaded):
    class Source(journal.source(range(ITEMS))):
        def next_tuple(self):
            n = next(self.items)
            SpoutBase.emit(self, [n], tup_id=n)
            if n == 3:
                gc.collect()

    restless = type("Restless", (Restless,), {"threaded": threaded})
    run(chain(Source, restless, journal.bolt(), par=par))
    assert sorted(journal.seen) == list(range(ITEMS))
    assert everything_is_acked(journal)


def test_batch_that_raises_after_it_emitted(journal, chain, threaded, caplog):
    caplog.set_level(logging.CRITICAL, "typhoon")  # a record holds what its traceback holds
    kept, alive, bad = [], weakref.WeakSet(), []

    def process_many(self, tups):
        for tup in tups:
            self.emit([tup[0].n])
            if tup[0].n % 3 == 0:
                kept.append(tup)
        numbers = [tup[0].n for tup in tups]
        if numbers[0] % 2:
            bad.extend(numbers)
            tups.clear()
            raise ValueError(numbers)

    body = {"process_many": process_many, "threaded": threaded}
    run(
        chain(things(journal, alive), journal.bolt(**body), journal.bolt(), par=2),
        {"topology.max.spout.pending": 7},
    )
    assert Counter(journal.seen) == Counter(range(ITEMS))
    assert Counter(journal.failed) == Counter(bad)
    assert Counter(journal.acked) == Counter(range(ITEMS)) - Counter(bad)
    assert sorted(tup["n"].n for tup in kept) == list(range(0, ITEMS, 3))
    kept.clear()
    gc.collect()
    assert len(alive) == 0


@pytest.mark.parametrize("many", [False, True], ids=["process", "process_many"])
def test_nothing_is_left_of_a_worker_that_ended_in_the_middle(journal, threaded, many, caplog):
    caplog.set_level(logging.CRITICAL, "typhoon")
    alive, raised = weakref.WeakSet(), []

    def process(self, tup):
        if not raised:
            raised.append(1)
            raise ValueError("once")

    def process_many(self, tups):
        process(self, tups[0])

    body = {"process_many": process_many} if many else {"process": process}
    bolt = journal.bolt(on_error="exit", threaded=threaded, **body)
    builder = TopologyBuilder()
    builder.set_spout("source", things(journal, alive))
    builder.set_bolt("b1", bolt, 1).set_num_tasks(4).shuffle_grouping("source")
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder)
        topology.wait_until_drained(timeout=20)
    assert set(journal.acked) == set(range(ITEMS))
    del topology, cluster
    gc.collect()
    assert len(alive) == 0


TUP = Tuple(values=[1, 2], fields=["a", "b"])
NOT_OURS = [
    lambda: BoltBase.emit(object(), [1]),
    BoltBase.emit,
    lambda: SpoutBase.emit(BoltBase(), [1]),
    lambda: BoltBase.ack(SpoutBase(), TUP),
    lambda: BoltBase.__new__(dict),
    lambda: BoltBase.__new__(SpoutBase),
    lambda: object.__new__(BoltBase),
    lambda: object.__new__(Tuple),
    lambda: Tuple.__new__(int),
    Tuple.__new__,
    lambda: Tuple.__new__(3),
    lambda: type("Both", (Bolt, Spout), {}),
    lambda: type("Number", (Bolt, int), {}),
    lambda: type("More", (Tuple,), {}),
    lambda: setattr(BoltBase(), "__class__", SpoutBase),
    lambda: setattr(TUP, "__class__", Thing),
    lambda: Tuple.values.__get__(3),
    lambda: Tuple.id.__get__(3),
    lambda: Tuple.__getitem__(3, 3),
    lambda: Tuple.to(3, 3),
    lambda: TUP.to(3),
    lambda: Tuple(*range(7)),
    lambda: Tuple(1),
    lambda: Tuple(None, 2),
    lambda: Tuple(None, None, 3),
    lambda: Tuple(task="one"),
    lambda: Tuple(values=5),
    lambda: Tuple(values="text"),
    lambda: Tuple(None, id="twice"),
    lambda: Tuple(other=1),
    Handle,
    lambda: BoltBase(1),
]


@pytest.mark.parametrize("call", NOT_OURS, ids=[str(n) for n in range(len(NOT_OURS))])
def test_what_makes_no_sense_is_a_type_error(call):
    assert is_refused(call, TypeError)


def test_tuple_cannot_be_changed():
    for call in (
        lambda: setattr(TUP, "values", (1,)),
        lambda: delattr(TUP, "values"),
        lambda: setattr(TUP, "other", 1),
    ):
        assert is_refused(call, AttributeError)
    assert is_refused(lambda: Tuple(task=-1), OverflowError)
    assert is_refused(lambda: Tuple(task=2**40), OverflowError)
    assert is_refused(lambda: Tuple(values=[1], fields=["a", "b"]), ValueError)
    TUP.__init__(1, 2, 3)
    assert TUP.values == (1, 2)
    assert list(copy.deepcopy(TUP)) == [1, 2]
