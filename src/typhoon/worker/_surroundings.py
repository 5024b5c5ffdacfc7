"""``Surroundings``: what all tasks of one worker have in common."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from typhoon.metrics import MetricsBook
from typhoon.topology import TaskPlan, TopologySpec
from typhoon.worker._handles import Handles

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

GIVEN_UP = (1 << 64) - 1
"""What the engine calls the death for which ``lose_all`` fails tuples: nobody died."""

logger = logging.getLogger("typhoon.worker")


@dataclass(frozen=True)
class Surroundings:
    """What all tasks of one worker have in common.

    ``replace`` gives one with another ``spec`` and ``plan`` that shares all the rest.
    """

    spec: TopologySpec
    plan: TaskPlan
    topology_id: str
    worker_port: int
    conf: Mapping[str, Any]
    handles: Handles = field(default_factory=Handles, repr=False, compare=False)
    metrics: dict[str, MetricsBook] = field(default_factory=dict, repr=False, compare=False)
    """Each component's own; they outlive a restart of the worker."""
    tasks: list[int] = field(default_factory=list, repr=False, compare=False)
    """Those that run in this worker."""
    blameless: set[int] = field(default_factory=lambda: {GIVEN_UP}, repr=False, compare=False)
    """Deaths for which no tuple can be to blame."""
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    _resources: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in self.spec.components:
            self.metrics.setdefault(name, MetricsBook(name))

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
