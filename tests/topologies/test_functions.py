"""Functions as components in a running topology: what goes in is worked on, at least once."""

import asyncio
import functools
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typhoon import (
    Bolt,
    Emit,
    Grouping,
    LocalCluster,
    Spout,
    Stream,
    Topology,
    TopologyBuilder,
    TopologyFailedError,
    bolt,
    spout,
)

README = """\
from collections import Counter
from typhoon import Topology, bolt, spout

@spout(outputs=["line"])
def lines():
    yield from open("book.txt", encoding="utf-8")

@bolt(outputs=["word"])
def split(line):
    yield from line.split()

@bolt(outputs=["word", "n"], state=Counter, by="word")
def count(word, state):
    state[word] += 1
    return word, state[word]

word_count = Topology.chain(lines, split, count)
"""


class WordCount(NamedTuple):
    word: str
    n: int


@dataclass(frozen=True)
class Reading:
    sensor: str
    value: float


def run(topology, config=None, timeout=20):
    with LocalCluster() as cluster:
        running = cluster.submit("test", topology, config)
        running.wait_until_drained(timeout=timeout)
        return running.stats()


def stats_of(stats, name):
    return next(one for one in stats.components if one.id == name)


def source(items, **options):
    """A generator spout of `items`."""
    options.setdefault("outputs", ["n"])

    @spout(**options)
    def numbers():
        yield from items

    return numbers


def gather(seen):
    """A bolt that notes the tuples it gets."""

    @bolt
    def sink(*values):
        seen.append(values[0] if len(values) == 1 else values)

    return sink


def failing_first(times, seen, **options):
    """A bolt that raises for each value as often as `times`, then notes it."""
    tries = Counter()

    @bolt(**options)
    def flaky(n):
        tries[n] += 1
        if tries[n] <= times:
            raise ValueError(f"{n} for the {tries[n]}. time")
        seen.append(n)

    return flaky


def test_the_first_block_of_the_readme_runs_word_for_word(tmp_path: Path) -> None:
    assert len([line for line in README.splitlines() if line]) <= 15
    (tmp_path / "app.py").write_text(README, encoding="utf-8")
    (tmp_path / "book.txt").write_text("to be or not to be\nthat is the question\n", "utf-8")
    code = (
        "import app, collections, typhoon\n"
        "from typhoon import Topology, bolt, LocalCluster\n"
        "seen = collections.Counter()\n"
        "@bolt\n"
        "def sink(word, n): seen[word] = n\n"
        "stats = typhoon.run(app.word_count)\n"
        "assert stats.emitted == {'lines': 2, 'split': 10, 'count': 10}, stats\n"
        "assert (stats.acked, stats.failed) == (2, 0)\n"
        "typhoon.run(Topology.chain(app.lines, app.split, app.count, sink))\n"
        "text = open('book.txt', encoding='utf-8').read()\n"
        "assert seen == collections.Counter(text.split()), seen\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_command_line_finds_a_chain_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(README, encoding="utf-8")
    command = [sys.executable, "-m", "typhoon.cli", "graph", "app.py:word_count"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "spout lines\n  emits [line]\n  └─ shuffle ─▶ split" in result.stdout
    assert "bolt split\n  emits [word]\n  └─ fields(word) ─▶ count" in result.stdout


@settings(max_examples=20)
@given(st.lists(st.lists(st.sampled_from("abcd")), max_size=12), st.integers(1, 3))
def test_a_word_count_counts_as_a_counter_does(text: list[list[str]], par: int) -> None:
    seen: list[tuple[str, int]] = []

    @bolt(outputs=["word"], par=par)
    def split(line):
        yield from line.split()

    @bolt(outputs=WordCount, state=Counter, by="word", par=par)
    def count(word, state):
        state[word] += 1
        return WordCount(word, state[word])

    lines = [" ".join(words) for words in text]
    stats = run(Topology.chain(source(lines, outputs=["line"]), split, count, gather(seen)))
    wanted = Counter(word for words in text for word in words)
    assert sorted(seen) == sorted((word, n + 1) for word in wanted for n in range(wanted[word]))
    assert (stats.acked, stats.failed) == (len(text), 0)


def test_every_task_makes_a_state_of_its_own_on_the_thread_that_runs_it(threaded):
    made, used = [], []

    class Seen(list):
        def __init__(self):
            made.append(threading.get_ident())
            self.thread = made[-1]

    @bolt(state=Seen, by="n", par=3, threaded=threaded)
    def keep(n, state):
        state.append(n)
        used.append((id(state), n, state.thread == threading.get_ident()))

    run(Topology.chain(source(list(range(10)) * 2), keep))
    assert len(made) == 3
    assert all(same for *_, same in used)
    owner = {n: state for state, n, _ in used}
    assert len(used) == 20
    assert all(owner[n] == state for state, n, _ in used)
    assert len(set(owner.values())) > 1


def test_state_without_by_is_shuffled():
    shares = Counter()

    @bolt(state=list, par=2)
    def keep(n, state):
        shares[id(state)] += 1

    run(Topology.chain(source(range(100)), keep))
    assert sum(shares.values()) == 100
    assert len(shares) == 2


def test_what_failed_is_replayed_until_it_arrives(par, threaded):
    seen = []
    stats = run(
        Topology.chain(source(range(200)), failing_first(2, seen, par=par, threaded=threaded))
    )
    assert Counter(seen) == Counter(range(200))
    assert (stats.acked, stats.failed, stats.replayed) == (200, 400, 400)


@pytest.mark.parametrize("max_fails", [0, 1, 3])
def test_what_fails_too_often_is_given_up_and_counted(max_fails):
    gave_up = []

    class Counting(type(source(range(10), max_fails=max_fails))):
        __slots__ = ()

        def close(self):
            gave_up.append((self.gave_up, self.unacked_tuples, self.failed_tuples))
            super().close()

    seen = []
    stats = run(Topology.chain(Counting(), failing_first(max_fails + 1, seen)))
    assert seen == []
    assert gave_up == [(10, {}, {})]
    assert (stats.acked, stats.failed) == (0, 10 * (max_fails + 1))
    assert "('numbers', " in stats_of(stats, "numbers").last_error


def test_what_is_not_reliable_is_sent_once():
    seen = []
    stats = run(Topology.chain(source(range(50), reliable=False), failing_first(1, seen)))
    assert seen == []
    assert (stats.acked, stats.failed) == (0, 0)
    assert stats_of(stats, "flaky").errors == 50


@pytest.mark.parametrize("reliable", [True, False])
def test_an_emit_names_its_tuple(reliable):
    seen = []
    items = [Emit([n], tup_id=f"id-{n}") for n in range(20)] + [25, (26,)]
    numbers = source(items, reliable=reliable)
    stats = run(Topology.chain(numbers, failing_first(1, seen)))
    assert sorted(seen) == ([*range(20), 25, 26] if reliable else [])
    assert stats.failed == (20 + 2 if reliable else 20)


def test_without_acking_nothing_is_kept():
    kept = []

    class Keeping(type(source(range(10)))):
        __slots__ = ()

        def close(self):
            kept.append(dict(self.unacked_tuples))

    run(Topology.chain(Keeping(), gather([])), {"topology.acker.executors": 0})
    assert kept == [{}]


def test_a_generator_that_yields_none_is_asked_again(wait_until):
    gate = threading.Event()
    asked = []

    @spout(outputs=["n"])
    def numbers():
        yield 1
        while not gate.is_set():
            asked.append(1)
            yield None
        yield 2

    seen = []
    with LocalCluster() as cluster:
        running = cluster.submit("test", Topology.chain(numbers, gather(seen)))
        wait_until(lambda: len(asked) > 3)
        assert seen == [1]
        gate.set()
        running.wait_until_drained(timeout=10)
    assert seen == [1, 2]


def test_a_function_that_is_no_generator_is_called_for_each_tuple():
    left = [3, None, 2, 1]

    @spout(outputs=["n"])
    def numbers():
        if not left:
            raise StopIteration
        return left.pop()

    seen = []
    stats = run(Topology.chain(numbers, failing_first(1, seen)))
    assert sorted(seen) == [1, 2, 3]
    assert (stats.acked, stats.failed) == (3, 3)


def test_a_value_need_not_be_comparable():
    class Matrix:
        __hash__ = None

        def __eq__(self, other):
            raise ValueError("the truth of a matrix is ambiguous")

    one = Matrix()
    left = [one, one]

    @spout(outputs=["m"])
    def matrices():
        if not left:
            raise StopIteration
        return left.pop()

    seen = []
    stats = run(Topology.chain(matrices, bolt(outputs=["m"])(lambda m: m), gather(seen)))
    assert [value is one for value in seen] == [True, True]
    assert (stats.acked, stats.failed) == (2, 0)


def test_a_generator_behind_a_decorator_is_a_generator():
    def plain():
        yield from [1, 2]

    @functools.wraps(plain)
    def around(*values):
        return plain(*values)

    seen = []
    stats = run(Topology.chain(spout(outputs=["n"])(around), gather(seen)))
    assert seen == [1, 2]
    assert stats.acked == 2


def test_a_function_that_raises_is_called_again():
    calls = []

    @spout(outputs=["n"])
    def numbers():
        calls.append(1)
        if len(calls) == 2:
            raise OSError("for once")
        if len(calls) == 4:
            raise StopIteration
        return len(calls)

    seen = []
    stats = run(Topology.chain(numbers, gather(seen)))
    assert seen == [1, 3]
    assert stats_of(stats, "numbers").errors == 1


def test_a_generator_that_raises_ends_the_topology_as_failed_when_it_has_drained():
    @spout(outputs=["n"])
    def numbers():
        yield 1
        raise OSError("no more disk")

    seen = []
    with pytest.raises(TopologyFailedError, match=r"not given all its data: .*no more disk"):
        run(Topology.chain(numbers, gather(seen)))
    assert seen == [1]


def test_a_generator_is_begun_once_per_task_and_closed_with_it():
    begun, closed = [], []

    @spout(outputs=["n", "index"], par=3)
    def numbers(conf, *, context):
        begun.append(context.task_index)
        try:
            while True:
                yield conf["start"], context.task_index
        finally:
            closed.append(context.task_index)

    seen = []
    config = {"start": 7, "topology.max.spout.pending": 10}
    with LocalCluster() as cluster:
        running = cluster.submit("test", Topology.chain(numbers, gather(seen)), config)
        assert not running.wait(0.05)
        assert running.drain(timeout=10)
    assert sorted(begun) == sorted(closed) == [0, 1, 2]
    assert set(seen) == {(7, 0), (7, 1), (7, 2)}


def test_an_emit_reaches_the_stream_that_it_names(threaded):
    @spout(outputs=["n", Stream(["why", "n"], name="odd")])
    def numbers():
        for n in range(10):
            yield Emit(("odd", n), stream="odd") if n % 2 else n

    @bolt(outputs=["n", Stream(["big"], name="big")], threaded=threaded)
    def route(n):
        yield n
        if n > 4:
            yield Emit(n, stream="big")

    even, odd, big = [], [], []

    class Routes(Topology):
        s = numbers.spec()
        r = route.spec(inputs=[s])
        e = gather(even).spec("e", inputs=[r])
        o = gather(odd).spec("o", inputs=[s["odd"]])
        b = gather(big).spec("b", inputs=[r["big"]])

    stats = run(Routes)
    assert even == [0, 2, 4, 6, 8]
    assert odd == [("odd", n) for n in range(1, 10, 2)]
    assert big == [6, 8]
    assert (stats.acked, stats.failed) == (10, 0)


def test_an_emit_on_another_stream_is_replayed_there():
    seen = []

    @spout(outputs=[Stream(["n"], name="side")])
    def numbers():
        for n in range(10):
            yield Emit([n], stream="side")

    class Side(Topology):
        s = numbers.spec()
        b = failing_first(1, seen).spec("b", inputs=[s["side"]])

    assert run(Side).replayed == 10
    assert sorted(seen) == list(range(10))


def test_an_emit_reaches_the_task_that_it_names():
    seen = []

    @spout(outputs=[Stream(["n"], direct=True)])
    def numbers(context):
        tasks = context.tasks_of("sink")
        for n in range(10):
            yield Emit([n], direct_task=tasks[n % 2])

    @bolt(par=2)
    def sink(n, *, context):
        seen.append((context.task_index, n))

    class Direct(Topology):
        s = numbers.spec()
        sink_ = sink.spec("sink", inputs={s: Grouping.DIRECT})

    run(Direct)
    assert sorted(seen) == sorted((n % 2, n) for n in range(10))


@pytest.mark.parametrize("style", ["class", "function"])
@pytest.mark.parametrize("kind", [WordCount, Reading], ids=["NamedTuple", "dataclass"])
def test_typed_outputs(style, kind):
    seen = []

    class Source(Spout):
        outputs = kind

        def initialize(self, conf, context):
            self.left = [1, 2, 3]

        def next_tuple(self):
            if not self.left:
                raise StopIteration
            n = self.left.pop(0)
            self.emit(kind("x", n), tup_id=n)

    class Forward(Bolt):
        outputs = kind

        def process(self, tup):
            self.emit(tup.to(kind))

    class Sink(Bolt):
        def process(self, tup):
            seen.append((tup.to(kind), tup.fields, tup.values))

    forward = bolt(outputs=kind, name="forward")(lambda tup: tup.to(kind))
    numbers = source([kind("x", n) for n in (1, 2, 3)], outputs=kind)
    parts = (Source, Forward) if style == "class" else (numbers, forward)
    stats = run(Topology.chain(*parts, Sink))
    fields = ("word", "n") if kind is WordCount else ("sensor", "value")
    assert seen == [(kind("x", n), fields, ("x", n)) for n in (1, 2, 3)]
    assert (stats.acked, stats.failed) == (3, 0)


def test_a_dataclass_that_failed_is_emitted_again():
    seen, tries = [], Counter()

    @bolt
    def flaky(sensor, value):
        tries[sensor] += 1
        if tries[sensor] == 1:
            raise ValueError(sensor)
        seen.append((sensor, value))

    run(Topology.chain(source([Reading("a", 1), Reading("b", 2)], outputs=Reading), flaky))
    assert sorted(seen) == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (3, "gave 3 to emit on stream 'default', which has the 2 fields ['a', 'b']"),
        ((1, 2, 3), "'wrong' emitted 3 values"),
        (Emit((1, 2), stream="odd"), "declares no stream 'odd'"),
        (([], 1), "a list cannot be a grouping key"),
    ],
    ids=["bare", "three", "stream", "key"],
)
def test_what_cannot_be_emitted_is_told_with_the_functions_name(answer, words):
    def wrong(n):
        return answer

    def also_wrong(n):
        yield answer

    def source_of_it():
        yield answer

    grouped = bolt(by="a", par=2)(lambda a, b: None)
    for component in (
        bolt(outputs=["a", "b"], name="wrong")(wrong),
        bolt(outputs=["a", "b"], name="wrong")(also_wrong),
        spout(outputs=["a", "b"], name="wrong")(source_of_it),
        spout(outputs=["a", "b"], name="wrong", reliable=False)(source_of_it),
    ):
        before = [] if isinstance(component, Spout) else [source([1], max_fails=0)]
        stats = run(Topology.chain(*before, component, grouped))
        said = stats_of(stats, "wrong").last_error
        assert f"the function '{component.__name__}' (test_functions.py:" in said
        assert words in said
        assert stats.acked == 0


def test_a_builder_runs_functions_and_classes_together():
    seen = []

    class Double(Bolt):
        outputs = ["n"]

        def process(self, tup):
            self.emit([tup[0] * 2])

    builder = TopologyBuilder()
    builder.set_spout("numbers", source(range(5)), 2)
    builder.set_bolt("double", Double(), 2).shuffle_grouping("numbers")
    builder.set_bolt("sink", gather(seen), 2).fields_grouping("double", ["n"])
    run(builder)
    assert Counter(seen) == Counter(list(range(0, 10, 2)) * 2)


def test_a_bolt_takes_streams_of_several_lengths():
    seen = []

    @bolt
    def sink(a, b="none"):
        seen.append((a, b))

    class Two(Topology):
        one = source([1]).spec()
        two = source([(2, 3)], outputs=["a", "b"]).spec()
        both = sink.spec(inputs=[one, two])

    run(Two)
    assert sorted(seen) == [(1, "none"), (2, 3)]


def test_a_component_can_be_shipped():
    with LocalCluster(check_serializable=True) as cluster:
        running = cluster.submit("test", Topology.chain(shipped_lines, shipped_split))
        running.wait_until_drained(timeout=10)
        assert running.stats().emitted["shipped_split"] == 3


@spout(outputs=["line"])
def shipped_lines():
    yield from ["a b", "c"]


@bolt(outputs=["word"])
def shipped_split(line):
    yield from line.split()


def test_what_a_generator_yielded_before_it_raised_was_sent():
    seen = []

    @bolt(outputs=["n"])
    def half(n):
        yield n
        raise ValueError(n)

    stats = run(Topology.chain(source([1, 2], max_fails=0), half, gather(seen)))
    assert seen == [1, 2]
    assert (stats.acked, stats.failed) == (0, 2)


@pytest.mark.parametrize("on_error", ["drop", "dead-letter"])
def test_on_error_holds_for_functions(on_error):
    letters = []

    class Letters(Topology):
        numbers = source([1]).spec()
        wrong = bolt(on_error=on_error)(lambda n: 1 / 0).spec(inputs=[numbers])
        sink = gather(letters).spec(inputs=[wrong["__dead_letter"]])

    stats = run(Letters)
    assert (stats.acked, stats.failed) == (1, 0)
    assert len(letters) == (on_error == "dead-letter")


@pytest.mark.parametrize("yields", [False, True])
def test_async_functions_are_awaited(yields: bool) -> None:
    seen: list[int] = []

    if yields:

        async def double(n):
            await asyncio.sleep(0)
            yield n
            await asyncio.sleep(0.001)
            yield n

    else:

        async def double(n):
            await asyncio.sleep(0.001)
            if n % 2:
                return n
            return None

    @spout(outputs=["n"])
    def numbers():
        yield from range(40)

    @bolt
    def see(n):
        seen.append(n)

    topology = Topology.chain(numbers, bolt(outputs=["n"], max_in_flight=5)(double), see)
    with LocalCluster() as cluster:
        running = cluster.submit("async", topology)
        running.wait_until_drained(timeout=30)
        stats = running.stats()
    expected = [*range(40), *range(40)] if yields else [*range(1, 40, 2)]
    assert sorted(seen) == sorted(expected)
    assert (stats.acked, stats.failed) == (40, 0)
