"""``TaskHook``: what wants to know of everything that a task does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typhoon._core import Tuple


class EmitInfo(NamedTuple):
    """A tuple was sent. ``target_tasks`` got a copy each; ``tup_id`` is a spout's name for it or
    None; ``trees`` are the numbers of the trees that it is tracked in."""

    values: tuple[Any, ...]
    stream: str
    task_id: int
    target_tasks: Sequence[int]
    tup_id: Any
    trees: Sequence[int]


class SpoutAckInfo(NamedTuple):
    """A tree is complete, and the spout's ``ack`` has returned. The latency is that since its emit;
    None if the hook was not there yet."""

    tup_id: Any
    task_id: int
    complete_latency_ms: float | None


class SpoutFailInfo(NamedTuple):
    """A tree failed or timed out, and the spout's ``fail`` has returned."""

    tup_id: Any
    task_id: int
    fail_latency_ms: float | None


class BoltExecuteInfo(NamedTuple):
    """``process`` has returned or raised. In a batch each tuple has its share of the time."""

    tup: Tuple
    task_id: int
    execute_latency_ms: float


class BoltAckInfo(NamedTuple):
    """A tuple was acked; the latency is that since ``process`` was called with it."""

    tup: Tuple
    task_id: int
    process_latency_ms: float | None


class BoltFailInfo(NamedTuple):
    """A tuple was failed."""

    tup: Tuple
    task_id: int
    fail_latency_ms: float | None


class WorkerHook:
    """Told of the start and the end of each worker; a subclass overrides what it wants to hear.
    Storm's IWorkerHook.

    ``TopologyBuilder.add_worker_hook(hook)`` adds one, ``worker_hooks = [hook]`` in the body of a
    Topology all. A hook is a class, or an instance, of which each worker gets a copy.
    """

    def start(self, conf: Mapping[str, Any], context: Any) -> None:
        """Called before any task of the worker is made, with the topology's configuration and the
        ``WorkerContext``. Raising ends the topology."""

    def shutdown(self) -> None:
        """Called after every component of the worker was closed; not after a crash."""


class TaskHook:
    """Told of what one task does; a subclass overrides what it wants to hear. Storm's ITaskHook.

    ``context.add_task_hook(hook)`` in ``initialize`` adds one to this task;
    ``topology.auto.task.hooks`` adds one to each task of the topology. All methods are called on
    the task's thread, but for acks and fails that a bolt gives on another. What a method raises is
    reported with the task's errors and changes nothing else.
    """

    def prepare(self, conf: Mapping[str, Any], context: Any) -> None:
        """Called once, when the hook is added. Raising ends the topology's start."""

    def cleanup(self) -> None:
        """Called once, after the task's ``close``."""

    def emit(self, info: EmitInfo) -> None:
        """The task has emitted a tuple."""

    def spout_ack(self, info: SpoutAckInfo) -> None:
        """A spout was told of a complete tree."""

    def spout_fail(self, info: SpoutFailInfo) -> None:
        """A spout was told of a failed tree."""

    def bolt_execute(self, info: BoltExecuteInfo) -> None:
        """A bolt has worked on a tuple; it may ack it later."""

    def bolt_ack(self, info: BoltAckInfo) -> None:
        """A bolt has acked a tuple, or it was acked by itself."""

    def bolt_fail(self, info: BoltFailInfo) -> None:
        """A bolt has failed a tuple, or it was failed because ``process`` raised."""
