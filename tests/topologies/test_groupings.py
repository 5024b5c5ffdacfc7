"""Where a tuple goes: every grouping, and every emit that the declared streams do not allow."""

from collections import Counter

import pytest

from typhoon import Bolt, Grouping, LocalCluster, Stream, TopologyBuilder
from typhoon.errors import EmitError, GroupingKeyError, TopologyFailedError


def run(builder, config=None):
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder, config)
        topology.wait_until_drained(timeout=15)
        return topology.stats()


@pytest.fixture(params=[False, True], ids=["on-the-loop", "threaded"])
def landed(request):
    """A bolt that notes which of its tasks saw which value; and its notes."""

    class Landed(Bolt):
        threaded = request.param
        notes: list[tuple[int, object]] = []
        tasks: set[int] = set()

        def initialize(self, conf, context):
            self.task = context.task_id
            self.tasks.update(context.tasks_of(context.component_id))

        def process(self, tup):
            self.notes.append((self.task, tup[0]))

    Landed.notes, Landed.tasks = [], set()
    return Landed


def from_source(journal, items, landed, grouping, par):
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(items))
    builder.set_bolt("end", landed, par).grouping("source", grouping)
    return builder


@pytest.mark.parametrize(
    "grouping", [Grouping.SHUFFLE, Grouping.LOCAL_OR_SHUFFLE], ids=lambda one: one.kind
)
def test_shuffle_shares_out_equally(journal, landed, grouping):
    run(from_source(journal, range(3000), landed, grouping, 3))
    counts = Counter(task for task, _ in landed.notes)
    assert sorted(value for _, value in landed.notes) == list(range(3000))
    assert set(counts) == landed.tasks
    assert min(counts.values()) > 500


def test_none_reaches_every_task(journal, landed):
    run(from_source(journal, range(3000), landed, Grouping.NONE, 3))
    assert len(landed.notes) == 3000
    assert {task for task, _ in landed.notes} == landed.tasks


def test_all_copies_to_every_task(journal, landed, par):
    run(from_source(journal, range(100), landed, Grouping.ALL, par))
    assert Counter(value for _, value in landed.notes) == Counter(dict.fromkeys(range(100), par))
    assert Counter(task for task, _ in landed.notes) == dict.fromkeys(landed.tasks, 100)
    assert Counter(journal.acked) == Counter(range(100))


def test_global_reaches_the_lowest_task(journal, landed, par):
    run(from_source(journal, range(100), landed, Grouping.GLOBAL, par))
    assert {task for task, _ in landed.notes} == {min(landed.tasks)}


KEYS = [
    *("", "a", "ä", "word", b"a", None, True, 1, 2, -1, 2**70, 1.5, float("inf"), (1, "a"), ()),
    *(f"key {n}" for n in range(200)),
]


@pytest.mark.parametrize(("kind", "most"), [("fields", 1), ("partial_key", 2)])
def test_equal_keys_stay_together(journal, landed, kind, most):
    class Keys(journal.source([])):
        def initialize(self, conf, context):
            self.items = iter(enumerate(KEYS * 20))

        def next_tuple(self):
            n, key = next(self.items)
            self.emit([key], tup_id=n)

    builder = TopologyBuilder()
    builder.set_spout("source", Keys)
    builder.set_bolt("end", landed, 4).grouping("source", getattr(Grouping, kind)("n"))
    run(builder)
    tasks = {}
    for task, key in landed.notes:
        tasks.setdefault((type(key), key), set()).add(task)
    assert len(landed.notes) == len(KEYS) * 20
    assert max(len(found) for found in tasks.values()) == most
    assert {task for task, _ in landed.notes} == landed.tasks


def test_numbers_that_are_equal_are_one_key(journal, landed):
    run(from_source(journal, [1, 1.0, True], landed, Grouping.fields("n"), 4))
    assert len({task for task, _ in landed.notes}) == 1


@pytest.mark.parametrize("kind", ["fields", "partial_key"])
@pytest.mark.parametrize(
    "key",
    [float("nan"), ["a"], {"a": 1}, {1}, object(), ("a", ["b"])],
    ids=lambda key: type(key).__name__,
)
def test_value_that_cannot_be_a_key_fails_its_tuple(journal, par, kind, key):
    bad = journal.catching(lambda self, tup: self.emit([key if tup[0] == 3 else tup[0]]))
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(10)))
    builder.set_bolt("bad", bad).shuffle_grouping("source")
    builder.set_bolt("end", journal.bolt(), par).grouping("bad", getattr(Grouping, kind)("n"))
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder)
        topology.wait_until_drained(timeout=10)
        (row,) = (one for one in topology.stats().components if one.id == "bad")
    assert [type(error) for error in journal.errors] == [GroupingKeyError]
    assert type(key).__name__ in str(journal.errors[0]) or "nan" in str(journal.errors[0]).lower()
    assert row.last_error.startswith("process: GroupingKeyError")
    assert journal.failed == [3]
    assert Counter(journal.acked) == Counter(set(range(10)) - {3})


# Custom groupings ---------------------------------------------------------------------------------


class Choose:
    """A custom grouping that answers with what its function says."""

    def __init__(self, function):
        self.function = function

    def prepare(self, context, stream, target_tasks):
        self.targets = target_tasks
        self.stream = stream

    def choose_tasks(self, source_task, values):
        return self.function(self.targets, values)


@pytest.mark.parametrize(
    ("function", "copies"),
    [
        (lambda targets, values: [targets[values[0] % len(targets)]], 1),
        (lambda targets, values: list(targets), 3),
        (lambda targets, values: [], 0),
    ],
    ids=["one", "several", "none"],
)
def test_custom_grouping_chooses(journal, landed, function, copies):
    run(from_source(journal, range(90), landed, Grouping.custom(Choose(function)), 3))
    assert Counter(value for _, value in landed.notes) == Counter(list(range(90)) * copies)
    assert Counter(journal.acked) == Counter(range(90))
    if copies == 1:
        targets = sorted(landed.tasks)
        assert all(task == targets[value % 3] for task, value in landed.notes)


def raising(targets, values):
    raise KeyError("chooser")


@pytest.mark.parametrize(
    "function",
    [
        lambda targets, values: [999],
        lambda targets, values: [-1],
        lambda targets, values: ["one"],
        lambda targets, values: None,
        lambda targets, values: "nonsense",
        lambda targets, values: [2**70],
        lambda targets, values: [targets[0], 999],
        raising,
    ],
    ids=["unknown", "negative", "text", "none", "a-string", "huge", "half-right", "raises"],
)
def test_custom_grouping_that_returns_nonsense(journal, landed, function):
    def choose(targets, values):
        return function(targets, values) if values[0] == 3 else targets[:1]

    bad = journal.catching(lambda self, tup: self.emit(list(tup.values)))
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(10)))
    builder.set_bolt("bad", bad).shuffle_grouping("source")
    builder.set_bolt("end", landed, 3).custom_grouping("bad", Choose(choose))
    run(builder)
    assert len(journal.errors) == 1
    assert journal.failed == [3]
    assert Counter(journal.acked) == Counter(set(range(10)) - {3})
    assert sorted(value for _, value in landed.notes) == sorted(set(range(10)) - {3})


def test_custom_grouping_that_cannot_prepare(journal, landed):
    class Broken(Choose):
        def prepare(self, context, stream, target_tasks):
            raise OSError("no ring")

    with LocalCluster() as cluster, pytest.raises((TopologyFailedError, OSError), match="no ring"):
        cluster.submit("test", from_source(journal, [1], landed, Grouping.custom(Broken(None)), 3))


# Emits that are not allowed -----------------------------------------------------------------------


def emit_from_a_bolt(journal, emit, par, threaded, grouping=Grouping.SHUFFLE, direct=False):
    outputs = [Stream(["n"], direct=direct), Stream(["a", "b"], "pair")]
    bolt = journal.catching(emit, outputs=outputs, threaded=threaded)
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(5)))
    builder.set_bolt("bad", bolt, par).shuffle_grouping("source")
    builder.set_bolt("end", journal.bolt(), par).grouping("bad", grouping)
    return builder


@pytest.mark.parametrize(
    ("emit", "error", "words"),
    [
        (lambda self, tup: self.emit([1, 2]), EmitError, "bad"),
        (lambda self, tup: self.emit([]), EmitError, "bad"),
        (lambda self, tup: self.emit([1], stream="pair"), EmitError, "pair"),
        (lambda self, tup: self.emit_many([[1], [1, 2]]), EmitError, "bad"),
        (lambda self, tup: self.emit([1], stream="nowhere"), EmitError, "nowhere"),
        (lambda self, tup: self.emit([1], direct_task=1), EmitError, "direct"),
        (lambda self, tup: self.emit("a"), TypeError, "got 'a'"),
        (lambda self, tup: self.emit({"n": 1}), TypeError, "got {'n': 1}"),
        (lambda self, tup: self.emit(None), TypeError, "None"),
        (lambda self, tup: self.emit(iter([1])), TypeError, "list"),
    ],
    ids=[
        *("too-many", "none", "too-few", "one-of-many", "undeclared", "direct-on-plain"),
        *("text", "dict", "nothing", "iterator"),
    ],
)
def test_emit_that_is_not_allowed(journal, par, threaded, emit, error, words):
    run(emit_from_a_bolt(journal, emit, par, threaded))
    assert len(journal.errors) == 5
    assert all(isinstance(one, error) and words in str(one) for one in journal.errors), (
        journal.errors
    )
    assert Counter(journal.failed) == Counter(range(5))
    assert journal.acked == []
    assert len(journal.seen) in {0, 5}  # of many, those before the wrong one may have gone


def test_emit_on_a_direct_stream_without_a_task(journal, par, threaded):
    builder = emit_from_a_bolt(
        journal, lambda self, tup: self.emit([1]), par, threaded, Grouping.DIRECT, direct=True
    )
    run(builder)
    assert [type(one) for one in journal.errors] == [EmitError] * 5
    assert "direct_task" in str(journal.errors[0])
    assert Counter(journal.failed) == Counter(range(5))


@pytest.mark.parametrize("task", [0, -1, 10_000, 2**70])
def test_direct_emit_to_a_task_that_does_not_subscribe(journal, par, threaded, task):
    builder = emit_from_a_bolt(
        journal,
        lambda self, tup: self.emit([1], direct_task=task),
        par,
        threaded,
        Grouping.DIRECT,
        direct=True,
    )
    run(builder)
    assert len(journal.errors) == 5
    assert all(isinstance(one, EmitError | TypeError) for one in journal.errors)
    assert Counter(journal.failed) == Counter(range(5))
    assert journal.seen == []


@pytest.mark.parametrize("who", ["bad", "other", "source"])
def test_direct_emit_to_a_task_of_somebody_else(journal, par, threaded, who):
    """A task that there is: the emitter's own, one that takes another stream, a spout's."""

    class Aim(Bolt):
        outputs = (Stream(["n"], direct=True), Stream(["n"], "plain"))

        def initialize(self, conf, context):
            (self.target, *_) = context.tasks_of(who)

        def process(self, tup):
            try:
                self.emit([1], direct_task=self.target)
            except EmitError as error:
                journal.errors.append(error)
                raise

    Aim.threaded = threaded
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(5)))
    builder.set_bolt("bad", Aim, par).shuffle_grouping("source")
    builder.set_bolt("end", journal.bolt(), par).direct_grouping("bad")
    builder.set_bolt("other", journal.bolt(), par).shuffle_grouping("bad", "plain")
    run(builder)
    assert len(journal.errors) == 5
    assert all("does not subscribe to stream 'default'" in str(one) for one in journal.errors)
    assert Counter(journal.failed) == Counter(range(5))
    assert journal.seen == []


def test_direct_emit_reaches_the_task_named(journal, landed, par):
    class Aim(Bolt):
        outputs = (Stream(["n", "task"], direct=True),)

        def initialize(self, conf, context):
            self.targets = context.tasks_of("end")

        def process(self, tup):
            target = self.targets[tup[0] % len(self.targets)]
            assert self.emit([tup[0], target], direct_task=target, need_task_ids=True) == [target]

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(90)))
    builder.set_bolt("aim", Aim).shuffle_grouping("source")
    builder.set_bolt("end", landed, par).direct_grouping("aim")
    run(builder)
    targets = sorted(landed.tasks)
    assert Counter(landed.notes) == Counter((targets[n % par], n) for n in range(90))
    assert Counter(journal.acked) == Counter(range(90))


def test_task_ids_are_where_it_went(journal, landed, par):
    told = []

    def process(self, tup):
        told.extend((task, tup[0]) for task in self.emit(list(tup.values), need_task_ids=True))

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(90)))
    builder.set_bolt("tell", journal.bolt(process)).shuffle_grouping("source")
    builder.set_bolt("end", landed, par).all_grouping("tell")
    run(builder)
    assert Counter(told) == Counter(landed.notes)
    assert len(told) == 90 * par


@pytest.mark.parametrize("items", [[1, 2], [], "text"], ids=["too-many", "none", "text"])
def test_spout_emit_that_is_not_allowed_is_an_error_of_the_spout(journal, chain, items):
    class Wrong(journal.source(range(5))):
        def next_tuple(self):
            n = next(self.items)
            self.emit(items if n == 2 else [n], tup_id=n)

    stats = run(chain(Wrong, journal.bolt()))
    assert sorted(journal.acked) == [0, 1, 3, 4]
    assert journal.failed == []
    assert stats.components[0].errors == 1
    assert stats.components[0].pending == 0
