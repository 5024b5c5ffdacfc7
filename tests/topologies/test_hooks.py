"""Hooks hear of everything that a task does; so do topology.debug and the copies of values."""

import asyncio
import copy
import logging
import pickle
import threading
from collections import Counter

import pytest

from typhoon import (
    Bolt,
    InvalidConfigError,
    LocalCluster,
    Spout,
    Stream,
    TaskHook,
    TopologyBuilder,
    TopologyFailedError,
)

EVENTS = ("emit", "spout_ack", "spout_fail", "bolt_execute", "bolt_ack", "bolt_fail")


class Hearing(TaskHook):
    """Notes everything; also what ``topology.auto.task.hooks`` names in the tests below."""

    heard: list = []

    def prepare(self, conf, context):
        self.who = context.component_id
        self.heard.append((self.who, "prepare", conf["topology.name"]))

    def cleanup(self):
        self.heard.append((self.who, "cleanup", None))


def _noting(event):
    def note(self, info):
        self.heard.append((self.who, event, info))

    return note


for event in EVENTS:
    setattr(Hearing, event, _noting(event))


@pytest.fixture
def heard():
    Hearing.heard.clear()
    return Hearing.heard


def run(builder, config=None):
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder, config)
        topology.wait_until_drained(timeout=15)
        return topology.stats()


AUTO = {"topology.auto.task.hooks": [f"{__name__}:Hearing"]}


def counts(heard):
    return Counter((who, event) for who, event, _ in heard)


@pytest.mark.parametrize("many", [False, True], ids=["process", "process_many"])
def test_a_hook_hears_of_all(journal, chain, heard, many, threaded):
    def process(self, tup):
        if tup[0] % 10 == 3:
            raise ValueError
        self.emit([tup[0]])

    def process_many(self, tups):
        for tup in tups:
            if tup[0] % 10 == 3:
                self.fail(tup)
            else:
                self.emit([tup[0]], anchors=[tup])

    body = {"process_many": process_many} if many else {"process": process}
    b1 = journal.bolt(threaded=threaded, **body)
    stats = run(chain(journal.source(range(50)), b1, journal.bolt()), AUTO)
    assert (stats.acked, stats.failed) == (45, 5)
    assert counts(heard) == {
        ("source", "prepare"): 1,
        ("source", "emit"): 50,
        ("source", "spout_ack"): 45,
        ("source", "spout_fail"): 5,
        ("source", "cleanup"): 1,
        ("b1", "prepare"): 1,
        ("b1", "bolt_execute"): 50,
        ("b1", "emit"): 45,
        ("b1", "bolt_ack"): 45,
        ("b1", "bolt_fail"): 5,
        ("b1", "cleanup"): 1,
        ("b2", "prepare"): 1,
        ("b2", "bolt_execute"): 45,
        ("b2", "bolt_ack"): 45,
        ("b2", "cleanup"): 1,
    }
    assert sorted(journal.acked) == [n for n in range(50) if n % 10 != 3]


def test_what_a_hook_is_told(journal, chain, heard):
    run(chain(journal.source([7]), journal.bolt(lambda self, tup: self.emit(["x"]))), AUTO)
    told = {(who, event): info for who, event, info in heard}
    sent = told["source", "emit"]
    assert (sent.values, sent.stream, sent.tup_id) == ((7,), "default", 7)
    assert len(sent.target_tasks) == 1
    assert len(sent.trees) == 1
    nobody = told["b1", "emit"]
    assert (nobody.values, list(nobody.target_tasks), nobody.tup_id) == (("x",), [], None)
    assert told["b1", "bolt_execute"].tup.values == (7,)
    assert told["b1", "bolt_execute"].task_id == sent.target_tasks[0]
    assert told["b1", "bolt_execute"].execute_latency_ms > 0
    ack = told["b1", "bolt_ack"]
    assert ack.process_latency_ms >= told["b1", "bolt_execute"].execute_latency_ms
    assert told["source", "spout_ack"].tup_id == 7
    assert told["source", "spout_ack"].complete_latency_ms > ack.process_latency_ms


def test_without_acking_a_spout_is_acked_inside_emit(journal, chain, heard):
    run(chain(journal.source(range(5)), journal.bolt()), {**AUTO, "topology.acker.executors": 0})
    assert counts(heard)["source", "spout_ack"] == 5
    assert journal.acked == list(range(5))


def test_a_spout_without_ack_and_fail_is_heard_all_the_same(journal, heard):
    class Plain(Spout):
        outputs = ("n",)

        def initialize(self, conf, context):
            self.items = iter(range(4))

        def next_tuple(self):
            n = next(self.items)
            self.emit_many([[n]], tup_ids=[n])

    builder = TopologyBuilder("plain")
    builder.set_spout("source", Plain)
    failing = journal.bolt(lambda self, tup: self.fail(tup) if tup[0] else None)
    builder.set_bolt("b1", failing).shuffle_grouping("source")
    run(builder, AUTO)
    assert counts(heard)["source", "spout_ack"] == 1
    assert counts(heard)["source", "spout_fail"] == 3
    assert {info.tup_id for _, event, info in heard if event == "emit"} == {0, 1, 2, 3}


def test_a_hook_may_be_added_to_one_task(journal, chain, heard):
    def initialize(self, conf, context):
        if context.task_index == 0:
            context.add_task_hook(Hearing())

    bolt = journal.bolt(initialize=initialize)
    run(chain(journal.source(range(30)), bolt, par=3))
    assert counts(heard)["b1", "bolt_execute"] == 10
    assert len(journal.seen) == 30


def test_a_hook_hears_acks_from_other_threads(journal, chain, heard):
    def process(self, tup):
        thread = threading.Thread(target=self.ack, args=(tup,))
        thread.start()
        thread.join()

    stats = run(chain(journal.source(range(5)), journal.bolt(process, auto_ack=False)), AUTO)
    assert stats.acked == 5
    assert counts(heard)["b1", "bolt_ack"] == 5


def test_a_hook_hears_of_coroutines(journal, chain, heard):
    async def process(self, tup):
        await asyncio.sleep(0.002)
        if tup[0] == 3:
            raise ValueError
        self.emit([tup[0]])

    b1 = journal.bolt(process)
    stats = run(chain(journal.source(range(20)), b1, journal.bolt()), AUTO)
    assert (stats.acked, stats.failed) == (19, 1)
    found = counts(heard)
    assert found["b1", "bolt_execute"] == 20
    assert found["b1", "emit"] == found["b1", "bolt_ack"] == found["b2", "bolt_ack"] == 19
    assert found["b1", "bolt_fail"] == 1
    acks = [info for who, event, info in heard if (who, event) == ("b1", "bolt_ack")]
    assert min(info.process_latency_ms for info in acks) >= 2.0


def test_a_hook_that_raises_is_reported_and_changes_nothing(journal, chain):
    class Raising(TaskHook):
        def bolt_ack(self, info):
            raise ValueError("from the hook")

    def initialize(self, conf, context):
        context.add_task_hook(Raising())

    stats = run(chain(journal.source(range(5)), journal.bolt(initialize=initialize)))
    assert stats.acked == 5
    b1 = stats.components[1]
    assert b1.errors == 5
    assert "Raising.bolt_ack: ValueError: from the hook" in b1.last_error


def test_any_object_is_a_hook(journal, chain):
    class OnlyEmit:
        def emit(self, info):
            journal.errors.append(info)

    spout = journal.source(range(5))

    class Hooked(spout):
        def initialize(self, conf, context):
            super().initialize(conf, context)
            context.add_task_hook(OnlyEmit())

    run(chain(Hooked, journal.bolt()))
    assert len(journal.errors) == 5


def test_direct_custom_and_all_groupings_are_watched_too(journal, heard):
    class Last:
        def prepare(self, context, stream, target_tasks):
            self.targets = target_tasks

        def choose_tasks(self, source_task, values):
            return self.targets[-1:]

    class Source(Spout):
        outputs = (Stream(["n"]), Stream(["n"], name="direct", direct=True))

        def initialize(self, conf, context):
            self.items, self.targets = iter(range(3)), context.tasks_of("direct")

        def next_tuple(self):
            n = next(self.items)
            self.emit([n], tup_id=n)
            asked = self.emit([n], stream="direct", direct_task=self.targets[0], need_task_ids=True)
            assert asked == self.targets[:1]

    builder = TopologyBuilder("groupings")
    builder.set_spout("source", Source)
    builder.set_bolt("all", journal.bolt(), 2).all_grouping("source")
    builder.set_bolt("custom", journal.bolt(), 2).custom_grouping("source", Last())
    builder.set_bolt("direct", journal.bolt(), 2).direct_grouping("source", "direct")
    stats = run(builder, AUTO)
    assert stats.executed == {"all": 6, "custom": 3, "direct": 3}
    sent = [info for who, event, info in heard if (who, event) == ("source", "emit")]
    assert sorted(len(info.target_tasks) for info in sent) == [1, 1, 1, 3, 3, 3]


def test_a_hook_comes_too_late_while_the_task_runs(journal, chain):
    def initialize(self, conf, context):
        self.context = context

    def process(self, tup):
        self.context.add_task_hook(TaskHook())

    bolt = journal.catching(process, initialize=initialize)
    run(chain(journal.source([1]), bolt))
    assert "initialize()" in str(journal.errors[0])


def test_a_hook_that_cannot_be_prepared_ends_the_start(journal, chain):
    class Broken(TaskHook):
        def prepare(self, conf, context):
            raise ValueError("no")

    def initialize(self, conf, context):
        context.add_task_hook(Broken())

    with pytest.raises(TopologyFailedError, match="no"):
        run(chain(journal.source([1]), journal.bolt(initialize=initialize)))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere", "names no class"),
        ("no_such_module:Hook", "No module named"),
        (f"{__name__}:Missing", "has no attribute"),
        (f"{__name__}:EVENTS", "is no class"),
    ],
)
def test_hooks_that_do_not_exist_are_refused_before_anything_starts(journal, chain, name, why):
    config = {"topology.auto.task.hooks": [name, "also wrong"]}
    with pytest.raises(InvalidConfigError, match=why) as caught:
        run(chain(journal.source([1]), journal.bolt()), config)
    assert len(caught.value.mistakes) == 2
    assert journal.closed == []


# topology.debug ---------------------------------------------------------------------------------


def test_debug_logs_every_emit_and_ack(journal, chain, caplog):
    caplog.set_level(logging.INFO, "typhoon.worker")
    failing = journal.bolt(lambda self, tup: self.fail(tup) if tup[0] == 1 else None)
    run(chain(journal.source(["a", 1]), failing), {"topology.debug": True})
    lines = [record.message for record in caplog.records]
    for part in (
        "source:3 emitted on 'default' to tasks [2]: ('a',) (tup_id 'a', trees ['",
        "b1:2 processed Tuple(('a',)",
        "b1:2 acked Tuple(('a',)",
        "b1:2 failed Tuple((1,)",
        "source:3 was told of the ack of 'a' after",
        "source:3 was told of the fail of 1 after",
    ):
        assert [line for line in lines if part in line], (part, lines)


def test_debug_of_a_component_wins(journal, caplog):
    caplog.set_level(logging.INFO, "typhoon.worker")
    builder = TopologyBuilder("debug")
    builder.set_spout("source", journal.source([1]))
    quiet = builder.set_bolt("quiet", journal.bolt(lambda self, tup: self.emit([tup[0]])))
    quiet.set_config({"topology.debug": False}).shuffle_grouping("source")
    builder.set_bolt("loud", journal.bolt()).shuffle_grouping("quiet")
    run(builder, {"topology.debug": True})
    who = {record.message.partition(":")[0] for record in caplog.records}
    assert {"source", "loud"} <= who
    assert "quiet" not in who


def test_debug_that_nobody_would_see_says_so(journal, chain, caplog):
    caplog.set_level(logging.WARNING, "typhoon.worker")
    run(chain(journal.source([1]), journal.bolt()), {"topology.debug": True})
    assert [record for record in caplog.records if "run with -v" in record.message]


# topology.debug.copy.values ---------------------------------------------------------------------

COPY = {"topology.debug.copy.values": True}


def errors(stats):
    return {one.id: one.last_error for one in stats.components if one.errors}


class Box:
    """Has no ``==``: a copy of it would differ."""

    def __init__(self):
        self.content = 0

    def __repr__(self):
        return f"Box({self.content})"


class Lists(Spout):
    """Emits lists; changes each after its emit if told to."""

    outputs = ("n", "items")

    def __init__(self, change=False):
        self.change = change

    def initialize(self, conf, context):
        self.numbers = iter(range(5))

    def next_tuple(self):
        n = next(self.numbers)
        items = [n]
        self.emit([n, items], tup_id=n)
        if self.change and n == 2:
            items.append("late")


def test_a_bolt_that_changes_a_value_is_found(journal, chain):
    def change(self, tup):
        if tup["n"] == 3:
            tup["items"].append("more")

    stats = run(chain(Lists(), journal.bolt(change)), COPY)
    assert stats.acked == 5
    (said,) = errors(stats).values()
    for part in (
        "topology.debug.copy.values",
        "field 'items' of stream 'default' that 'source' (task",
        "while 'b1' processed it: from [3] to [3, 'more']",
    ):
        assert part in said
    assert stats.components[1].errors == 1


def test_a_spout_that_changes_a_value_after_its_emit_is_found(journal, chain):
    stats = run(chain(Lists(change=True), journal.bolt()), COPY)
    assert stats.acked == 5
    assert "before 'b1' got it: from [2] to [2, 'late']" in errors(stats)["b1"]


def test_a_value_that_is_passed_on_and_changed_then_is_found(journal, chain):
    def source(self):
        next(self.items)
        self.emit([Box()], tup_id=1)

    def change(self, tup):
        tup[0].content += 1

    spout = journal.source([1], next_tuple=source)
    passing = journal.bolt(lambda self, tup: self.emit([tup[0]]))
    stats = run(chain(spout, passing, journal.bolt(change)), COPY)
    assert list(errors(stats)) == ["b2"]
    assert "that 'b1' (task" in errors(stats)["b2"]
    assert "from Box(0) to Box(1)" in errors(stats)["b2"]


def test_a_change_between_process_and_ack_is_found(journal, chain):
    kept = []

    def process(self, tup):
        kept.append(tup)
        if len(kept) == 5:
            kept[0]["items"].append("late")
            for one in kept:
                self.ack(one)

    stats = run(chain(Lists(), journal.bolt(process, auto_ack=False)), COPY)
    assert stats.acked == 5
    assert "before 'b1' settled it: from [0] to [0, 'late']" in errors(stats)["b1"]


def test_a_coroutine_that_changes_a_value_is_found(journal, chain):
    async def process(self, tup):
        await asyncio.sleep(0)
        if tup["n"] == 3:
            tup["items"].append("more")

    stats = run(chain(Lists(), journal.bolt(process)), COPY)
    assert stats.acked == 5
    assert "before 'b1' settled it: from [3] to [3, 'more']" in errors(stats)["b1"]


def test_values_that_stay_as_they_are_raise_no_alarm(journal, chain, par):
    items = [{"a": {1, 2, 3}}, [1.5, None], "text", (1, [2]), b"x", 2**70]

    def source(self):
        item = next(self.items)
        self.emit([item], tup_id=str(item))

    def process(self, tup):
        journal.seen.append(repr(tup[0]))
        self.emit(list(tup.values))

    spout = journal.source(items, next_tuple=source)
    stats = run(chain(spout, journal.bolt(process), journal.bolt(), par=par), COPY)
    assert errors(stats) == {}
    assert stats.acked == len(items)


def test_what_cannot_be_pickled_is_not_watched_and_that_is_said_once(journal, chain, caplog):
    def source(self):
        n = next(self.items)
        self.emit([lambda: n], tup_id=n)

    stats = run(chain(journal.source(range(9), next_tuple=source), journal.bolt()), COPY)
    assert stats.acked == 9
    assert errors(stats) == {}
    said = [record for record in caplog.records if "cannot watch it" in record.message]
    assert len(said) == 1
    assert "field 'n'" in said[0].message


def test_a_bolt_sees_ordinary_values(journal, chain):
    class Sink(Bolt):
        def process(self, tup):
            assert isinstance(tup.values, tuple)
            assert type(copy.copy(tup.values)) is tuple
            assert pickle.loads(pickle.dumps(tup)).values == (tup["n"], tup["items"])
            journal.seen.append(tup.values)

    stats = run(chain(Lists(), Sink), COPY)
    assert errors(stats) == {}
    assert journal.seen == [(n, [n]) for n in range(5)]
