"""Each mistake that can be made in a topology is found, named, and told with all the others."""

from abc import abstractmethod
from typing import Any

import pytest

from typhoon import bolt
from typhoon.errors import InvalidTopologyError
from typhoon.topology import (
    Bolt,
    Grouping,
    Spout,
    Stream,
    Topology,
    TopologyBuilder,
    native,
    topology_spec,
)


class Lines(Spout):
    outputs = ("line",)

    def next_tuple(self) -> None: ...


class Split(Bolt):
    outputs = ("word", Stream(["error"], name="errors"), Stream(["x"], name="aimed", direct=True))

    def process(self, tup: Any) -> None: ...


class Sink(Bolt):
    def process(self, tup: Any) -> None: ...


def mistakes(topology: Any, **options: Any) -> list[str]:
    with pytest.raises(InvalidTopologyError) as caught:
        topology_spec(topology, **options)
    found = list(caught.value.mistakes)
    assert [mistake for mistake in found if "\nhint: " not in mistake] == []
    return found


def of_bolt(cls: Any) -> list[str]:
    """The mistakes of a topology whose only fault can be the bolt 'b' of class `cls`."""
    builder = TopologyBuilder("t")
    builder.set_spout("lines", Lines)
    builder.set_bolt("b", cls).shuffle_grouping("lines")
    return mistakes(builder)


def of_inputs(inputs: Any) -> list[str]:
    """The mistakes of a bolt 'b' that takes in `inputs`, made from the spec of a Split."""

    class Inputs(Topology):
        lines = Lines.spec()
        split = Split.spec(inputs=lines)
        b = Sink.spec(inputs=inputs(split))

    return mistakes(Inputs)


def test_every_mistake_is_listed() -> None:
    class Wrong(Topology):
        lines = Lines.spec(par=0)
        split = Split.spec(inputs=["linse"], on_error="ignore")
        count = Sink.spec(inputs={split["word"]: "shuffle"})
        alone = Sink.spec()

    with pytest.raises(InvalidTopologyError, match="'Wrong' cannot run: 6 mistakes"):
        topology_spec(Wrong)


def test_no_spout_at_all() -> None:
    class Empty(Topology): ...

    assert mistakes(Empty) == ["there is no spout, so nothing would ever happen\nhint: add a spout"]


def test_an_unknown_component() -> None:
    assert of_inputs(lambda split: ["splt"]) == [
        "bolt 'b' takes from 'splt', which is not in the topology\nhint: did you mean 'split'?"
    ]


def test_an_unknown_component_of_the_builder() -> None:
    builder = TopologyBuilder("t")
    builder.set_spout("lines", Lines)
    builder.set_bolt("b", Sink).fields_grouping("lnes", ["line"])
    assert mistakes(builder) == [
        "bolt 'b' takes from 'lnes', which is not in the topology\nhint: did you mean 'lines'?"
    ]


def test_a_spec_that_is_not_in_the_topology() -> None:
    (mistake,) = of_inputs(lambda split: Lines.spec())
    assert "takes from Lines.spec(...), which is not in the topology" in mistake


def test_an_unknown_stream() -> None:
    assert of_inputs(lambda split: split["errrors"]) == [
        (
            "bolt 'b' takes stream 'errrors' of 'split', which declares "
            "['default', 'errors', 'aimed']\nhint: did you mean 'errors'?"
        )
    ]


def test_a_stream_of_a_component_without_outputs() -> None:
    class Chain(Topology):
        lines = Lines.spec()
        a = Sink.spec(inputs=lines)
        b = Sink.spec(inputs=a)

    assert mistakes(Chain) == [
        "bolt 'b' takes stream 'default' of 'a', which declares no outputs\nhint: give 'a' outputs"
    ]


def test_an_unknown_field() -> None:
    assert of_inputs(lambda split: {split: Grouping.fields("wrod")}) == [
        "bolt 'b' groups by field 'wrod', but 'split' emits ['word']\nhint: did you mean 'word'?"
    ]


def test_an_unknown_field_of_a_named_stream_and_a_partial_key() -> None:
    (mistake,) = of_inputs(lambda split: {split["errors"]: Grouping.partial_key("q", "error")})
    assert mistake == (
        "bolt 'b' groups by field 'q', but 'split' emits ['error'] on stream 'errors'\n"
        "hint: there is 'error'"
    )


@pytest.mark.parametrize("name", ["fields", "partial_key"])
def test_a_grouping_without_fields(name: str) -> None:
    (mistake,) = of_inputs(lambda split: {split: getattr(Grouping, name)()})
    assert mistake == (
        f"bolt 'b' groups by no field: Grouping.{name}() names none\nhint: 'split' emits ['word']"
    )


def test_a_list_in_place_of_names() -> None:
    (mistake,) = of_inputs(lambda split: {split: Grouping.fields(["word"])})
    assert mistake.endswith("hint: Grouping.fields('word')")


@pytest.mark.parametrize(
    ("grouping", "hint"),
    [
        ("shuffle", "Grouping.SHUFFLE"),
        ("fields", "Grouping.fields('word')"),
        ("word", "did you mean Grouping.fields('word')?"),
        (Grouping.fields, "call it: Grouping.fields('word')"),
        (Grouping.custom, "call it: Grouping.custom(object)"),
        (None, "one of Grouping.SHUFFLE, Grouping.fields(...), Grouping.GLOBAL, ..."),
        (Grouping, "one of Grouping.SHUFFLE, Grouping.fields(...), Grouping.GLOBAL, ..."),
        (
            Grouping("sideways"),
            "one of Grouping.SHUFFLE, Grouping.fields(...), Grouping.GLOBAL, ...",
        ),
    ],
)
def test_what_is_no_grouping(grouping: Any, hint: str) -> None:
    (mistake,) = of_inputs(lambda split: {split: grouping})
    assert "is no Grouping" in mistake
    assert mistake.endswith(f"hint: {hint}")


def test_a_direct_stream_needs_a_direct_grouping_and_the_other_way_round() -> None:
    (mistake,) = of_inputs(lambda split: [split["aimed"]])
    assert mistake == (
        "bolt 'b': stream 'aimed' of 'split' is direct, but the grouping is Grouping.SHUFFLE\n"
        "hint: use Grouping.DIRECT"
    )
    (mistake,) = of_inputs(lambda split: {split: Grouping.DIRECT})
    assert mistake == (
        "bolt 'b': stream 'default' of 'split' is not direct, but the grouping is "
        "Grouping.DIRECT\nhint: declare it Stream(..., direct=True)"
    )


class Unprepared:
    def choose_tasks(self, source_task: int, values: Any) -> list[int]:
        return []


def test_a_custom_grouping_lacks_a_method() -> None:
    (mistake,) = of_inputs(lambda split: {split: Grouping.custom(Unprepared())})
    assert "has no method 'prepare'" in mistake
    assert len(of_inputs(lambda split: {split: Grouping.custom(object())})) == 2


def test_a_custom_grouping_is_an_object_not_a_class() -> None:
    assert of_inputs(lambda split: {split: Grouping.custom(Unprepared)}) == [
        "bolt 'b': Grouping.custom needs an object\nhint: Grouping.custom(Unprepared())"
    ]


@pytest.mark.parametrize("inputs", [None, [], {}, ()])
def test_a_bolt_without_inputs(inputs: Any) -> None:
    (mistake,) = of_inputs(lambda split: inputs)
    assert mistake.startswith("bolt 'b' has no inputs")


def test_inputs_that_are_none() -> None:
    (mistake,) = of_inputs(lambda split: 7)
    assert mistake.startswith("bolt 'b': inputs is 7")
    (mistake,) = of_inputs(lambda split: [Split])
    assert mistake.startswith("bolt 'b' takes from the class Split, which is not in the topology")


def test_a_stream_that_is_taken_twice() -> None:
    (mistake,) = of_inputs(lambda split: [split, "split"])
    assert mistake.startswith("bolt 'b' takes stream 'default' of 'split' twice")


def test_a_duplicate_id() -> None:
    builder = TopologyBuilder("t")
    builder.set_spout("a", Lines)
    builder.set_bolt("a", Sink).shuffle_grouping("a")
    assert mistakes(builder) == ["there are two components with the id 'a'\nhint: ids are unique"]

    class Twice(Topology):
        a = Lines.spec(name="x")
        b = Lines.spec(name="x")

    assert mistakes(Twice) == ["there are two components with the id 'x'\nhint: ids are unique"]


def test_one_spec_under_two_names() -> None:
    class Twice(Topology):
        a = b = Lines.spec()

    assert mistakes(Twice) == [
        "'a' and 'b' are one and the same spec()\nhint: call spec() once for each component"
    ]


@pytest.mark.parametrize("name", ["__acker", "__a", "", 3, None])
def test_an_id_that_cannot_be_one(name: Any) -> None:
    builder = TopologyBuilder("t")
    builder.set_spout("lines", Lines)
    builder.set_spout(name, Lines)
    (mistake,) = mistakes(builder)
    assert mistake.startswith(f"spout {name!r}: ")


@pytest.mark.parametrize("par", [0, -1, True, 1.0, "2", [1]])
def test_a_parallelism_that_is_no_whole_number_of_at_least_one(par: Any) -> None:
    builder = TopologyBuilder("t")
    builder.set_spout("lines", Lines, par)
    rule = "must be a whole number of at least 1"
    hint = "hint: write 1 or more, without quotes, or leave it out"
    assert mistakes(builder) == [f"spout 'lines': parallelism {rule}, not {par!r}\n{hint}"]
    builder = TopologyBuilder("t")
    builder.set_spout("lines", Lines).set_num_tasks(par)
    assert mistakes(builder) == [f"spout 'lines': tasks {rule}, not {par!r}\n{hint}"]


@pytest.mark.parametrize("par", [100_001, 10**30])
def test_a_parallelism_beyond_all_measure(par: int) -> None:
    builder = TopologyBuilder("t")
    builder.set_spout("lines", Lines, par)
    (mistake,) = mistakes(builder)
    assert mistake.startswith(
        f"spout 'lines': parallelism is {par}: a component has at most 100000 tasks\n"
    )
    builder = TopologyBuilder("t")
    builder.set_spout("lines", Lines).set_num_tasks(par)
    (mistake,) = mistakes(builder)
    assert mistake.startswith("spout 'lines': tasks is")


@pytest.mark.parametrize("environment", [None, "test"])
def test_a_parallelism_for_another_environment(environment: str | None) -> None:
    class Scaled(Topology):
        lines = Lines.spec(par={"dev": 1, "prod": 8})

    (mistake,) = mistakes(Scaled, environment=environment)
    assert "environments ['dev', 'prod']" in mistake
    assert mistake.endswith("hint: --environment dev")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("threaded", "yes", "threaded must be True or False, not 'yes'"),
        ("threaded", 1, "threaded must be True or False, not 1"),
        ("on_error", "dead_letter", "not 'dead_letter'\nhint: did you mean 'dead-letter'?"),
        ("on_error", None, "not None"),
        ("config", ["a"], "config is ['a'], which is no mapping of keys to values"),
        ("tick_freq_secs", -1, "topology.tick.tuple.freq.secs is -1: it must be a duration"),
        ("tick_freq_secs", 1e-9, "secs is 1e-09: it must be a duration of at least 1ms, or 0"),
        ("tick_freq_secs", 1e300, "secs is 1e+300: it must be a duration of at most 10000d"),
        ("tick_freq_secs", "soon", "topology.tick.tuple.freq.secs is 'soon': it must be"),
    ],
)
def test_a_class_attribute_of_the_wrong_kind(field: str, value: Any, said: str) -> None:
    (mistake,) = of_bolt(type("Odd", (Sink,), {field: value}))
    assert mistake.startswith("bolt 'b': ")
    assert said in mistake


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ("word", "outputs is 'word', which is no list of field names"),
        (7, "outputs is 7, which is no list of field names"),
        (int, "outputs is <class 'int'>, which is no list of field names"),
        ([1], "1 is no field name"),
        ([""], "'' is no field name"),
        (["a", "b", "a"], "stream 'default' has the field 'a' more than once"),
        ([Stream(["a"]), Stream(["b"])], "declares stream 'default' twice"),
        (["a", Stream(["b"])], "declares stream 'default' twice"),
        ([Stream("word")], "the fields of stream 'default' are 'word', no list"),
        ([Stream(["a"], name="__x")], "stream '__x': names that begin with '__' are typhoon's own"),
        ([Stream(["a"], name="")], "a stream's name must be a str"),
        ([Stream(["a"], name=4)], "a stream's name must be a str"),
        ([Stream(["a"], direct="no")], "direct must be True or False"),
    ],
)
def test_outputs_of_the_wrong_kind(outputs: Any, said: str) -> None:
    (mistake,) = of_bolt(type("Odd", (Sink,), {"outputs": outputs}))
    assert mistake.startswith("bolt 'b'")
    assert said in mistake


def test_a_bare_string_as_outputs_has_a_hint() -> None:
    (mistake,) = of_bolt(type("Odd", (Sink,), {"outputs": "word"}))
    assert mistake.endswith('hint: did you mean outputs = ["word"]?')


def test_wrong_outputs_are_told_once_not_again_by_who_takes_from_them() -> None:
    class Wrong(Topology):
        lines = type("Odd", (Lines,), {"outputs": "line"}).spec()
        b = Sink.spec(inputs={lines: Grouping.fields("x")})

    assert len(mistakes(Wrong)) == 1


class NoProcess(Bolt): ...


class Silent(Spout): ...


class Async(Sink):
    async def initialize(self, conf: Any, context: Any) -> None: ...


class AsyncGenerator(Bolt):
    async def process(self, tup: Any) -> Any:
        yield tup


class AsyncThreaded(Bolt):
    threaded = True

    async def process(self, tup: Any) -> None: ...


class AsyncMany(Bolt):
    async def process(self, tup: Any) -> None: ...

    def process_many(self, tups: Any) -> None: ...


class AsyncHasty(Bolt):
    timeout_secs = 0

    async def process(self, tup: Any) -> None: ...


class AsyncNone(Bolt):
    max_in_flight = 0

    async def process(self, tup: Any) -> None: ...


class Yielding(Bolt):
    def process(self, tup: Any) -> Any:
        yield tup


class AsyncYielding(Bolt):
    async def process_many(self, tups: Any) -> Any:
        yield tups


class NoMethod(Bolt):
    process = 3


class TooFew(Bolt):
    def process(self) -> None: ...


class TooMany(Sink):
    def initialize(self, conf: Any, context: Any, collector: Any) -> None: ...


class NeedsArguments(Sink):
    def __init__(self, separator: str) -> None: ...


class Abstract(Sink):
    @abstractmethod
    def pick(self) -> None: ...


Abstract.__abstractmethods__ = frozenset({"pick"})


@pytest.mark.parametrize(
    ("cls", "said", "hint"),
    [
        (NoProcess, "NoProcess has no method process", "process(self, tup) or process_many(self"),
        (Async, "Async.initialize is async", "threaded = True"),
        (AsyncGenerator, "AsyncGenerator.process is async", "write def process"),
        (AsyncThreaded, "process is async, and threaded is True", "leave threaded out"),
        (AsyncMany, "process_many and an async process", "keep one"),
        (AsyncHasty, "timeout_secs must be a number above 0 or None, not 0", ""),
        (AsyncNone, "max_in_flight must be a whole number of at least 1, not 0", ""),
        (Yielding, "Yielding.process contains yield", "self.emit([...]) in place of yield"),
        (AsyncYielding, "AsyncYielding.process_many is async", "write async def process"),
        (TooFew, "TooFew.process cannot be called", "define process(self, tup)"),
        (TooMany, "TooMany.initialize cannot be called", "define initialize(self, conf, context)"),
        (NeedsArguments, "cannot be called without arguments", "give an instance"),
        (Abstract, "Abstract is abstract: it lacks pick", ""),
        (Lines, "Lines is a spout", "declare it as a spout"),
        (int, "int is no bolt", "subclass of typhoon.Bolt"),
        ("Split", "'Split' is no bolt", "subclass of typhoon.Bolt"),
        (Sink.spec(), "Sink.spec(...) was given", "give the class or an instance"),
        (native.const(1), "native.const(value=1, limit=None) is a spout", ""),
    ],
)
def test_a_component_that_would_not_run(cls: Any, said: str, hint: str) -> None:
    (mistake,) = of_bolt(cls)
    assert mistake.startswith("bolt 'b': ")
    assert said in mistake
    assert hint in mistake


def test_a_process_that_is_no_method_is_missing_and_odd() -> None:
    assert of_bolt(NoMethod) == [
        (
            "bolt 'b': NoMethod has no method process"
            "\nhint: define process(self, tup) or process_many(self, tups)"
        ),
        "bolt 'b': NoMethod.process is 3, no method\nhint: define process(self, tup)",
    ]


def test_a_spout_without_next_tuple() -> None:
    builder = TopologyBuilder("t")
    builder.set_spout("s", Silent)
    assert mistakes(builder) == [
        "spout 's': Silent has no method next_tuple\nhint: define next_tuple(self)"
    ]


def test_a_bolt_that_was_declared_a_spout() -> None:
    builder = TopologyBuilder("t")
    builder.set_spout("s", Sink)
    assert mistakes(builder) == ["spout 's': Sink is a bolt\nhint: declare it as a bolt"]


def test_methods_that_are_fine_are_no_mistake() -> None:
    class Fine(Bolt):
        @staticmethod
        def process(tup: Any) -> None: ...

        def initialize(self, *arguments: Any) -> None: ...

        def close(self, reason: str = "") -> None: ...

        def process_tick(self, tup: Any, /, **more: Any) -> None: ...

        def __init__(self, separator: str = " ") -> None: ...

    class FineToo(Bolt):
        @classmethod
        def process_many(cls, tups: Any) -> None: ...

    builder = TopologyBuilder("t")
    builder.set_spout("lines", Lines)
    builder.set_bolt("b", Fine).shuffle_grouping("lines")
    builder.set_bolt("c", FineToo).shuffle_grouping("lines")
    assert {"b", "c"} < topology_spec(builder).components.keys()


def test_an_instance_that_needed_arguments_is_fine() -> None:
    builder = TopologyBuilder("t")
    builder.set_spout("lines", Lines)
    builder.set_bolt("b", NeedsArguments(",")).shuffle_grouping("lines")
    assert "b" in topology_spec(builder).components


def test_a_configuration_that_is_no_mapping() -> None:
    class Odd(Topology):
        config = "topology.workers"  # type: ignore[assignment]
        lines = Lines.spec()

    (mistake,) = mistakes(Odd)
    assert mistake == (
        "config is 'topology.workers', which is no mapping of keys to values\n"
        'hint: write a dict: {"topology.debug": True}'
    )


class Both(Bolt):
    def process(self, tup: Any) -> None: ...

    def process_many(self, tups: Any) -> None: ...


class Many(Bolt):
    def process_many(self, tups: Any) -> None: ...


class OneOverMany(Many):
    def process(self, tup: Any) -> None: ...


class ManyOverOne(Sink):
    def process_many(self, tups: Any) -> None: ...


@pytest.mark.parametrize("cls", [Both, OneOverMany])
def test_a_process_that_would_never_be_called(cls: Any) -> None:
    (mistake,) = of_bolt(cls)
    assert f"{cls.__name__} has process_many, so its process would never be called" in mistake


@pytest.mark.parametrize("cls", [Many, ManyOverOne])
def test_a_process_many_that_takes_over(cls: Any) -> None:
    builder = TopologyBuilder("t")
    builder.set_spout("lines", Lines)
    builder.set_bolt("b", cls).shuffle_grouping("lines")
    assert topology_spec(builder).components["b"].component is cls


@pytest.mark.parametrize(
    ("name", "value"), [("max_in_flight", 3), ("timeout_secs", 1.5), ("ordered", True)]
)
def test_what_only_coroutines_heed(name: str, value: Any) -> None:
    (mistake,) = of_bolt(type("Plain", (Sink,), {name: value}))
    assert f"{name} is {value!r}, but process is not async, so it has no effect" in mistake
    assert of_function(bolt(**{name: value})(lambda line: None)) == [mistake]


def of_function(component: Any) -> list[str]:
    """The mistakes of a topology whose only fault can be the bolt 'b', a function."""
    builder = TopologyBuilder("t")
    builder.set_spout("lines", Lines)
    builder.set_bolt("b", component).shuffle_grouping("lines")
    return mistakes(builder)


def test_a_chain_says_how_a_chain_goes() -> None:
    first, second, _ = mistakes(Topology.chain(Sink, Lines))
    for mistake in (first, second):
        assert mistake.endswith("hint: a chain begins with its only spout, and goes on with bolts")
