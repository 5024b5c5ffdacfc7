"""The ways of writing a topology: all of them come to the same immutable spec."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass
from typing import Any, NamedTuple

import pytest

from typhoon.errors import InvalidTopologyError
from typhoon.topology import (
    Bolt,
    Grouping,
    ReliableSpout,
    Spout,
    Stream,
    Subscription,
    Topology,
    TopologyBuilder,
    TopologySpec,
    native,
    topology_spec,
)


class Lines(Spout):
    outputs = ("line",)

    def next_tuple(self) -> None: ...


class Split(Bolt):
    outputs = ("word",)

    def __init__(self, separator: str = " ") -> None:
        self.separator = separator

    def process(self, tup: Any) -> None: ...


class Count(Bolt):
    outputs = ("word", Stream(["total"], name="totals"), "n")

    def process_many(self, tups: Any) -> None: ...


class Sink(Bolt):
    def process(self, tup: Any) -> None: ...


class WordCount(Topology):
    config = {"topology.workers": 2}
    lines = Lines.spec()
    split = Split.spec(inputs=[lines], par=2)
    count = Count.spec(inputs={split: Grouping.fields("word")}, par=2)


def shuffled(component: str, stream: str = "default") -> Subscription:
    return Subscription(component, stream, Grouping.SHUFFLE)


def test_a_class_becomes_a_spec() -> None:
    spec = topology_spec(WordCount)
    assert (spec.name, spec.config) == ("WordCount", {"topology.workers": 2})
    assert list(spec.components) == ["lines", "split", "count"]
    assert [one.id for one in spec.spouts] == ["lines"]
    assert [one.id for one in spec.bolts] == ["split", "count"]
    split, count = spec.components["split"], spec.components["count"]
    assert (split.component, split.executors, split.tasks) == (Split, 2, 2)
    assert split.inputs == (shuffled("lines"),)
    assert count.inputs == (Subscription("split", "default", Grouping.fields("word")),)
    assert count.outputs == {
        "default": Stream(["word", "n"]),
        "totals": Stream(["total"], name="totals"),
    }
    assert set(count.streams) == {"default", "totals", "__dead_letter"}
    assert list(spec.subscribers("split")) == [("count", count.inputs[0])]


def test_a_class_an_object_a_builder_and_a_spec_will_all_do() -> None:
    builder = TopologyBuilder("WordCount", {"topology.workers": 2})
    builder.set_spout("lines", Lines)
    builder.set_bolt("split", Split, 2).shuffle_grouping("lines")
    builder.set_bolt("count", Count, 2).fields_grouping("split", ["word"])
    spec = topology_spec(WordCount)
    assert topology_spec(WordCount()) == spec
    assert topology_spec(builder) == spec
    assert topology_spec(spec) == spec


@pytest.mark.parametrize("thing", [None, 3, "WordCount", Lines, Lines.spec(), {"a": 1}])
def test_what_is_no_topology_is_refused(thing: Any) -> None:
    with pytest.raises(InvalidTopologyError, match="is no topology"):
        topology_spec(thing)


def test_a_spec_is_immutable_and_can_be_shipped() -> None:
    spec = topology_spec(WordCount)
    assert pickle.loads(pickle.dumps(spec)) == spec
    with pytest.raises(FrozenInstanceError):
        spec.name = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        spec.components["split"].tasks = 3  # type: ignore[misc]


def test_the_name_of_a_spec_wins_over_the_attribute() -> None:
    class Named(Topology):
        a = Lines.spec(name="lines")
        b = Sink.spec(name="end", inputs=a)

    spec = topology_spec(Named)
    assert list(spec.components) == ["lines", "end"]
    assert spec.components["end"].inputs == (shuffled("lines"),)


def test_a_subclass_inherits_replaces_adds_and_drops() -> None:
    class OtherLines(Lines): ...

    class Changed(WordCount):
        lines = OtherLines.spec(par=3)
        sink = Sink.spec(inputs=[WordCount.count["totals"], WordCount.lines])

    spec = topology_spec(Changed)
    assert list(spec.components) == ["lines", "split", "count", "sink"]
    assert spec.components["lines"].component is OtherLines
    assert spec.components["split"].inputs == (shuffled("lines"),)
    assert spec.components["sink"].inputs == (shuffled("count", "totals"), shuffled("lines"))

    class Shorter(WordCount):
        count = None

    assert list(topology_spec(Shorter).components) == ["lines", "split"]


def test_an_object_may_add_components() -> None:
    class Parallel(Topology):
        lines = Lines.spec()

        def __init__(self, par: int) -> None:
            self.split = Split.spec(inputs=[self.lines], par=par)

    assert topology_spec(Parallel(5)).components["split"].executors == 5


def test_one_declaration_may_serve_two_topologies() -> None:
    shared = Lines.spec()

    class One(Topology):
        a = shared
        sink = Sink.spec(inputs=shared)

    class Two(Topology):
        b = shared
        sink = Sink.spec(inputs=shared)

    assert topology_spec(One).components["sink"].inputs == (shuffled("a"),)
    assert topology_spec(Two).components["sink"].inputs == (shuffled("b"),)


def test_loops_name_what_is_not_there_yet_by_its_id() -> None:
    class Loop(Topology):
        lines = Lines.spec()
        first = Split.spec(inputs=[lines, "second", "first"])
        second = Count.spec(inputs={"first": Grouping.GLOBAL, "second:totals": Grouping.ALL})

    spec = topology_spec(Loop)
    assert spec.components["first"].inputs == tuple(map(shuffled, ("lines", "second", "first")))
    assert spec.components["second"].inputs == (
        Subscription("first", "default", Grouping.GLOBAL),
        Subscription("second", "totals", Grouping.ALL),
    )
    assert spec.cycles() == (frozenset({"first", "second"}),)


def test_everyone_has_a_dead_letter_stream() -> None:
    class Watched(Topology):
        lines = Lines.spec()
        sink = Sink.spec(inputs=lines)
        dead = Sink.spec(inputs={sink["__dead_letter"]: Grouping.fields("component")})

    assert topology_spec(Watched).components["dead"].inputs[0].stream == "__dead_letter"


def test_an_instance_keeps_its_arguments_also_in_a_class() -> None:
    comma = Split(",")

    class Commas(Topology):
        lines = Lines.spec()
        split = comma.spec(inputs=[lines])

    assert topology_spec(Commas).components["split"].component is comma


def test_what_the_declaration_says_wins_over_what_the_class_says() -> None:
    class Slow(Sink):
        threaded = True
        on_error = "drop"
        par = 4
        tick_freq_secs = 5
        config = {"a": 1, "b": 1}

    class Slows(Topology):
        lines = Lines.spec()
        own = Slow.spec(inputs=lines)
        told = Slow.spec(
            inputs=lines,
            par=2,
            threaded=False,
            on_error="dead-letter",
            config={"b": 2, "topology.tick.tuple.freq.secs": "1m"},
        )

    spec = topology_spec(Slows)
    own, told = spec.components["own"], spec.components["told"]
    assert (own.threaded, own.on_error, own.executors, own.tick_freq_secs) == (True, "drop", 4, 5)
    assert own.config == {"a": 1, "b": 1, "topology.tick.tuple.freq.secs": 5}
    assert (told.threaded, told.on_error, told.executors) == (False, "dead-letter", 2)
    assert told.tick_freq_secs == 60
    assert (told.config["a"], told.config["b"]) == (1, 2)


def test_parallelism_may_depend_on_the_environment() -> None:
    class Scaled(Topology):
        lines = Lines.spec(par={"dev": 1, "prod": 8})

    assert topology_spec(Scaled, "prod").components["lines"].executors == 8
    assert topology_spec(Scaled, environment="dev").components["lines"].executors == 1


@pytest.mark.parametrize(
    ("par", "tasks", "config", "expected"),
    [
        (3, None, {}, (3, 3)),
        (2, 6, {}, (2, 6)),
        (6, 2, {}, (2, 2)),
        (3, None, {"topology.tasks": 7}, (3, 7)),
        (3, 5, {"topology.tasks": 7}, (3, 5)),
        (9, 12, {"topology.max.task.parallelism": 4}, (4, 4)),
    ],
)
def test_executors_are_capped_by_tasks_and_both_by_the_maximum(
    par: int, tasks: int | None, config: dict[str, Any], expected: tuple[int, int]
) -> None:
    builder = TopologyBuilder()
    declarer = builder.set_spout("lines", Lines, par).set_config(config)
    if tasks is not None:
        declarer.set_num_tasks(tasks)
    lines = topology_spec(builder).components["lines"]
    assert (lines.executors, lines.tasks) == expected


def test_configuration_at_submit_lies_over_the_topologys_own() -> None:
    over = {"topology.workers": 5, "topology.max.task.parallelism": 1}
    spec = topology_spec(WordCount, config=over)
    assert spec.config == over
    assert spec.components["split"].executors == 1
    assert topology_spec(topology_spec(WordCount), config={"x": 1}).config == {
        "topology.workers": 2,
        "x": 1,
    }
    assert WordCount.config == {"topology.workers": 2}


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Reading:
    sensor: str
    value: float


@pytest.mark.parametrize(
    ("outputs", "streams"),
    [
        (None, {}),
        ([], {}),
        (["a", "b"], {"default": Stream(("a", "b"))}),
        (("a",), {"default": Stream(["a"])}),
        (Stream(["a"], name="s"), {"s": Stream(["a"], name="s")}),
        ([Stream(["a"], direct=True)], {"default": Stream(["a"], direct=True)}),
        (["a", Stream([], name="s")], {"default": Stream(["a"]), "s": Stream([], name="s")}),
        (Point, {"default": Stream(["x", "y"])}),
        (Reading, {"default": Stream(["sensor", "value"])}),
        ([Stream(Reading, name="s")], {"s": Stream(["sensor", "value"], name="s")}),
    ],
)
def test_outputs_may_be_written_in_many_ways(outputs: Any, streams: dict[str, Stream]) -> None:
    class Source(Lines): ...

    Source.outputs = outputs
    builder = TopologyBuilder()
    builder.set_spout("source", Source)
    assert topology_spec(builder).components["source"].outputs == streams


class Chooser:
    def prepare(self, context: Any, stream: str, target_tasks: list[int]) -> None: ...

    def choose_tasks(self, source_task: int, values: Any) -> list[int]:
        return []


def test_the_builder_knows_all_groupings_and_chains() -> None:
    chooser = Chooser()
    builder = TopologyBuilder("all")
    builder.set_spout("lines", Lines, parallelism=2)
    builder.set_spout("aimed", type("Aimed", (Lines,), {"outputs": [Stream(["a"], direct=True)]}))
    names = ["count", "two", "three", "four", "five", "six", "seven", "eight"]
    for name in names:
        builder.set_bolt(name, Count, 1).shuffle_grouping("lines")
    (
        builder.set_bolt("sink", Sink, parallelism=3)
        .set_num_tasks(6)
        .set_config({"a": 1})
        .set_config({"b": 2})
        .shuffle_grouping("count")
        .local_or_shuffle_grouping("two")
        .fields_grouping("count", ["total"], stream="totals")
        .fields_grouping("three", "word")
        .partial_key_grouping("four", ["word", "n"])
        .all_grouping("five")
        .global_grouping("six")
        .none_grouping("seven")
        .direct_grouping("aimed")
        .custom_grouping("eight", chooser)
        .grouping("eight", Grouping.GLOBAL, "totals")
    )
    sink = topology_spec(builder).components["sink"]
    assert (sink.executors, sink.tasks, sink.config) == (3, 6, {"a": 1, "b": 2})
    found = [(one.component, one.stream, one.grouping) for one in sink.inputs]
    assert found == [
        ("count", "default", Grouping.SHUFFLE),
        ("two", "default", Grouping.LOCAL_OR_SHUFFLE),
        ("count", "totals", Grouping.fields("total")),
        ("three", "default", Grouping.fields("word")),
        ("four", "default", Grouping.partial_key("word", "n")),
        ("five", "default", Grouping.ALL),
        ("six", "default", Grouping.GLOBAL),
        ("seven", "default", Grouping.NONE),
        ("aimed", "default", Grouping.DIRECT),
        ("eight", "default", Grouping.custom(chooser)),
        ("eight", "totals", Grouping.GLOBAL),
    ]


def test_a_grouping_reads_as_it_is_written() -> None:
    assert repr(Grouping.SHUFFLE) == "Grouping.SHUFFLE"
    assert repr(Grouping.LOCAL_OR_SHUFFLE) == "Grouping.LOCAL_OR_SHUFFLE"
    assert repr(Grouping.fields("a", "b")) == "Grouping.fields('a', 'b')"
    assert repr(Grouping.custom(3)) == "Grouping.custom(3)"
    assert len({Grouping.fields("a"), Grouping.fields("a"), Grouping.partial_key("a")}) == 2


@pytest.mark.parametrize(
    "value", [Stream(["a"], "s", direct=True), Grouping.fields("a"), Grouping.SHUFFLE], ids=repr
)
def test_streams_and_groupings_are_immutable_values(value: Any) -> None:
    there = pickle.loads(pickle.dumps(value))
    assert there == value == copy.deepcopy(value)
    assert hash(there) == hash(value)
    for name in value.__slots__:
        with pytest.raises(AttributeError, match="is immutable"):
            setattr(value, name, 3)
        with pytest.raises(AttributeError, match="is immutable"):
            delattr(value, name)
    assert value != "something else"
    assert Stream(["a"]) != Stream(["a"], direct=True)
    assert repr(Stream(["a"])) == "Stream(fields=('a',), name='default', direct=False)"


def test_native_components_stand_wherever_a_component_does() -> None:
    class Native(Topology):
        numbers = native.const("a b", outputs=["line"], limit=3).spec()
        words = native.split().spec(inputs=numbers, par=2)
        kept = native.filter("word", equals="a", outputs=["word"]).spec(inputs=words)
        same = native.id(["word"]).spec(inputs=kept)
        count = native.count(by="word").spec(inputs=same)
        null = native.null().spec(inputs={count: Grouping.GLOBAL})

    spec = topology_spec(Native)
    assert {one.id: (one.native, one.native_args) for one in spec.components.values()} == {
        "numbers": ("const", {"value": "a b", "limit": 3}),
        "words": ("split", {}),
        "kept": ("filter", {"by": "word", "equals": "a"}),
        "same": ("id", {}),
        "count": ("count", {"by": "word"}),
        "null": ("null", {}),
    }
    count = spec.components["count"]
    assert count.inputs == (Subscription("same", "default", Grouping.fields("word")),)
    assert count.outputs == {"default": Stream(["word", "count"])}
    builder = TopologyBuilder()
    builder.set_spout("lines", Lines)
    builder.set_bolt("words", native.split(["w"]), 3).shuffle_grouping("lines")
    words = topology_spec(builder).components["words"]
    assert (words.native, words.executors, words.outputs) == (
        "split",
        3,
        {"default": Stream(["w"])},
    )


def test_a_python_component_is_not_native() -> None:
    assert topology_spec(WordCount).components["split"].native is None


def test_a_reliable_spout_is_a_spout() -> None:
    class Safe(ReliableSpout):
        outputs = ("line",)

        def next_tuple(self) -> None: ...

    class Safely(Topology):
        lines = Safe.spec()

    assert isinstance(topology_spec(Safely), TopologySpec)
