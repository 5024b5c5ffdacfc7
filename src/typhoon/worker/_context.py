"""``Context``: what a task may know of the topology around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typhoon.topology import Grouping, TaskPlan, TopologySpec
from typhoon.worker._handles import Handles

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


@dataclass(frozen=True)
class Surroundings:
    """What all tasks of one worker have in common."""

    spec: TopologySpec
    plan: TaskPlan
    topology_id: str
    worker_port: int
    conf: Mapping[str, Any]
    handles: Handles = field(default_factory=Handles, init=False, repr=False, compare=False)

    @cached_property
    def shared_executor(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        size = int(self.conf["topology.worker.shared.thread.pool.size"])
        return ThreadPoolExecutor(size, thread_name_prefix=f"{self.topology_id}-shared")

    def close(self) -> None:
        """The topology is over. Nobody waits on a handle any more, and the shared thread pool ends,
        if anybody used it; its running calls are not waited for."""
        self.handles.end()
        pool = self.__dict__.get("shared_executor")
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Context(Mapping[str, Any]):
    """A task's place in its topology; given to ``initialize``, and may be kept.

    It also answers as the mapping that pystorm passes: ``context["taskid"]``,
    ``["componentid"]`` and ``["task->component"]``, whose keys are task ids as text.
    """

    task_id: int
    component_id: str
    surroundings: Surroundings = field(repr=False)

    @property
    def task_index(self) -> int:
        """The place of this task among those of its component, from 0."""
        return self.task_id - self.surroundings.plan.tasks[self.component_id].start

    @property
    def topology_id(self) -> str:
        return self.surroundings.topology_id

    @property
    def worker_port(self) -> int:
        return self.surroundings.worker_port

    @property
    def components(self) -> tuple[str, ...]:
        """Every component's id, in order of declaration."""
        return tuple(self.surroundings.spec.components)

    def tasks_of(self, component: str) -> list[int]:
        """The task ids of a component, in ascending order; KeyError if there is none of that id."""
        return list(self.surroundings.plan.tasks[component])

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

    def output_fields(self, stream: str = "default") -> tuple[str, ...]:
        """The field names of one of this component's streams; KeyError if it has no such."""
        return self.surroundings.spec.components[self.component_id].streams[stream].fields

    @property
    def shared_executor(self) -> ThreadPoolExecutor:
        """A thread pool that all tasks of this worker share
        (``topology.worker.shared.thread.pool.size`` threads, made at first use)."""
        return self.surroundings.shared_executor

    @property
    def handle(self) -> Any:
        """What the component's ``make_handle`` made for this topology, the same for all its tasks,
        and what ``topology[component]`` gives to whoever runs the topology."""
        spec = self.surroundings.spec.components[self.component_id]
        return self.surroundings.handles.of(spec)

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
