"""Hooks of a worker, and what its context knows."""

import json
from pathlib import Path
from typing import Any

import pytest

from typhoon import (
    Bolt,
    Grouping,
    InvalidTopologyError,
    LocalCluster,
    Spout,
    Stream,
    Topology,
    TopologyBuilder,
    TopologyFailedError,
    WorkerHook,
    topology_spec,
)
from typhoon.testing import complete_topology


class Numbers(Spout):
    outputs = ("n",)

    def initialize(self, conf: Any, context: Any) -> None:
        self.items = iter(range(3))

    def next_tuple(self) -> None:
        self.emit([next(self.items)])


class Sink(Bolt):
    outputs = ("a", Stream(["b"], name="late"))

    def process(self, tup: Any) -> None: ...


def hooked(*hooks: Any, bolt: Any = Sink) -> TopologyBuilder:
    builder = TopologyBuilder("hooked")
    builder.set_spout("numbers", Numbers)
    builder.set_bolt("sink", bolt, 2).fields_grouping("numbers", ["n"])
    for hook in hooks:
        builder.add_worker_hook(hook)
    return builder


def noting(seen: list[Any], name: str = "") -> type[WorkerHook]:
    class Noting(WorkerHook):
        def start(self, conf: Any, context: Any) -> None:
            seen.append(f"{name}start of {conf['topology.name']} on {context.worker_port}")

        def shutdown(self) -> None:
            seen.append(f"{name}shutdown")

    return Noting


def test_a_hook_is_started_before_the_tasks_and_shut_down_after_them() -> None:
    seen: list[Any] = []

    class Between(Sink):
        def initialize(self, conf: Any, context: Any) -> None:
            seen.append("initialize")

        def close(self) -> None:
            seen.append("close")

    with LocalCluster() as cluster:
        builder = hooked(noting(seen), bolt=Between)
        cluster.submit("mine", builder).wait_until_drained(timeout=10)
    begin, *between, end = seen
    assert begin == "start of mine on 6700"
    assert sorted(between) == ["close", "close", "initialize", "initialize"]
    assert end == "shutdown"


def test_several_hooks_are_shut_down_in_reverse() -> None:
    seen: list[Any] = []
    complete_topology(hooked(noting(seen, "a "), noting(seen, "b ")))
    assert [one.partition(" of")[0] for one in seen] == [
        "a start",
        "b start",
        "b shutdown",
        "a shutdown",
    ]


def test_an_instance_is_copied_for_each_worker() -> None:
    seen: list[Any] = []

    class Own(WorkerHook):
        def __init__(self, words: list[str]) -> None:
            self.words = words

        def start(self, conf: Any, context: Any) -> None:
            seen.append((self.words, self))

    given = Own(["kept"])
    complete_topology(hooked(given))
    ((words, hook),) = seen
    assert words == ["kept"]
    assert hook is not given


def test_a_topology_class_names_its_hooks() -> None:
    seen: list[Any] = []

    class Hooked(Topology):
        worker_hooks = (noting(seen),)
        numbers = Numbers.spec()

    complete_topology(Hooked)
    assert len(seen) == 2
    assert topology_spec(Hooked).worker_hooks == Hooked.worker_hooks


def test_what_a_hook_makes_the_tasks_share() -> None:
    seen: list[Any] = []

    class Pool(WorkerHook):
        def start(self, conf: Any, context: Any) -> None:
            context.get_resource("pool", lambda: "the pool")

    class Using(Sink):
        def initialize(self, conf: Any, context: Any) -> None:
            seen.append(context.get_resource("pool"))

    complete_topology(hooked(Pool, bolt=Using))
    assert seen == ["the pool", "the pool"]


def test_a_hook_that_raises_ends_the_topology_before_it_began() -> None:
    seen: list[Any] = []

    class Raising(WorkerHook):
        def start(self, conf: Any, context: Any) -> None:
            raise ValueError("no licence")

    with LocalCluster() as cluster:
        with pytest.raises(TopologyFailedError, match="ValueError: no licence"):
            cluster.submit("mine", hooked(noting(seen), Raising))
        assert [one.partition(" ")[0] for one in seen] == ["start", "shutdown"]
        cluster.submit("mine", hooked()).wait_until_drained(timeout=10)


def test_a_worker_that_starts_anew_starts_its_hooks_anew() -> None:
    seen: list[Any] = []

    class Once(Sink):
        on_error = "exit"
        left = 1

        def process(self, tup: Any) -> None:
            if Once.left:
                Once.left = 0
                raise ValueError("once")

    complete_topology(hooked(noting(seen), bolt=Once))
    assert [one.partition(" ")[0] for one in seen] == ["start", "shutdown", "start", "shutdown"]


def test_a_shutdown_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(WorkerHook):
        def shutdown(self) -> None:
            raise ValueError("late")

    complete_topology(hooked(Raising))
    assert "could not be shut down" in caplog.text


@pytest.mark.parametrize("hooks", [WorkerHook(), "hook"])
def test_hooks_that_are_no_list(hooks: Any) -> None:
    class Odd(Topology):
        worker_hooks = hooks
        numbers = Numbers.spec()

    with pytest.raises(InvalidTopologyError, match="no list of hooks"):
        topology_spec(Odd)


def test_a_hook_without_methods() -> None:
    with pytest.raises(InvalidTopologyError, match="neither start nor shutdown"):
        topology_spec(hooked(object()))


# The context --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def context() -> Any:
    """That of the second task of a bolt, kept after its topology has ended."""
    kept = []

    class Keeping(Sink):
        def initialize(self, conf: Any, context: Any) -> None:
            kept.append(context)

    complete_topology(hooked(bolt=Keeping), config={"topology.message.timeout.secs": "1m"})
    return max(kept, key=lambda one: one.task_index)


def test_the_context_knows_the_tasks(context: Any) -> None:
    first, second = context.tasks_of("sink")
    assert context.task_id == second
    assert context.component_of(first) == "sink"
    assert [context.component_of(task) for task in context.tasks_of("numbers")] == ["numbers"]
    assert {first, second} < set(context.worker_tasks)
    assert context.worker_tasks == sorted(context.worker_tasks)


def test_the_context_knows_the_streams_of_others(context: Any) -> None:
    assert context.streams_of("sink") == ("default", "late")
    assert context.output_fields("late") == ("b",)
    assert context.output_fields(component="numbers") == ("n",)
    assert context.sources == {("numbers", "default"): Grouping.fields("n")}


def test_the_context_knows_where_it_is(context: Any) -> None:
    assert context.code_dir == str(Path.cwd())
    assert context.max_message_timeout_secs == 60.0


def test_the_context_as_json(context: Any) -> None:
    told = json.loads(context.to_json())
    assert told["taskid"] == context.task_id
    assert told["componentid"] == "sink"
    assert told["task->component"][str(context.task_id)] == "sink"
    assert told["source->stream->grouping"] == {
        "numbers": {"default": {"type": "FIELDS", "fields": ["n"]}}
    }
    assert told["source->stream->fields"] == {"numbers": {"default": ["n"]}}
    assert told["stream->outputfields"] == {"default": ["a"], "late": ["b"]}


@pytest.mark.parametrize(
    "ask",
    [
        lambda context: context.tasks_of("zz"),
        lambda context: context.streams_of("zz"),
        lambda context: context.output_fields("zz"),
        lambda context: context.output_fields(component="zz"),
        lambda context: context.component_of(999),
    ],
    ids=["tasks", "streams", "own stream", "stream of", "task"],
)
def test_what_is_not_there_is_named_with_what_is(context: Any, ask: Any) -> None:
    with pytest.raises(KeyError, match=r"is no (component|stream of 'sink'|task), but there is \["):
        ask(context)
