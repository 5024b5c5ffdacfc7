"""Functions as components: what they take and give, how they travel, and every mistake in them."""

import copy
import functools
import inspect
import pickle
from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typhoon import (
    Bolt,
    Emit,
    Grouping,
    InvalidTopologyError,
    Spout,
    Stream,
    Topology,
    TopologyBuilder,
    TopologySpec,
    Tuple,
    bolt,
    native,
    spout,
    topology_spec,
)
from typhoon.errors import EmitError
from typhoon.topology import FunctionBolt, FunctionSpout
from typhoon.topology._emit import Outlet
from typhoon.topology._parameters import bolt_parameters
from typhoon.topology._spec import Coroutines


class WordCount(NamedTuple):
    word: str
    n: int


@dataclass
class Reading:
    sensor: str
    value: float


@dataclass
class Only:
    word: str


@spout(outputs=["line"])
def lines():
    """Two lines."""
    yield "a b"
    yield "c"


@spout(outputs=["a", "b"])
def pairs(conf, *, context):
    yield conf, context


@bolt(outputs=["word"])
def split(line: str):
    """The words of a line."""
    yield from line.split()


@bolt(outputs=WordCount, state=Counter, by="word", par=3, config={"k": 1}, on_error="drop")
def count(word, state):
    state[word] += 1
    return WordCount(word, state[word])


@bolt
def show(word):
    print(word)


class Lines(Spout):
    outputs = ["line"]

    def next_tuple(self):
        raise StopIteration


class Upper(Bolt):
    outputs = ["word"]
    by = ("line",)

    def process(self, tup):
        self.emit([tup["line"].upper()])


def mistakes(topology: Any) -> list[str]:
    with pytest.raises(InvalidTopologyError) as caught:
        topology_spec(topology)
    return list(caught.value.mistakes)


def of_bolt(function: Any, source: Any = lines) -> list[str]:
    return mistakes(Topology.chain(source, function))


def the_mistake(function: Any, source: Any = lines) -> str:
    (mistake,) = of_bolt(function, source)
    return mistake


class Task:
    """A bolt's task without an engine: it notes what is emitted."""

    def __init__(self, component: Any, conf: Any = None, context: Any = None) -> None:
        sent = self.sent = []

        class Noting(type(component)):
            __slots__ = ()

            def emit(self, tup, *rest, **named):
                sent.append(tuple(tup) if isinstance(tup, list | tuple) else tup)

        self.task = Noting()
        self.task.initialize(conf or {}, context)

    def __call__(self, *values: Any) -> list[Any]:
        before = len(self.sent)
        self.task.process(Tuple(values=values))
        return self.sent[before:]


# What a decorated function is -------------------------------------------------------------------


def test_it_is_still_the_function_for_who_calls_it() -> None:
    assert list(split("a b")) == ["a", "b"]
    assert list(lines()) == ["a b", "c"]
    assert count("x", Counter(x=2)) == ("x", 3)
    assert split.__name__ == "split"
    assert split.__doc__ == "The words of a line."
    assert split.__module__ == __name__
    assert inspect.isgeneratorfunction(split.__wrapped__)
    assert list(inspect.signature(split).parameters) == ["line"]
    assert "split" in repr(split)
    assert "test_functions.py" in repr(split)


def test_it_is_a_component() -> None:
    assert isinstance(split, Bolt)
    assert isinstance(split, FunctionBolt)
    assert isinstance(lines, Spout)
    assert isinstance(lines, FunctionSpout)
    assert split.outputs == ["word"]


def test_parentheses_may_be_left_out() -> None:
    @bolt()
    def sink(word): ...

    for component in (show, sink):
        spec = topology_spec(Topology.chain(lines, component))
        assert spec.bolts[0].outputs == {}
    assert show.__name__ == "show"


def test_outputs_may_be_given_by_position() -> None:
    typed = bolt(WordCount)(lambda word: (word, 1))
    named = bolt(["word"])(lambda word: word)
    assert topology_spec(Topology.chain(lines, typed)).bolts[0].outputs["default"].fields == (
        "word",
        "n",
    )
    assert Task(named)("x") == [("x",)]


@pytest.mark.parametrize("component", [lines, pairs, split, count, show])
def test_it_pickles_and_copies(component: Any) -> None:
    for other in (
        pickle.loads(pickle.dumps(component)),
        copy.deepcopy(component),
        copy.copy(component),
    ):
        assert other is not component
        assert other.__name__ == component.__name__
        assert other.__wrapped__ is component.__wrapped__
        assert other.options == component.options


def test_what_was_pickled_works() -> None:
    again = pickle.loads(pickle.dumps(count))
    task = Task(again)
    assert task("a") + task("a") == [("a", 1), ("a", 2)]
    assert again.default_grouping == Grouping.fields("word")


def test_a_function_that_keeps_its_own_name_pickles_too() -> None:
    again = pickle.loads(pickle.dumps(bolt(outputs=["word"])(undecorated)))
    assert Task(again)("x") == [("x!",)]
    assert undecorated.__qualname__ == "undecorated"


def undecorated(word):
    return word + "!"


@pytest.mark.parametrize("thing", [3, Upper, split, "word-count"])
def test_what_is_no_function_is_refused(thing: Any) -> None:
    with pytest.raises(InvalidTopologyError, match="stands before a function"):
        bolt(outputs=["word"])(thing)
    with pytest.raises(InvalidTopologyError, match="stands before a function"):
        spout(outputs=["word"])(thing)


# What it takes ----------------------------------------------------------------------------------


class KeepsAll:
    def __call__(self, *values):
        return list(values)


def closing(log):
    class Closing:
        def close(self):
            log.append("closed")

    return Closing


def _takes() -> list[Any]:
    def one(a): ...
    def default(a, b=1): ...
    def rest(a, *more): ...
    def only_rest(*all_of_them): ...
    def positional(a, b, /): ...
    def with_state(a, state): ...
    def state_first(state, a): ...
    def state_by_name(a, *, state): ...
    def all_by_name(a, *, state, conf, context): ...
    def nothing(): ...
    def by_name_with_default(a, *, more=1): ...

    return [
        (one, False, (1, 1)),
        (default, False, (1, 2)),
        (rest, False, (1, None)),
        (only_rest, False, (0, None)),
        (positional, False, (2, 2)),
        (with_state, True, (1, 1)),
        (with_state, False, (2, 2)),  # without state= it is a field like any other
        (state_first, True, (1, 1)),
        (state_by_name, True, (1, 1)),
        (all_by_name, True, (1, 1)),
        (nothing, False, (0, 0)),
        (by_name_with_default, False, (1, 1)),
        (KeepsAll(), False, (0, None)),
        (functools.partial(positional, 1), False, (1, 1)),
    ]


@pytest.mark.parametrize(("function", "has_state", "count"), _takes())
def test_how_many_values_go_in(function: Any, has_state: bool, count: Any) -> None:
    parameters = bolt_parameters(function, has_state=has_state)
    assert (parameters.least, parameters.most) == count
    assert parameters.unmet == ()


@given(
    needed=st.integers(0, 3),
    optional=st.integers(0, 3),
    rest=st.booleans(),
    fields=st.integers(0, 7),
)
def test_a_stream_fits_when_python_would_call_the_function(
    needed: int, optional: int, rest: bool, fields: int
) -> None:
    names = [f"a{i}" for i in range(needed)] + [f"b{i}=None" for i in range(optional)]
    function = eval(f"lambda {', '.join(names + ['*more'] * rest)}: None")
    outputs = [f"f{i}" for i in range(fields)] or Stream([])
    source = spout(outputs=outputs, name="source")(lambda: None)
    try:
        function(*range(fields))
    except TypeError:
        assert "takes" in the_mistake(bolt(function), source)
    else:
        topology_spec(Topology.chain(source, bolt(function)))


def test_each_way_of_taking_values() -> None:
    def closed(a, b=7, *more, state, conf, context):
        return [a, b, more, state, conf, context]

    fields = ["a", "b", "c", "d", "e", "f"]

    def make(function, n=2, **more):
        return Task(bolt(outputs=fields[:n], **more)(function), {"k": 1}, "here")

    assert make(lambda a, b: (b, a))(1, 2) == [(2, 1)]
    assert make(lambda a: (a, a))(1) == [(1, 1)]
    assert make(lambda *all_of_them: all_of_them)(1, 2) == [(1, 2)]
    assert make(lambda a, b=5: (a, b))(1) == [(1, 5)]
    assert make(lambda tup: tup.values)(1, 2) == [(1, 2)]
    assert make(lambda tup, state: (tup[0], state), state=list)(1, 2) == [(1, [])]
    assert make(lambda a, b, state: (a, state), state=list)(1, 2) == [(1, [])]
    assert make(lambda state, a: (a, state), state=list)(1) == [(1, [])]
    assert make(lambda a, state, b: (a, b), state=list)(1, 2) == [(1, 2)]
    assert make(lambda a, state, *more: (a, more), state=list)(1, 2, 3) == [(1, (2, 3))]
    assert make(lambda a, b=3, state=None: (a, b), state=list)(1) == [(1, 3)]
    assert make(lambda a, *, conf: (a, conf["k"]))(2) == [(2, 1)]
    assert make(lambda tup, *, context: (tup[0], context))(2) == [(2, "here")]
    assert make(closed, n=6, state=list)(1) == [(1, 7, (), [], {"k": 1}, "here")]
    assert make(KeepsAll())(1, 2) == [(1, 2)]


def test_a_positional_conf_is_a_field() -> None:
    assert Task(bolt(outputs=["x"])(lambda conf: conf))(5) == [(5,)]


def test_each_task_has_a_state_of_its_own() -> None:
    first, second = Task(count), Task(count)
    assert first("a") + first("a") + second("a") == [("a", 1), ("a", 2), ("a", 1)]


def test_a_state_with_close_is_closed() -> None:
    log: list[str] = []
    keeping = Task(bolt(state=closing(log))(lambda word, state: None))
    keeping("x")
    assert log == []
    keeping.task.close()
    assert log == ["closed"]
    Task(count).task.close()


# What it gives ----------------------------------------------------------------------------------

ONE = bolt(outputs=["x"])
TWO = bolt(outputs=["x", "y"])


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (None, []),
        ("word", [("word",)]),
        ("", [("",)]),
        (0, [(0,)]),
        (False, [(False,)]),
        ({"a": 1}, [({"a": 1},)]),
        (("word",), [("word",)]),
        (["word"], [("word",)]),
        ((None,), [(None,)]),
        (Emit("word"), [("word",)]),
        (Emit([None]), [(None,)]),
        (Emit(None), [(None,)]),
        (Reading("s", 1), [(Reading("s", 1),)]),
        (1j, [(1j,)]),
        (WordCount, [(WordCount,)]),
    ],
    ids=repr,
)
def test_what_one_field_makes_of_an_answer(answer: Any, sent: list[Any]) -> None:
    def yields(x):
        yield answer

    assert Task(ONE(lambda x: answer))(1) == sent
    assert Task(ONE(lambda x, *, conf: answer))(1) == sent
    assert Task(ONE(yields))(1) == sent


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (None, []),
        ((1, 2), [(1, 2)]),
        ([1, 2], [(1, 2)]),
        (WordCount("a", 2), [("a", 2)]),
        (Emit((1, 2)), [(1, 2)]),
    ],
    ids=repr,
)
def test_what_two_fields_make_of_an_answer(answer: Any, sent: list[Any]) -> None:
    def yields(x):
        yield answer

    assert Task(TWO(lambda x: answer))(1) == sent
    assert Task(TWO(yields))(1) == sent


def test_a_record_is_a_tuple_where_the_stream_has_its_fields() -> None:
    reading = Reading("s", 1.5)
    assert Task(bolt(outputs=Reading)(lambda x: reading))(1) == [reading]
    assert Task(bolt(outputs=["value", "sensor"])(lambda x: reading))(1) == [reading]
    assert Task(bolt(outputs=Only)(lambda x: Only("a")))(1) == [Only("a")]
    assert Task(bolt(outputs=Stream(Only))(lambda x: Only("a")))(1) == [Only("a")]
    assert Task(bolt(outputs=["other"])(lambda x: Only("a")))(1) == [(Only("a"),)]


@given(st.lists(st.one_of(st.text(), st.integers(), st.none(), st.tuples(st.floats())), max_size=9))
def test_a_generator_emits_one_tuple_for_each_answer_in_order(answers: list[Any]) -> None:
    def yields(x):
        yield from answers

    @functools.wraps(yields)
    def around(*values):
        return yields(*values)

    def hiding(x):
        return around(x)

    wanted = [one if isinstance(one, tuple) else (one,) for one in answers if one is not None]
    assert repr(Task(ONE(yields))(1)) == repr(wanted)
    assert repr(Task(ONE(around))(1)) == repr(Task(ONE(hiding))(1)) == repr(wanted)


@pytest.mark.parametrize("answer", ["ab", 3, {"x": 1, "y": 2}, {1, 2}, Only("a"), Emit("ab")])
def test_what_two_fields_cannot_make_of_an_answer(answer: Any) -> None:
    def broken(x):
        return answer

    with pytest.raises(
        EmitError, match=r"'broken' \(test_functions.py:\d+\) gave .* 2 fields"
    ) as e:
        Task(TWO(broken))(1)
    assert e.value.hint == "give a tuple: (x, y)"


def test_nothing_can_be_emitted_without_outputs() -> None:
    with pytest.raises(EmitError, match=r"'<lambda>' .* gave 3 to emit, but declares no outputs"):
        Task(bolt(lambda x: 3))(1)


def test_a_generator_or_a_coroutine_is_never_a_value() -> None:
    async def fetch(x): ...

    def hiding(x):
        return fetch(x)

    with pytest.raises(EmitError, match="gave a coroutine to emit"):
        Task(ONE(hiding))(1)
    with pytest.raises(EmitError, match="gave a generator to emit"):
        Outlet(undecorated, ["x"]).read(Emit(one for one in "ab"))


def test_a_bolt_cannot_name_what_it_emits() -> None:
    with pytest.raises(EmitError, match="gave a tup_id, 5, to what a bolt emits"):
        Task(ONE(lambda x: Emit("a", tup_id=5)))(1)


def test_what_emit_refuses_is_told_with_the_functions_name() -> None:
    class Refusing(type(TWO(lambda x: ((1, 2, 3))))):
        __slots__ = ()

        def emit(self, tup, *rest):
            raise EmitError("'b' emitted 3 values", hint="emit 2")

    refusing = Refusing()
    refusing.initialize({}, None)
    with pytest.raises(EmitError) as caught:
        refusing.process(Tuple(values=[1]))
    assert "the function '<lambda>' (test_functions.py:" in str(caught.value)
    assert str(caught.value).endswith("'b' emitted 3 values\nhint: emit 2")


def test_an_emit_is_a_value() -> None:
    one = Emit(["a"], stream="errors", tup_id=3, direct_task=4)
    assert (one.values, one.stream, one.tup_id, one.direct_task) == (["a"], "errors", 3, 4)
    assert one == copy.copy(one) == pickle.loads(pickle.dumps(one))
    with pytest.raises(AttributeError, match="immutable"):
        one.stream = "other"


@given(st.one_of(st.none(), st.text(), st.lists(st.text()), st.integers(), st.just(WordCount)))
def test_unsound_outputs_are_left_to_the_check_of_the_topology(outputs: Any) -> None:
    outlet = Outlet(undecorated, outputs)
    assert all(isinstance(fields, tuple) for fields in outlet.fields.values())


# Mistakes ---------------------------------------------------------------------------------------


def test_too_few_parameters() -> None:
    assert the_mistake(bolt(lambda word: None), pairs) == (
        "bolt '<lambda>': <lambda>(word) takes 1 value, but 'pairs' emits ['a', 'b']\n"
        "hint: one parameter for each field: def <lambda>(a, b); "
        "a single one called tup gets the Tuple"
    )


def test_too_many_parameters_with_state() -> None:
    @bolt(state=dict)
    def merge(a, b, state): ...

    assert the_mistake(merge) == (
        "bolt 'merge': merge(a, b, state) takes 2 values, but 'lines' emits ['line']\n"
        "hint: one parameter for each field: def merge(line, state); "
        "a single one called tup gets the Tuple"
    )


def test_every_input_is_checked() -> None:
    @spout(outputs=[Stream(["a", "b", "c"], name="errors"), "x"])
    def source():
        yield 1

    @bolt
    def sink(a, b=1): ...

    class Wrong(Topology):
        s = source.spec()
        p = pairs.spec()
        sink_of_all = sink.spec(inputs=[s, p, s["errors"], s["__dead_letter"]])

    assert [line.partition("\n")[0] for line in mistakes(Wrong)] == [
        f"bolt 'sink_of_all': sink(a, b=1) takes 1 to 2 values, but 's' emits {emits}"
        for emits in (
            "['a', 'b', 'c'] on stream 'errors'",
            "['component', 'stream', 'values', 'error', 'traceback'] on stream '__dead_letter'",
        )
    ]


def test_all_mistakes_are_listed_together() -> None:
    @bolt(outputs=["n"], state={}, by="wrod", threaded="yes", par=0)
    def bad(a, b): ...

    said = "\n".join(of_bolt(bad))
    for words in (
        "takes 2 values",
        "groups by field 'wrod'",
        "threaded must be True or False",
        "parallelism must be",
        "state={} cannot be called",
        "has no parameter 'state'",
    ):
        assert words in said


def test_a_spout_cannot_be_async() -> None:
    async def fetch(): ...

    async def fetch_all():
        yield "x"

    for function in (fetch, fetch_all):
        source = spout(outputs=["line"])(function)
        assert "is async" in the_mistake(bolt(lambda line: None), source)


def test_an_async_function_is_a_bolt_of_coroutines() -> None:
    @bolt(outputs=["x"], max_in_flight=7, ordered=True, timeout_secs=1.5)
    async def fetch(line): ...

    spec = topology_spec(Topology.chain(spout(outputs=["line"])(lambda: "x"), fetch, name="it"))
    assert spec.components["fetch"].coroutines == Coroutines(7, True, 1.5)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (Counter(), "state=Counter() cannot be called, but each task needs an object of its own"),
        (Reading, "state=Reading cannot be called without arguments"),
        (lambda a: a, "state=<lambda> cannot be called without arguments"),
    ],
)
def test_a_state_that_cannot_be_made(state: Any, words: str) -> None:
    assert words in the_mistake(bolt(state=state)(lambda line, state: None))


def test_a_state_that_python_knows_nothing_about_is_taken() -> None:
    topology_spec(Topology.chain(lines, bolt(state=dict)(lambda line, state: None)))


def test_parameters_that_nobody_gives_a_value() -> None:
    def needy(line, *, path): ...

    for component, source in ((bolt(needy), lines), (show, spout(outputs=["x"])(needy))):
        said = "\n".join(of_bolt(component, source))
        assert "nothing is passed for 'path' of needy(line, *, path)" in said
        assert ("nothing is passed for 'line' of needy" in said) == (component is show)


def test_a_spout_without_outputs_and_a_bolt_that_yields_without() -> None:
    assert "lines() emits, but declares no outputs" in "\n".join(
        mistakes(Topology.chain(spout(lines.__wrapped__)))
    )
    assert "split(line: str) emits" not in the_mistake(bolt(split.__wrapped__))
    assert "emits, but declares no outputs" in the_mistake(bolt(split.__wrapped__))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reliable": 1}, "reliable must be True or False, not 1"),
        ({"max_fails": -1}, "max_fails must be a whole number of at least 0, not -1"),
        ({"max_fails": "3"}, "max_fails must be a whole number of at least 0, not '3'"),
        ({"on_error": "ignore"}, "on_error must be one of"),
        ({"config": 3}, "config is 3, which is no mapping"),
        ({"name": "__x"}, "ids that begin with '__' are typhoon's own"),
    ],
)
def test_wrong_options_of_a_spout(options: Any, words: str) -> None:
    wrong = spout(outputs=["x"], **options)(lambda: None)
    assert words in "\n".join(mistakes(Topology.chain(wrong)))


def test_a_plain_function_is_told_to_be_decorated() -> None:
    assert the_mistake(undecorated) == (
        "bolt 'undecorated': the function undecorated is no bolt\n"
        "hint: write @bolt(...) in the line before it"
    )


# Where it stands --------------------------------------------------------------------------------


def test_it_stands_in_a_class() -> None:
    class Words(Topology):
        source = lines.spec(par=2)
        parts = split.spec(inputs=[source], config={"x": 1})
        tally = count.spec(inputs={parts: Grouping.fields("word")})

    spec = topology_spec(Words)
    assert list(spec.components) == ["source", "parts", "tally"]
    assert spec.components["source"].executors == 2
    assert spec.components["parts"].config == {"x": 1}
    tally = spec.components["tally"]
    assert (tally.executors, tally.config, tally.on_error) == (3, {"k": 1}, "drop")
    assert tally.outputs["default"].fields == ("word", "n")


def test_by_is_the_grouping_where_none_is_given() -> None:
    @bolt(by=("a", "b"))
    def sink(a, b): ...

    class Words(Topology):
        p = pairs.spec()
        grouped = sink.spec(inputs=[p])
        shuffled = sink.spec(inputs={p: Grouping.SHUFFLE})

    spec = topology_spec(Words)
    assert spec.components["grouped"].inputs[0].grouping == Grouping.fields("a", "b")
    assert spec.components["shuffled"].inputs[0].grouping == Grouping.SHUFFLE


def test_the_name_of_the_decorator_is_the_id() -> None:
    named = bolt(name="sink")(lambda line: None)

    class Words(Topology):
        source = lines.spec()
        first = named.spec(inputs=[source])
        second = named.spec("other", inputs=[source])

    assert list(topology_spec(Words).components) == ["source", "sink", "other"]
    assert list(topology_spec(Topology.chain(lines, named)).components) == ["lines", "sink"]


def test_it_stands_in_a_builder() -> None:
    builder = TopologyBuilder("words")
    builder.set_spout("lines", lines)
    builder.set_bolt("split", split, 2).shuffle_grouping("lines")
    builder.set_bolt("count", count, 4).fields_grouping("split", ["word"])
    spec = topology_spec(builder)
    assert spec.components["count"].executors == 4
    assert spec.components["count"].config == {"k": 1}


def test_a_chain() -> None:
    chain = Topology.chain(lines, split, count, name="words", config={"topology.workers": 2})
    assert isinstance(chain, Topology)
    spec = topology_spec(chain)
    assert isinstance(spec, TopologySpec)
    assert (spec.name, spec.config) == ("words", {"topology.workers": 2})
    assert list(spec.components) == ["lines", "split", "count"]
    assert [one.inputs[0].component for one in spec.bolts] == ["lines", "split"]
    assert [one.inputs[0].grouping for one in spec.bolts] == [
        Grouping.SHUFFLE,
        Grouping.fields("word"),
    ]
    assert topology_spec(chain) == topology_spec(chain)


def test_a_chain_of_everything() -> None:
    class Passing(Bolt):
        outputs = ["word"]

        def __init__(self, suffix):
            self.suffix = suffix

        def process(self, tup):
            self.emit([tup[0] + self.suffix])

    spec = topology_spec(
        Topology.chain(Lines, Upper, Passing("!"), split.spec(par=2), native.count(by="word"))
    )
    assert list(spec.components) == ["Lines", "Upper", "Passing", "split", "count"]
    assert spec.components["split"].executors == 2
    assert [one.inputs[0].grouping for one in spec.bolts] == [
        Grouping.fields("line"),
        Grouping.SHUFFLE,
        Grouping.SHUFFLE,
        Grouping.fields("word"),
    ]


def test_one_function_twice_in_a_chain_needs_a_name() -> None:
    again = bolt(outputs=["word"])(undecorated)
    assert mistakes(Topology.chain(lines, again, again)) == [
        "there are two components with the id 'undecorated'\nhint: ids are unique"
    ]
    chain = Topology.chain(lines, again, again.spec(name="twice"))
    spec = topology_spec(chain)
    assert list(spec.components) == ["lines", "undecorated", "twice"]
    assert spec.components["twice"].inputs[0].component == "undecorated"


def test_chains_that_cannot_be() -> None:
    assert "there is no spout" in "\n".join(mistakes(Topology.chain()))
    assert "split is a bolt" in "\n".join(mistakes(Topology.chain(split)))
    assert "Lines is a spout" in the_mistake(Lines)
    assert "Lines is a spout" in the_mistake(Lines.spec())
    assert "groups by field 'word'" in the_mistake(bolt(by="word")(lambda line: None))
    assert "3 is no spout" in "\n".join(mistakes(Topology.chain(3)))


@pytest.mark.parametrize("make", [iter, map], ids=["iterator", "map"])
def test_an_iterator_is_no_value(make):
    @bolt(outputs=["n"])
    def several(n):
        return iter([n]) if make is iter else map(str, [n])

    outlet = several.outlet
    with pytest.raises(EmitError, match="gave an iterator to emit") as caught:
        outlet.read(several(1))
    assert caught.value.hint == "yield from it; or return (it,) if it is itself the value"
    given = iter([1])
    assert outlet.read((given,)).values == (given,)
