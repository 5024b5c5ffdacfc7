"""``Layout``: which worker of a topology runs which executors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from typhoon.topology import ACKER, Executor


@dataclass(frozen=True)
class Layout:
    """Seen from worker ``index``, in its start number ``incarnation``.

    ``executors`` has those of each worker by index, ``__acker`` left out. ``linked`` workers are
    processes of their own, and there may be others.
    """

    executors: tuple[tuple[Executor, ...], ...]
    index: int = 0
    incarnation: int = 0
    linked: bool = False

    @property
    def workers(self) -> int:
        return len(self.executors)

    @property
    def peers(self) -> list[int]:
        """The other workers that run anything."""
        return [i for i, held in enumerate(self.executors) if held and i != self.index]

    @property
    def mine(self) -> tuple[Executor, ...]:
        return self.executors[self.index]

    @cached_property
    def tasks(self) -> Mapping[int, int]:
        """Task id → index of the worker that runs it."""
        return {
            task: index
            for index, executors in enumerate(self.executors)
            for executor in executors
            for task in executor.tasks
        }

    def elsewhere(self) -> list[tuple[int, Executor]]:
        """The executors of all other workers."""
        return [
            (index, executor)
            for index, executors in enumerate(self.executors)
            if index != self.index
            for executor in executors
        ]

    def seen_from(self, index: int, incarnation: int) -> Layout:
        return Layout(self.executors, index, incarnation, linked=True)

    def near(self, emitter: Sequence[int], targets: Sequence[int]) -> list[int]:
        """The ``targets`` in this worker, if it is fair that those in it get all that the tasks of
        ``emitter`` in it emit: where both are spread over the workers alike. Else none."""
        here = [task for task in targets if self.tasks.get(task) == self.index]
        for index in range(self.workers):
            senders = sum(self.tasks.get(task) == index for task in emitter)
            takers = sum(self.tasks.get(task) == index for task in targets)
            if senders * len(targets) != takers * len(emitter):
                return []
        return here


def alone(executors: Sequence[Executor]) -> Layout:
    """All of a topology in one worker."""
    return Layout((tuple(one for one in executors if one.component != ACKER),))
