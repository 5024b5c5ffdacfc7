"""Numbers a topology's tasks and deals them out to executors, exactly as Storm does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from typhoon.topology._spec import TopologySpec

ACKER = "__acker"
"""The component that stands for the ledger; it is shown and numbered, and runs no code."""


class Executor(NamedTuple):
    """A line of execution of ``component``: its tasks ``first`` to ``last``, both included."""

    component: str
    first: int
    last: int

    @property
    def tasks(self) -> range:
        return range(self.first, self.last + 1)


@dataclass(frozen=True)
class TaskPlan:
    """Which tasks a topology has. Task ids are fixed for its life; executors may change.

    ``tasks`` says for each component which ids are its, ``executors`` how they are dealt out, in
    order of their first task.
    """

    tasks: Mapping[str, range]
    executors: tuple[Executor, ...]
    components: Mapping[int, str] = field(init=False)

    def __post_init__(self) -> None:
        owners = {task: component for component, ids in self.tasks.items() for task in ids}
        object.__setattr__(self, "components", owners)

    def executors_of(self, component: str) -> tuple[Executor, ...]:
        return tuple(executor for executor in self.executors if executor.component == component)


def assign_tasks(spec: TopologySpec) -> TaskPlan:
    """Number the tasks from 1, component by component in alphabetical order, ``__acker`` included.

    With acking there is one ``__acker`` task for each worker that the configuration asks for.
    """
    from typhoon.config import topology_conf, topology_options

    options = topology_options(topology_conf(spec.config).values)
    sizes = {one.id: (one.tasks, one.executors) for one in spec.components.values()}
    if options.acking:
        sizes[ACKER] = (options.workers, options.workers)
    tasks: dict[str, range] = {}
    executors: list[Executor] = []
    free = 1
    for component, (count, parts) in sorted(sizes.items()):
        tasks[component] = range(free, free + count)
        executors += (
            Executor(component, part[0], part[-1]) for part in split(tasks[component], parts)
        )
        free += count
    return TaskPlan(tasks, tuple(executors))


def split(tasks: range, parts: int) -> tuple[range, ...]:
    """``tasks`` in ``parts`` contiguous pieces as even as can be, bigger ones first, none empty."""
    size, bigger = divmod(len(tasks), parts)
    cuts = [tasks.start]
    for number in range(parts):
        cuts.append(cuts[-1] + size + (number < bigger))
    return tuple(range(start, stop) for start, stop in pairwise(cuts) if start < stop)
