"""``Context``: what a task may know of the topology around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from typhoon.metrics import Metrics
from typhoon.topology import Grouping
from typhoon.worker._worker_context import WorkerContext


class HookPort:
    """Where ``add_task_hook`` goes while the task is opened."""

    def __init__(self) -> None:
        self.add: Callable[[Any], None] | None = None


@dataclass(frozen=True)
class Context(WorkerContext, Mapping[str, Any]):
    """A task's place in its topology; given to ``initialize``, and may be kept.

    It also answers as the mapping that pystorm passes: ``context["taskid"]``,
    ``["componentid"]`` and ``["task->component"]``, whose keys are task ids as text.
    """

    task_id: int
    component_id: str
    executor_data: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    """What the tasks of one executor share; they run on one thread."""
    task_data: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    """This task's own, for its component, its hooks and its groupings to share."""
    hook_port: HookPort = field(default_factory=HookPort, repr=False, compare=False)

    @property
    def task_index(self) -> int:
        """The place of this task among those of its component, from 0."""
        return self.task_id - self.surroundings.plan.tasks[self.component_id].start

    @property
    def sources(self) -> dict[tuple[str, str], Grouping]:
        """What this component takes: (component, stream) → grouping."""
        inputs = self.surroundings.spec.components[self.component_id].inputs
        return {(one.component, one.stream): one.grouping for one in inputs}

    @property
    def targets(self) -> dict[str, dict[str, Grouping]]:
        """Who takes what this component emits: stream → component → grouping."""
        found: dict[str, dict[str, Grouping]] = {}
        for bolt, one in self.surroundings.spec.subscribers(self.component_id):
            found.setdefault(one.stream, {})[bolt] = one.grouping
        return found

    def output_fields(
        self, stream: str = "default", component: str | None = None
    ) -> tuple[str, ...]:
        """The field names of a stream, of this component or of another; KeyError if it has no such
        stream."""
        return self._stream(self.component_id if component is None else component, stream).fields

    def to_json(self) -> str:
        """Where the task stands, as Storm's ``toJSONString`` tells it: its id and component, the
        tasks of all, its inputs and outputs with their groupings and fields."""
        inputs: dict[str, dict[str, Any]] = {}
        fields: dict[str, dict[str, Any]] = {}
        for (component, stream), grouping in self.sources.items():
            inputs.setdefault(component, {})[stream] = _grouping(grouping)
            fields.setdefault(component, {})[stream] = list(self.output_fields(stream, component))
        targets = {
            stream: {bolt: _grouping(grouping) for bolt, grouping in bolts.items()}
            for stream, bolts in self.targets.items()
        }
        outputs = {
            stream: list(self.output_fields(stream))
            for stream in self.streams_of(self.component_id)
        }
        return json.dumps(
            {
                **self._mapping,
                "stream->target->grouping": targets,
                "stream->outputfields": outputs,
                "source->stream->grouping": inputs,
                "source->stream->fields": fields,
            }
        )

    @property
    def handle(self) -> Any:
        """What the component's ``make_handle`` made for this topology, the same for all its tasks,
        and what ``topology[component]`` gives to whoever runs the topology."""
        spec = self.surroundings.spec.components[self.component_id]
        return self.surroundings.handles.of(spec)

    @cached_property
    def metrics(self) -> Metrics:
        """Counters, gauges and histograms of this component's own: ``metrics.counter(name)``."""
        return Metrics(self.surroundings.metrics[self.component_id], self.task_id)

    def add_task_hook(self, hook: Any) -> None:
        """Tell ``hook`` (a ``TaskHook``, or any object with some of its methods) of all that this
        task does from now on. In ``initialize`` only; a task without hooks pays nothing for them.
        """
        add = self.hook_port.add
        if add is None:
            raise RuntimeError(
                f"'{self.component_id}' adds a task hook while it runs\n"
                "hint: call add_task_hook in initialize(), which is no coroutine then"
            )
        add(hook)

    @cached_property
    def _mapping(self) -> dict[str, Any]:
        tasks = {
            str(task): component for task, component in self.surroundings.plan.components.items()
        }
        return {
            "taskid": self.task_id,
            "componentid": self.component_id,
            "task->component": tasks,
        }

    def __getitem__(self, key: str) -> Any:
        return self._mapping[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping)

    def __len__(self) -> int:
        return len(self._mapping)

    __hash__ = object.__hash__


def _grouping(grouping: Grouping) -> dict[str, Any]:
    named = {"fields": list(grouping.names)} if grouping.names else {}
    return {"type": grouping.kind.upper(), **named}
