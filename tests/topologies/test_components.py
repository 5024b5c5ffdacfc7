"""Components are ordinary Python objects, and what they keep outlives the topology."""

import abc
import copy
import gc
import os
import pickle
import threading
import weakref
from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import psutil
import pytest

from typhoon import Bolt, LocalCluster, Spout, Tuple

T = TypeVar("T")


def run(builder, config=None):
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder, config)
        topology.wait_until_drained(timeout=15)
        return topology.stats()


class Mixin:
    def double(self, n):
        return 2 * n


class Plain(Mixin, Bolt):
    outputs = ("n",)

    def process(self, tup):
        self.emit([self.double(tup[0])])


class NoSuper(Bolt):
    outputs = ("n",)

    def __init__(self):
        self.factor = 2

    def process(self, tup):
        self.emit([self.factor * tup[0]])


class Slotted(Bolt):
    __slots__ = ("__weakref__", "factor")
    outputs = ("n",)

    def __init__(self, factor=2):
        self.factor = factor

    def process(self, tup):
        self.emit([self.factor * tup[0]])


@dataclass(eq=False)
class Data(Bolt):
    factor: int = 2
    notes: list = field(default_factory=list)
    outputs = ("n",)

    def process(self, tup):
        self.notes.append(tup[0])
        self.emit([self.factor * tup[0]])


@dataclass
class Equal(Bolt):
    """A dataclass that compares by value has no hash."""

    factor: int = 2
    outputs = ("n",)

    def process(self, tup):
        self.emit([self.factor * tup[0]])


@dataclass(frozen=True)
class Frozen(Bolt):
    factor: int = 2
    outputs = ("n",)

    def process(self, tup):
        self.emit([self.factor * tup[0]])


@dataclass(frozen=True, slots=True)
class FrozenSlots(Bolt):
    factor: int = 2
    outputs = ("n",)

    def process(self, tup):
        self.emit([self.factor * tup[0]])


class PassingOn(Bolt):
    """Passes on what it does not know, and so seems to have every method."""

    outputs = ("n",)

    def __init__(self):
        self.inner = Plain()

    def __getattr__(self, name):
        if name.startswith("__") or name == "inner":
            raise AttributeError(name)
        return lambda *args: None

    def process(self, tup):
        self.emit([self.inner.double(tup[0])])


class Base(Bolt, abc.ABC):
    outputs = ("n",)

    @abc.abstractmethod
    def change(self, n): ...

    def process(self, tup):
        self.emit([self.change(tup[0])])


class Abstract(Base):
    def change(self, n):
        return 2 * n


class Typed(Bolt, Generic[T]):
    outputs = ("n",)

    def process(self, tup):
        self.emit([2 * tup[0]])


class Changing(Bolt):
    """Its ``process`` is chosen by the instance."""

    outputs = ("n",)

    def __init__(self):
        self.process = self.other

    def process(self, tup):
        raise AssertionError

    def other(self, tup):
        self.emit([2 * tup[0]])


KINDS = {
    "mixin": Plain,
    "no-super": NoSuper,
    "slots": Slotted,
    "slots-instance": Slotted(2),
    "dataclass": Data,
    "dataclass-instance": Data(2),
    "dataclass-eq": Equal(2),
    "abc": Abstract,
    "generic": Typed[int](),
    "generic-class": Typed,
    "by-instance": Changing,
    "frozen": Frozen,
    "frozen-instance": Frozen(2),
    "frozen-slots": FrozenSlots(2),
    "passing-on": PassingOn,
    "passing-on-instance": PassingOn(),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_any_class_will_do(journal, chain, par, kind):
    run(chain(journal.source(range(30)), kind, journal.bolt(), par=par))
    assert sorted(journal.seen) == list(range(0, 60, 2))
    assert Counter(journal.acked) == Counter(range(30))


@pytest.mark.parametrize(
    "make",
    [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
    ids=["copy", "deepcopy", "pickle"],
)
@pytest.mark.parametrize(
    "component",
    [Plain(), NoSuper(), Slotted(7), Data(7), Equal(7)],
    ids=lambda one: type(one).__name__,
)
def test_components_are_copied_and_pickled(make, component):
    twin = make(component)
    assert type(twin) is type(component)
    assert twin is not component
    assert getattr(twin, "factor", None) == getattr(component, "factor", None)


def test_each_task_has_its_own_copy_of_an_instance(journal, chain):
    given = Data(2)
    run(chain(journal.source(range(30)), given, journal.bolt(), par=3))
    assert given.notes == []
    assert len(journal.seen) == 30


def test_component_that_ran_can_be_copied(journal, chain):
    ran = []

    class Kept(Data):
        def initialize(self, conf, context):
            ran.append(self)

    run(chain(journal.source(range(5)), Kept, journal.bolt()))
    twin = copy.deepcopy(ran[0])
    assert twin.notes == ran[0].notes == list(range(5))


def test_components_are_freed_when_the_topology_is_gone(journal, chain, par, threaded):
    alive = weakref.WeakSet()

    class Seen(Bolt):
        def initialize(self, conf, context):
            alive.add(self)
            self.cycle = self

        def process(self, tup):
            journal.seen.append(tup[0])

    Seen.threaded = threaded
    run(chain(journal.source(range(5)), Seen, par=par))
    assert len(journal.seen) == 5
    gc.collect()
    assert len(alive) == 0


# Tuples that are kept -----------------------------------------------------------------------------


def kept_tuples(journal, chain, **body):
    kept = []
    run(chain(journal.source(range(50)), journal.bolt(lambda self, tup: kept.append(tup), **body)))
    gc.collect()
    return sorted(kept, key=lambda tup: tup[0])


def test_kept_tuples_are_readable_after_the_end(journal, chain, threaded):
    kept = kept_tuples(journal, chain, threaded=threaded)
    for n, tup in enumerate(kept):
        assert tup.values == (n,)
        assert (tup.component, tup.stream, tup.fields) == ("source", "default", ("n",))
        assert tup["n"] == tup[0] == n
        assert list(tup) == [n]
        assert len(tup) == 1
        assert n in tup
        assert isinstance(tup.id, str)
    assert len({tup.id for tup in kept}) == 50


@pytest.mark.parametrize(
    "make",
    [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_kept_tuples_are_copied_and_pickled(journal, chain, make):
    for tup in kept_tuples(journal, chain):
        twin = make(tup)
        assert isinstance(twin, Tuple)
        assert (twin.id, twin.component, twin.stream, twin.task) == (
            tup.id,
            tup.component,
            tup.stream,
            tup.task,
        )
        assert (twin.values, twin.fields) == (tup.values, tup.fields)


def test_kept_tuples_are_weakly_referenced(journal, chain):
    kept = kept_tuples(journal, chain)
    references = [weakref.ref(tup) for tup in kept]
    assert all(reference() is tup for reference, tup in zip(references, kept, strict=True))
    tup = None
    kept.clear()
    gc.collect()
    assert tup is None
    assert [reference() for reference in references] == [None] * 50


def test_values_are_freed_when_their_tree_is_done(journal, chain, par, threaded):
    class Value:
        pass

    values = weakref.WeakSet()

    class Source(journal.source(range(100))):
        def next_tuple(self):
            n = next(self.items)
            value = Value()
            values.add(value)
            self.emit([value], tup_id=n)

    forward = journal.bolt(lambda self, tup: self.emit(list(tup.values)), threaded=threaded)
    with LocalCluster() as cluster:
        topology = cluster.submit(
            "test", chain(Source, forward, journal.bolt(lambda self, tup: None), par=par)
        )
        topology.wait_until_drained(timeout=10)
        gc.collect()
        assert len(values) == 0
    assert len(journal.acked) == 100


def test_what_is_kept_of_a_closed_topology_holds_no_files(journal, chain, threaded):
    before = psutil.Process().num_fds()
    kept = []
    run(
        chain(
            journal.source([1]),
            journal.bolt(lambda self, tup: kept.append((self, tup)), threaded=threaded),
        )
    )
    assert len(kept) == 1
    gc.collect()
    assert psutil.Process().num_fds() == before


# Many at once, and being woken --------------------------------------------------------------------


def test_process_many_gets_all_in_order(journal, chain, par, threaded):
    sizes = []

    def process_many(self, tups):
        assert isinstance(tups, list)
        sizes.append(len(tups))
        journal.seen.extend(tup[0] for tup in tups)

    run(
        chain(
            journal.source(range(5000)),
            journal.bolt(process_many=process_many, threaded=threaded),
            par=par,
        )
    )
    assert sum(sizes) == 5000
    assert min(sizes) >= 1
    assert sorted(journal.seen) == list(range(5000))
    assert Counter(journal.acked) == Counter(range(5000))


def test_process_many_that_raises_fails_the_whole_batch(journal, chain, par, threaded):
    bad = []

    def process_many(self, tups):
        numbers = [tup[0] for tup in tups]
        if any(n % 1000 == 7 for n in numbers):
            bad.extend(numbers)
            raise ValueError("batch")

    run(
        chain(
            journal.source(range(3000)),
            journal.bolt(process_many=process_many, threaded=threaded),
            par=par,
        )
    )
    assert len(bad) >= 3
    assert Counter(journal.failed) == Counter(bad)
    assert Counter(journal.acked) == Counter(range(3000)) - Counter(bad)


@pytest.mark.parametrize("end", ["ack", "fail"])
def test_emit_many_is_anchored(journal, chain, par, threaded, end):
    def process_many(self, tups):
        self.emit_many([list(tup.values) for tup in tups for _ in range(3)])

    many = journal.bolt(process_many=process_many, threaded=threaded)
    last = journal.bolt(lambda self, tup: getattr(self, end)(tup))
    stats = run(chain(journal.source(range(1000)), many, last, par=par))
    assert stats.executed["b2"] == 3000
    answers = journal.acked if end == "ack" else journal.failed
    assert Counter(answers) == Counter(range(1000))


def test_spout_emits_many_with_ids(journal, chain, par):
    class Many(journal.source([])):
        def initialize(self, conf, context):
            self.items = iter(range(0, 1000, 100))

        def next_tuple(self):
            first = next(self.items)
            ids = range(first, first + 100)
            self.emit_many([[n] for n in ids], tup_ids=ids)

    run(chain(Many, journal.bolt(), par=par))
    assert sorted(journal.seen) == list(range(1000))
    assert Counter(journal.acked) == Counter(range(1000))


def test_emit_many_with_another_number_of_ids_is_refused(journal, chain):
    class Uneven(journal.source([1])):
        def next_tuple(self):
            next(self.items)
            try:
                self.emit_many([[1], [2], [3]], tup_ids=[1, 2])
            except Exception as error:
                journal.errors.append(error)

    run(chain(Uneven, journal.bolt()))
    assert [type(error) for error in journal.errors] == [ValueError]


def test_wake_brings_the_next_call(journal, chain, wait_until):
    tasks, todo = [], []

    class Woken(journal.source([])):
        def initialize(self, conf, context):
            tasks.append(self)

        def next_tuple(self):
            if todo:
                n = todo.pop()
                if n is None:
                    raise StopIteration
                self.emit([n], tup_id=n)

    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(Woken, journal.bolt()))
        wait_until(lambda: tasks)
        for n in range(50):
            todo.append(n)
            thread = threading.Thread(target=tasks[0].wake)
            thread.start()
            thread.join()
            wait_until(lambda n=n: journal.acked[-1:] == [n])
        todo.append(None)
        tasks[0].wake()
        topology.wait_until_drained(timeout=10)
    tasks[0].wake()  # too late, and no harm


def test_wake_on_a_pipe(journal, chain, wait_until, threaded):
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    calls = []

    class Piped(Spout):
        outputs = ("n",)

        def initialize(self, conf, context):
            self.wake_on(reader)

        def next_tuple(self):
            calls.append(1)
            try:
                data = os.read(reader, 1)
            except BlockingIOError:
                return
            if not data:
                raise StopIteration
            self.emit([data], tup_id=data)

        def ack(self, tup_id):
            journal.acked.append(tup_id)

    Piped.threaded = threaded
    try:
        with LocalCluster() as cluster:
            topology = cluster.submit("test", chain(Piped, journal.bolt()))
            for n in range(20):
                os.write(writer, bytes([n]))
                wait_until(lambda n=n: journal.acked[-1:] == [bytes([n])])
            before = len(calls)
            assert not topology.wait(0.1)
            assert len(calls) - before <= 3  # nothing to read: it is not polled
            os.close(writer)
            writer = None
            topology.wait_until_drained(timeout=10)
    finally:
        os.close(reader)
        if writer is not None:
            os.close(writer)
