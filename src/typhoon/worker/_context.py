"""``Context``: what a task may know of the topology around it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typhoon.metrics import Metrics, MetricsBook
from typhoon.topology import Grouping, TaskPlan, TopologySpec
from typhoon.worker._handles import Handles

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger("typhoon.worker")


@dataclass(frozen=True)
class Surroundings:
    """What all tasks of one worker have in common."""

    spec: TopologySpec
    plan: TaskPlan
    topology_id: str
    worker_port: int
    conf: Mapping[str, Any]
    handles: Handles = field(default_factory=Handles, init=False, repr=False, compare=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    _resources: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def metrics(self) -> Mapping[str, MetricsBook]:
        """Each component's own metrics; they outlive a restart of the worker."""
        return {name: MetricsBook(name) for name in self.spec.components}

    @property
    def shared_executor(self) -> ThreadPoolExecutor:
        pool: ThreadPoolExecutor = self.resource(SHARED_EXECUTOR, self._thread_pool)
        return pool

    def _thread_pool(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        size = int(self.conf["topology.worker.shared.thread.pool.size"])
        return ThreadPoolExecutor(size, thread_name_prefix=f"{self.topology_id}-shared")

    def resource(self, name: str, make: Callable[[], Any] | None) -> Any:
        with self._lock:
            if name not in self._resources:
                if make is None:
                    raise LookupError(
                        f"no task of this worker has made a resource '{name}'\n"
                        "hint: give get_resource a function that makes it"
                    )
                self._resources[name] = make()
            return self._resources[name]

    def close(self) -> None:
        """The topology is over, and its components are closed. Nobody waits on a handle any more;
        the thread pool ends, whose running calls are not waited for; every other resource that can
        be closed is, the last made first."""
        self.handles.end()
        with self._lock:
            resources = list(self._resources.items())
            self._resources.clear()
        for name, resource in reversed(resources):
            try:
                if name == SHARED_EXECUTOR:
                    resource.shutdown(wait=False, cancel_futures=True)
                elif callable(close := getattr(resource, "close", None)):
                    close()
            except Exception:
                logger.exception("resource '%s' could not be closed", name)


SHARED_EXECUTOR = "__shared_executor"


class HookPort:
    """Where ``add_task_hook`` goes while the task is opened."""

    def __init__(self) -> None:
        self.add: Callable[[Any], None] | None = None


@dataclass(frozen=True)
class Context(Mapping[str, Any]):
    """A task's place in its topology; given to ``initialize``, and may be kept.

    It also answers as the mapping that pystorm passes: ``context["taskid"]``,
    ``["componentid"]`` and ``["task->component"]``, whose keys are task ids as text.
    """

    task_id: int
    component_id: str
    surroundings: Surroundings = field(repr=False)
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
    def metrics(self) -> Metrics:
        """Counters, gauges and histograms of this component's own: ``metrics.counter(name)``."""
        return Metrics(self.surroundings.metrics[self.component_id], self.task_id)

    def get_resource(self, name: str, make: Callable[[], Any] | None = None) -> Any:
        """What all tasks of this worker share under ``name``: a connection pool, a model.

        ``make()`` makes it where there is none yet, once, while others wait; without it a missing
        one is a ``LookupError``. When the worker ends, after every component's ``close``, its
        ``close()`` is called if it has one. From any thread.
        """
        return self.surroundings.resource(name, make)

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
