"""The test kit: complete_topology, scripted spouts, captures, one bolt alone."""

import asyncio
import copy
import pickle
import threading
from collections import Counter
from dataclasses import dataclass

import pytest

import typhoon.testing
from typhoon import (
    Bolt,
    Grouping,
    InvalidTopologyError,
    LocalCluster,
    ReliableSpout,
    Spout,
    Stream,
    Topology,
    TopologyBuilder,
    TopologyFailedError,
    Tuple,
    native,
)
from typhoon.testing import (
    ABORT,
    EOF,
    PAUSE,
    Capture,
    FakeClock,
    Row,
    ScriptedSpout,
    complete_topology,
    run_bolt,
)


class Endless(Spout):
    outputs = ["line"]

    def next_tuple(self):
        self.emit(["from the real source"])


class Split(Bolt):
    outputs = ["word"]

    def process(self, tup):
        for word in tup["line"].split():
            self.emit([word])


class Count(Bolt):
    outputs = ["word", "count"]

    def initialize(self, conf, context):
        self.counts = Counter()
        self.forbidden = conf.get("forbidden")

    def process(self, tup):
        if tup["word"] == self.forbidden:
            raise ValueError(f"{self.forbidden} is forbidden")
        self.counts[tup["word"]] += 1
        self.emit([tup["word"], self.counts[tup["word"]]])


class WordCount(Topology):
    lines = Endless.spec(par=2)
    split = Split.spec(inputs=[lines], par=2)
    count = Count.spec(inputs={split: Grouping.fields("word")}, par=2)


# complete_topology ---------------------------------------------------------------------------


@pytest.mark.parametrize("threads", ["auto", "all"])
def test_a_topology_runs_to_its_end_on_the_data_of_the_test(threads):
    config = {"topology.executor.threads": threads}
    result = complete_topology(
        WordCount, mock_sources={"lines": [["a b"], ["c"], ["a"]]}, config=config
    )
    assert sorted(result["lines"]) == [("a",), ("a b",), ("c",)]
    assert Counter(result["split"]) == Counter([("a",), ("b",), ("c",), ("a",)])
    assert sorted(result["count"]) == [("a", 1), ("a", 2), ("b", 1), ("c", 1)]
    assert result["count"].index(("a", 1)) < result["count"].index(("a", 2))
    assert (result.acked, result.failed, result.timed_out) == (3, 0, 0)
    assert sorted(result.sources["lines"].acked) == [0, 1, 2]


def test_what_fails_is_counted_and_named():
    rows = [["a b"], ["bad"], ["c bad"]]
    result = complete_topology(WordCount, {"lines": rows}, {"forbidden": "bad"})
    assert (result.acked, result.failed) == (1, 2)
    assert sorted(result.sources["lines"].failed) == [1, 2]
    assert sorted(result["count"]) == [("a", 1), ("b", 1), ("c", 1)]


def test_figures_are_those_of_the_topology_alone():
    result = complete_topology(WordCount, {"lines": [["a b"]]})
    assert result.stats.emitted == {"lines": 1, "split": 2, "count": 2}
    assert result.stats.executed == {"split": 1, "count": 2}
    assert [one.id for one in result.stats.components] == ["lines", "split", "count"]
    assert list(result.spec.components) == ["lines", "split", "count"]


def two_streams():
    class Source(Endless):
        outputs = [Stream(["n"], "numbers"), Stream(["a", "b"], "pairs"), "line"]

    class Sort(Bolt):
        outputs = [Stream(["n"], "odd"), Stream(["n"], "even")]
        on_error = "dead-letter"

        def process(self, tup):
            self.emit([tup["n"]], stream="odd" if tup["n"] % 2 else "even")

    class Sink(Bolt):
        def process(self, tup):
            pass

    builder = TopologyBuilder("two")
    builder.set_spout("source", Source)
    builder.set_bolt("sort", Sort).shuffle_grouping("source", "numbers")
    builder.set_bolt("sink", Sink).shuffle_grouping("source", "pairs")
    return builder


def test_every_stream_can_be_given_and_seen():
    result = complete_topology(
        two_streams(),
        {
            ("source", "numbers"): [[1], [2], ["x"], [3]],
            ("source", "pairs"): [[1, 2]],
            "source": [["line"], Row([5], "numbers"), PAUSE],
        },
    )
    assert result.stream("sort", "odd") == [(1,), (3,), (5,)]
    assert result.stream("sort", "even") == [(2,)]
    assert result.stream("source", "pairs") == [(1, 2)]
    assert result["source"] == [("line",)]
    assert result["sort"] == result["sink"] == []
    (letter,) = result.stream("sort", "__dead_letter")
    assert letter[:3] == ("source", "numbers", ("x",))
    assert result.emitted("sort").keys() == {"odd", "even", "__dead_letter"}
    assert result.emitted("sink") == {}
    assert {tup.fields for tup in result.tuples("sort", "odd")} == {("n",)}
    assert result.acked == 7


def test_asking_for_what_is_not_there():
    result = complete_topology(two_streams(), {"source": []})
    with pytest.raises(KeyError, match="no component 'sorter', but"):
        result["sorter"]
    with pytest.raises(KeyError, match="'sort' has no stream 'default', but"):
        result.stream("sort", "default")
    with pytest.raises(TypeError, match="not iterable"):
        list(result)


def test_all_mistakes_in_mock_sources_are_listed():
    sources = {
        "linse": [],
        "split": [],
        ("lines", "x"): [],
        "lines": [["a"], ["a", "b"], Row(["c"], "y")],
    }
    with pytest.raises(InvalidTopologyError) as caught:
        complete_topology(WordCount, sources)
    text = str(caught.value)
    assert len(caught.value.mistakes) == 5
    for part in [
        "names 'linse', which is not in the topology\n     hint: did you mean 'lines'?",
        "names 'split', which is a bolt\n     hint: only spouts are given other data, here",
        "names stream 'x' of 'lines'\n     hint: it has ['default']",
        "of 'lines': row 1, ['a', 'b'], has 2 values\n     hint: its fields are ['line']",
        "of 'lines': row 2, ['c'], is for stream 'y'\n     hint: it has ['default']",
    ]:
        assert part in text


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["a"], "b"], "row 1 of the script is 'b', which is no list of values\n     hint: ['b']"),
        ("ab", "a script is a list of rows, not 'ab'"),
    ],
)
def test_rows_that_are_none(rows, words):
    with pytest.raises(InvalidTopologyError) as caught:
        complete_topology(WordCount, {"lines": rows})
    assert words in str(caught.value)


def test_a_wrong_topology_is_refused_as_ever():
    with pytest.raises(InvalidTopologyError, match="there is no spout"):
        complete_topology(TopologyBuilder("empty"))


def test_a_spout_may_stand_in(journal):
    instance = ScriptedSpout([["x"]])
    for source in (instance, journal.source(["x"])):
        result = complete_topology(WordCount, {"lines": source})
        assert ("x", 1) in result["count"]
        assert result.sources["lines"] is source
    assert instance.acked == [0]


def test_a_spout_that_is_not_named_runs_as_it_is(journal):
    builder = TopologyBuilder("two sources")
    builder.set_spout("a", journal.source([1, 2]))
    builder.set_spout("b", Endless)
    builder.set_bolt("seen", journal.bolt()).shuffle_grouping("a").shuffle_grouping("b")
    result = complete_topology(builder, {"b": [[3]]})
    assert sorted(journal.seen) == [1, 2, 3]
    assert list(result.sources) == ["b"]


def test_native_components_are_replaced_and_seen():
    builder = TopologyBuilder("native")
    builder.set_spout("lines", native.const("x y", ["line"]))
    builder.set_bolt("split", native.split()).shuffle_grouping("lines")
    builder.set_bolt("count", native.count(by="word")).fields_grouping("split", "word")
    result = complete_topology(builder, {"lines": [["a b a"]]})
    assert result["split"] == [("a",), ("b",), ("a",)]
    assert result["count"] == [("a", 1), ("b", 1), ("a", 2)]


def test_the_last_tick_is_seen(journal):
    def tick(self, tup):
        self.emit([len(journal.seen)])

    builder = TopologyBuilder("ticks")
    builder.set_spout("numbers", Endless)
    bolt = journal.bolt(process_tick=tick, tick_freq_secs=3600)
    builder.set_bolt("sum", bolt).shuffle_grouping("numbers")
    assert complete_topology(builder, {"numbers": [["a"], ["b"]]})["sum"] == [(2,)]


def test_replays_are_seen_too(journal):
    class Stubborn(ReliableSpout):
        outputs = ["n"]
        left = 1

        def next_tuple(self):
            if not self.left:
                raise StopIteration
            self.left = 0
            self.emit([7], tup_id=7)

    def process(self, tup):
        journal.seen.append(tup[0])
        if len(journal.seen) < 3:
            raise ConnectionError

    builder = TopologyBuilder("replays")
    builder.set_spout("numbers", Stubborn)
    builder.set_bolt("bolt", journal.bolt(process)).shuffle_grouping("numbers")
    result = complete_topology(builder)
    assert result["numbers"] == [(7,)] * 3
    assert (result.acked, result.failed) == (1, 2)


def test_direct_streams_say_that_they_are_not_seen():
    class Director(Bolt):
        outputs = [Stream(["n"], direct=True)]

        def initialize(self, conf, context):
            self.targets = context.tasks_of("seen")

        def process(self, tup):
            self.emit([tup[0]], direct_task=self.targets[0])

    seen = Capture()
    builder = TopologyBuilder("direct")
    builder.set_spout("source", Endless)
    builder.set_bolt("director", Director).shuffle_grouping("source")
    builder.set_bolt("seen", seen).direct_grouping("director")
    result = complete_topology(builder, {"source": [["x"]]})
    assert seen.values == [("x",)]
    with pytest.raises(ValueError, match="'default' of 'director' is direct"):
        result["director"]


def test_loops_are_run_to_their_end():
    class Down(Bolt):
        outputs = ["n"]

        def process(self, tup):
            if tup[0]:
                self.emit([tup[0] - 1])

    builder = TopologyBuilder("loop")
    builder.set_spout("start", Endless)
    builder.set_bolt("down", Down).shuffle_grouping("start").shuffle_grouping("down")
    assert complete_topology(builder, {"start": [[3]]})["down"] == [(2,), (1,), (0,)]


# What it waits for ---------------------------------------------------------------------------


def test_a_spout_that_does_not_end_is_named():
    with pytest.raises(TimeoutError) as caught:
        complete_topology(WordCount, timeout=0.3)
    assert "'WordCount' has not drained in 0.3 s" in str(caught.value)
    assert "these spouts have not ended: ['lines']" in str(caught.value)
    assert "hint: give its data by mock_sources" in str(caught.value)


def test_a_tuple_that_nobody_settles_is_named(journal):
    builder = TopologyBuilder("forgetful")
    builder.set_spout("lines", Endless)
    builder.set_bolt("bolt", journal.bolt(auto_ack=False)).shuffle_grouping("lines")
    with pytest.raises(TimeoutError) as caught:
        complete_topology(builder, {"lines": [["a"], Row(["b"], tup_id="the b")]}, timeout=0.3)
    text = str(caught.value)
    assert "2 trees of 'lines' are pending; the oldest tup_ids are [0, 'the b']" in text
    assert "hint" not in text


def test_a_bolt_that_does_not_come_back_is_named(journal, gate):
    def process(self, tup):
        gate.wait(10)

    builder = TopologyBuilder("slow")
    builder.set_spout("lines", Endless)
    bolt = journal.bolt(process, threaded=True)
    builder.set_bolt("bolt", bolt).shuffle_grouping("lines")
    timer = threading.Timer(0.6, gate.set)
    timer.start()
    with pytest.raises(TimeoutError, match="tuples wait for bolt 'bolt'"):
        complete_topology(builder, {"lines": [["a"], PAUSE, ["b"], ["c"]]}, timeout=0.3)
    timer.join()


# Under a fake clock --------------------------------------------------------------------------


def test_time_outs_cost_no_waiting_under_a_fake_clock(journal):
    builder = TopologyBuilder("forgetful")
    builder.set_spout("lines", Endless)
    builder.set_bolt("bolt", journal.bolt(auto_ack=False)).shuffle_grouping("lines")
    clock = FakeClock()
    result = complete_topology(builder, {"lines": [["a"], ["b"]]}, clock=clock)
    assert (result.acked, result.failed, result.timed_out) == (0, 0, 2)
    assert sorted(result.sources["lines"].failed) == [0, 1]
    assert clock.now_ns >= 30e9


def test_pauses_go_by_the_fake_clock(journal):
    def tick(self, tup):
        self.emit([len(journal.seen)])

    builder = TopologyBuilder("pauses")
    builder.set_spout("lines", Endless)
    bolt = journal.bolt(process_tick=tick, tick_freq_secs=10)
    builder.set_bolt("bolt", bolt).shuffle_grouping("lines")
    script = [["a"], PAUSE(60), ["b"], PAUSE, ["c"]]
    result = complete_topology(builder, {"lines": script}, clock=FakeClock())
    assert journal.seen == ["a", "b", "c"]
    assert result["bolt"][:5] == [(1,)] * 5
    assert result["bolt"][-1] == (3,)


def test_an_endless_topology_is_late_under_a_fake_clock_too():
    with pytest.raises(TimeoutError, match="these spouts have not ended"):
        complete_topology(WordCount, timeout=0.3, clock=FakeClock())


# Scripts -------------------------------------------------------------------------------------


def test_a_script_step_by_step(wait_until):
    clock, seen = FakeClock(), Capture()
    script = ScriptedSpout([["a"], PAUSE, ["b"], PAUSE(5), ["c"], EOF, ["d"]], clock=clock)
    builder = TopologyBuilder("script")
    builder.set_spout("script", script)
    builder.set_bolt("seen", seen).shuffle_grouping("script")
    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit("script", builder)
        wait_until(lambda: script.acked == [0, 1])
        clock.advance(4.75)
        assert seen.values == [("a",), ("b",)]
        clock.advance(0.5)
        assert seen.values == [("a",), ("b",), ("c",)]
        topology.wait_until_drained(timeout=10)
    assert script.acked == [0, 1, 2]
    seen.clear()
    assert seen.tuples == []


def test_a_pause_goes_by_the_computers_clock_where_there_is_no_other():
    result = complete_topology(WordCount, {"lines": [["a"], PAUSE(0.2), ["b"]]})
    assert result.acked == 2
    assert result.stats.seconds >= 0.2


@pytest.mark.parametrize("par", [1, 2, 5])
def test_rows_are_dealt_out_to_the_tasks(par):
    seen = Capture()
    script = ScriptedSpout([[n] for n in range(10)] + [PAUSE, EOF, [99]])
    builder = TopologyBuilder("script")
    builder.set_spout("script", script, par)
    builder.set_bolt("seen", seen).global_grouping("script")
    assert complete_topology(builder)["script"] == seen.values
    assert sorted(seen.values) == [(n,) for n in range(10)]
    by_task = {}
    for tup in seen.tuples:
        by_task.setdefault(tup.task, []).append(tup[0])
    assert sorted(by_task.values()) == [list(range(task, 10, par)) for task in range(par)]
    assert sorted(script.acked) == list(range(10))


def test_rows_may_say_more():
    @dataclass
    class Reading:
        value: float

    rows = [Row([1.5], tup_id="first"), Reading(2.5), (3.5,)]
    script = ScriptedSpout(rows, [Stream(["value"])])
    builder = TopologyBuilder("script")
    builder.set_spout("script", script)
    builder.set_bolt("seen", Capture()).shuffle_grouping("script")
    assert complete_topology(builder)["script"] == [(1.5,), (2.5,), (3.5,)]
    assert script.acked == ["first", 1, 2]


def test_abort_ends_the_topology_without_draining():
    with pytest.raises(TopologyFailedError) as caught:
        complete_topology(WordCount, {"lines": [["a"], PAUSE, ABORT, ["b"]]})
    assert caught.value.message == "spout 'lines' ended the topology: its script says ABORT"


def test_abort_in_a_cluster_closes_everything(journal, chain):
    script = ScriptedSpout([[1], ABORT, [2]], ["n"])
    with LocalCluster() as cluster:
        topology = cluster.submit("abort", chain(script, journal.bolt()))
        with pytest.raises(TopologyFailedError, match="its script says ABORT"):
            topology.wait_until_drained(timeout=10)
        assert 2 not in journal.seen
        assert journal.closed


def test_a_row_that_cannot_be_emitted_ends_the_topology(journal, chain):
    with LocalCluster() as cluster:
        topology = cluster.submit("wrong", chain(ScriptedSpout([[1, 2]], ["n"]), journal.bolt()))
        with pytest.raises(TopologyFailedError, match="emitted 2 values"):
            topology.wait_until_drained(timeout=10)


def test_a_script_starts_over_when_its_worker_restarts(journal):
    def process(self, tup):
        journal.seen.append(tup[0])
        if tup[0] == "b" and journal.seen.count("b") == 1:
            raise RuntimeError("once")

    builder = TopologyBuilder("again")
    builder.set_spout("lines", Endless)
    builder.set_bolt("bolt", journal.bolt(process, on_error="exit")).shuffle_grouping("lines")
    result = complete_topology(builder, {"lines": [["a"], PAUSE, ["b"]]})
    assert journal.seen[-2:] == ["a", "b"]
    assert set(result.sources["lines"].acked) == {0, 1}


def test_marks_are_what_they_are_when_copied():
    for mark in (EOF, ABORT, PAUSE):
        assert copy.deepcopy(mark) == mark
        assert pickle.loads(pickle.dumps(mark)) == mark
    assert repr([EOF, ABORT, PAUSE, PAUSE(2.5)]) == "[EOF, ABORT, PAUSE, PAUSE(2.5)]"


# Captures and one bolt alone -----------------------------------------------------------------


def test_all_tasks_capture_into_one_list():
    seen = Capture()

    class Captured(Topology):
        lines = ScriptedSpout([[str(n)] for n in range(30)], ["line"]).spec()
        seen_by = seen.spec(inputs=[lines], par=3)

    assert complete_topology(Captured).acked == 30
    assert sorted(int(line) for (line,) in seen.values) == list(range(30))
    assert len({tup.id for tup in seen.tuples}) == 30


def test_run_bolt():
    run = run_bolt(Count, [["a"], ["b"], ["a"]], fields=["word"])
    assert run.emitted == [("a", 1), ("b", 1), ("a", 2)]
    assert run.acked == [["a"], ["b"], ["a"]]
    assert run.failed == []
    assert run.stats.executed == 3


@pytest.mark.parametrize(
    "row", [{"word": "bad"}, Tuple(values=["bad"], fields=["word"], component="x")]
)
def test_run_bolt_with_rows_that_know_their_fields(row):
    run = run_bolt(Count(), [row, {"word": "good"}], {"forbidden": "bad"})
    assert run.emitted == [("good", 1)]
    assert run.acked == [{"word": "good"}]
    assert run.failed == [row]
    assert run.stats.last_error == "process: ValueError: bad is forbidden"


def test_run_bolt_on_another_stream_to_other_streams():
    class Sort(Bolt):
        outputs = [Stream(["n"], "odd"), Stream(["n"], "even")]

        def process(self, tup):
            assert (tup.component, tup.stream) == ("source", "numbers")
            self.emit([tup["value0"]], stream="odd" if tup[0] % 2 else "even")

    run = run_bolt(Sort, [[n] for n in range(5)], stream="numbers")
    assert run.stream("odd") == [(1,), (3,)]
    assert run.stream("even") == [(0,), (2,), (4,)]
    assert run.emitted == []


def test_run_bolt_that_keeps_a_row_open():
    class Keeps(Bolt):
        outputs = ["n"]
        auto_ack = False
        tick_freq_secs = 1

        def initialize(self, conf, context):
            self.kept = []

        def process(self, tup):
            self.kept.append(tup)

        def process_tick(self, tup):
            if self.kept:
                self.emit([len(self.kept)])
                self.ack(self.kept.pop(0))
                self.kept.clear()

    run = run_bolt(Keeps, [["a"], ["b"], ["c"]])
    assert run.emitted == [(3,)]
    assert run.acked == [["a"]]
    assert run.failed == [["b"], ["c"]]
    assert run.result.timed_out == 2


@pytest.mark.parametrize("kind", ["coroutine", "thread"])
def test_run_bolt_that_waits_is_given_the_time(kind):
    class Awaits(Bolt):
        outputs = ["n"]

        async def process(self, tup):
            await asyncio.sleep(0.2)
            self.emit([tup[0]])

    class Sleeps(Bolt):
        outputs = ["n"]
        threaded = True

        def process(self, tup):
            threading.Event().wait(0.2)
            self.emit([tup[0]])

    run = run_bolt(Awaits if kind == "coroutine" else Sleeps, [["a"], ["b"]])
    assert sorted(run.emitted) == [("a",), ("b",)]
    assert run.result.timed_out == 0


def test_run_bolt_over_nothing():
    assert run_bolt(Count, []).emitted == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["a"], r"row 0 is 'a', no list of values\nhint: \['a'\]"),
        ([["a"], ["a", "b"]], "row 1, .* has 2 values for"),
        ([{"a": 1}, {"b": 1}], "row 1 has the fields"),
    ],
)
def test_run_bolt_over_rows_that_do_not_go_together(rows, words):
    with pytest.raises(ValueError, match=words):
        run_bolt(Count, rows)


def test_run_bolt_says_what_is_wrong_with_the_bolt():
    with pytest.raises(InvalidTopologyError, match="Endless is a spout"):
        run_bolt(Endless, [["a"]])


# The package ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", typhoon.testing.__all__)
def test_the_package_has_what_it_promises(name):
    assert getattr(typhoon.testing, name) is not None
    assert name in dir(typhoon.testing)


def test_a_name_that_nobody_promised_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Captrue'"):
        _ = typhoon.testing.Captrue
