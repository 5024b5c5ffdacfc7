"""The even scheduler: Storm's DefaultScheduler and EvenScheduler, as a pure function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from typhoon.cluster.scheduling._model import (
    Assignment,
    Cluster,
    ExecutorId,
    Schedule,
    Slot,
    Topology,
)
from typhoon.cluster.scheduling._slots import FreeSlots


def schedule_evenly(cluster: Cluster, topologies: Sequence[Topology]) -> Schedule:
    """Give every executor of ``topologies`` a slot, as far as there are any.

    - A topology whose executors all run, on as many workers as it wants or can get, is not moved.
    - Of any other, the slots that hold as many executors as an even spread would give them are
      kept; the rest is dealt out, in order of task ids, to free slots in turn.
    - Free slots are chosen machine by machine, the machine with most of them first.
    - With fewer slots than wanted a topology runs on fewer workers; the next round tries again.
    """
    alive = _alive(cluster, {topology.id: topology for topology in topologies})
    free = FreeSlots(_free(cluster, alive.values()))
    assignments: dict[str, Assignment] = {}
    messages: dict[str, str] = {}
    for topology in topologies:
        before = alive.get(topology.id, {})
        after = _place(topology, before, free)
        old = cluster.assignments.get(topology.id)
        assignments[topology.id] = old if old is not None and after == old else after
        messages[topology.id] = _message(topology, after)
    return Schedule(assignments, messages)


def _alive(
    cluster: Cluster, topologies: Mapping[str, Topology]
) -> dict[str, dict[ExecutorId, Slot]]:
    """The part of each assignment that still holds.

    It does not where the slot is gone or dead, the executor is none of the topology's any more, or
    another topology has the slot: the one that comes first in ``cluster.assignments`` keeps it.
    """
    usable = {Slot(machine.id, port) for machine in cluster.supervisors for port in machine.ports}
    usable -= cluster.dead
    owners: dict[Slot, str] = {}
    alive: dict[str, dict[ExecutorId, Slot]] = {}
    for name, assignment in cluster.assignments.items():
        known = set(topologies[name].executors) if name in topologies else assignment.keys()
        alive[name] = {
            executor: slot
            for executor, slot in assignment.items()
            if slot in usable and executor in known and owners.setdefault(slot, name) == name
        }
    return alive


def _free(cluster: Cluster, alive: Iterable[Assignment]) -> Iterable[Slot]:
    used = {slot for assignment in alive for slot in assignment.values()} | cluster.dead
    for supervisor in cluster.supervisors:
        for port in sorted(set(supervisor.ports)):
            if (slot := Slot(supervisor.id, port)) not in used:
                yield slot


def _place(topology: Topology, alive: Mapping[ExecutorId, Slot], free: FreeSlots) -> Assignment:
    """Where the executors of ``topology`` go; ``free`` loses and gains slots accordingly."""
    held: dict[Slot, list[ExecutorId]] = {}
    for executor, slot in alive.items():
        held.setdefault(slot, []).append(executor)
    slots = min(topology.wanted, len(held) + len(free))
    if len(alive) == len(topology.executors) and len(held) >= slots:
        return alive
    kept = _keepers(held, len(topology.executors), slots)
    for slot in held:
        if slot not in kept:
            free.give_back(slot)
    placed = {executor: slot for executor, slot in alive.items() if slot in kept}
    missing = sorted(set(topology.executors) - placed.keys())
    fresh = free.take(slots - len(kept))
    for number, executor in enumerate(missing if fresh else ()):
        placed[executor] = fresh[number % len(fresh)]
    return placed


def _keepers(
    held: Mapping[Slot, Sequence[ExecutorId]], executors: int, slots: int
) -> frozenset[Slot]:
    """The slots whose number of executors an even spread over ``slots`` slots has a place for."""
    if not slots:
        return frozenset()
    size, bigger = divmod(executors, slots)
    places = Counter({size + 1: bigger, size: slots - bigger})
    kept = []
    for slot, inhabitants in held.items():
        if places[len(inhabitants)] > 0:
            places[len(inhabitants)] -= 1
            kept.append(slot)
    return frozenset(kept)


def _message(topology: Topology, assignment: Assignment) -> str:
    workers = len(set(assignment.values()))
    if not topology.executors:
        return "there is nothing to schedule"
    if not workers:
        return "not scheduled: there is no free slot"
    if workers < topology.wanted:
        return f"runs on {workers} of {topology.wanted} workers: there are no more free slots"
    return f"runs on {workers} workers"
