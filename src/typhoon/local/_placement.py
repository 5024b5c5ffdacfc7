"""Who runs what on one machine: Nimbus' scheduler, asked for the workers of one topology."""

from __future__ import annotations

from collections.abc import Sequence

from typhoon.cluster.scheduling import Cluster, ExecutorId, Slot, Supervisor, schedule_evenly
from typhoon.cluster.scheduling import Topology as Wanted
from typhoon.errors import InvalidTopologyError
from typhoon.topology import ACKER, Executor, TaskPlan
from typhoon.worker import MOST_WORKERS, Layout

MACHINE = "local"


def place(
    topology_id: str,
    plan: TaskPlan,
    ports: Sequence[int],
    workers: int,
    before: Layout | None = None,
    frozen: frozenset[int] = frozenset(),
) -> Layout:
    """The layout of a topology on as many ``workers``, the first of ``ports``.

    Workers of ``before`` that have as many executors as they would get keep them, as the scheduler
    has it; ``frozen`` ones keep theirs whatever comes, and there is one more for the others if need
    be. A worker of ``before`` that is not needed any more has no executors.
    """
    refuse_too_many(workers, plan)
    executors = _placed(plan)
    kept = {
        one: index
        for index, held in enumerate(before.executors if before is not None else ())
        for one in held
        if one in executors
    }
    stay = {one: index for one, index in kept.items() if index in frozen}
    free = [port for index, port in enumerate(ports) if index not in frozen]
    free = free[: max(1, workers - len(frozen))]
    others = [one for one in executors if one not in stay]
    placed = dict(stay)
    if others:
        wanted = Wanted(topology_id, tuple(map(_id, others)), len(free))
        held = {
            _id(one): Slot(MACHINE, ports[kept[one]])
            for one in others
            if one in kept and ports[kept[one]] in free
        }
        cluster = Cluster((Supervisor(MACHINE, tuple(free)),), {topology_id: held})
        slots = schedule_evenly(cluster, [wanted]).assignments[topology_id]
        placed |= {one: ports.index(slots[_id(one)].port) for one in others}
    size = max(max(placed.values()) + 1, before.workers if before is not None else 0)
    return Layout(
        tuple(tuple(one for one in executors if placed[one] == index) for index in range(size))
    )


def refuse_too_many(workers: int, plan: TaskPlan) -> None:
    """Raises ``InvalidTopologyError`` if so many ``workers`` would each have something to run, and
    there cannot be so many."""
    if min(workers, len(_placed(plan))) > MOST_WORKERS:
        raise InvalidTopologyError(
            f"workers = {workers}: a topology has at most {MOST_WORKERS}\n"
            f"hint: ask for {MOST_WORKERS}; a worker runs any number of executors"
        )


def _placed(plan: TaskPlan) -> list[Executor]:
    return [one for one in plan.executors if one.component != ACKER]


def _id(executor: Executor) -> ExecutorId:
    return executor.first, executor.last
