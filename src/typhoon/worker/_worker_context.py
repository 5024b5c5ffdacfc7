"""``WorkerContext``: what everything that runs in a worker may know of the topology around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from typhoon.topology import ComponentSpec, Stream
from typhoon.worker._surroundings import Surroundings

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class WorkerContext:
    """A worker's place in its topology; given to ``WorkerHook.start``, and may be kept."""

    surroundings: Surroundings = field(repr=False)

    @property
    def topology_id(self) -> str:
        return self.surroundings.topology_id

    @property
    def worker_port(self) -> int:
        return self.surroundings.worker_port

    @property
    def worker_tasks(self) -> list[int]:
        """The ids of the tasks that run in this worker, in ascending order."""
        return list(self.surroundings.tasks)

    @property
    def code_dir(self) -> str:
        """The folder that the worker runs in, and from which it opens files by their names."""
        return str(Path.cwd())

    @property
    def max_message_timeout_secs(self) -> float:
        """``topology.message.timeout.secs``: no tuple is tracked for more than twice this time."""
        return float(self.surroundings.conf["topology.message.timeout.secs"])

    @property
    def components(self) -> tuple[str, ...]:
        """Every component's id, in order of declaration."""
        return tuple(self.surroundings.spec.components)

    def tasks_of(self, component: str) -> list[int]:
        """The task ids of a component, in ascending order; KeyError if there is none of that id."""
        return list(_of(self.surroundings.plan.tasks, component, "component"))

    def component_of(self, task: int) -> str:
        """The id of the component that a task is of; KeyError if there is no such task."""
        return _of(self.surroundings.plan.components, task, "task")

    def streams_of(self, component: str) -> tuple[str, ...]:
        """The streams that a component declares; KeyError if there is none of that id."""
        return tuple(self._spec(component).outputs)

    @property
    def shared_executor(self) -> ThreadPoolExecutor:
        """A thread pool that all tasks of this worker share
        (``topology.worker.shared.thread.pool.size`` threads, made at first use)."""
        return self.surroundings.shared_executor

    def get_resource(self, name: str, make: Callable[[], Any] | None = None) -> Any:
        """What all of this worker share under ``name``: a connection pool, a model.

        ``make()`` makes it where there is none yet, once, while others wait; without it a missing
        one is a ``LookupError``. When the worker ends, after every component's ``close``, its
        ``close()`` is called if it has one. From any thread.
        """
        return self.surroundings.resource(name, make)

    def _spec(self, component: str) -> ComponentSpec:
        return _of(self.surroundings.spec.components, component, "component")

    def _stream(self, component: str, stream: str) -> Stream:
        return _of(self._spec(component).streams, stream, f"stream of '{component}'")


def _of(known: Mapping[K, V], key: K, what: str) -> V:
    if key not in known:
        raise KeyError(f"{key!r} is no {what}, but there is {list(known)}")
    return known[key]
