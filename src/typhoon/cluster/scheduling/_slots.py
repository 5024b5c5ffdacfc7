"""The free slots of a cluster, handed out one per machine in turn, emptiest machine first."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from typhoon.cluster.scheduling._model import Slot


class FreeSlots:
    """Takes and gives back slots in logarithmic time, whatever the size of the cluster.

    The heap of machines keeps outdated entries, which are recognised by their number of free slots
    and thrown away when they come up: sorting all machines for every topology would cost more than
    all the rest of scheduling.
    """

    def __init__(self, slots: Iterable[Slot]) -> None:
        self._ports: dict[str, list[int]] = {}
        for supervisor, port in slots:
            self._ports.setdefault(supervisor, []).append(port)
        for ports in self._ports.values():
            heapify(ports)
        self._count = sum(map(len, self._ports.values()))
        self._machines = [(-len(ports), name) for name, ports in self._ports.items()]
        heapify(self._machines)

    def __len__(self) -> int:
        return self._count

    def give_back(self, slot: Slot) -> None:
        """Make ``slot`` free."""
        ports = self._ports.setdefault(slot.supervisor, [])
        heappush(ports, slot.port)
        self._count += 1
        heappush(self._machines, (-len(ports), slot.supervisor))

    def take(self, count: int) -> list[Slot]:
        """``count`` slots, or all if there are fewer, no longer free.

        One of each machine in turn, the machine with most free slots first and its lowest port; a
        second one of any machine only after all machines gave their first.
        """
        machines = self._emptiest(count)
        taken: list[Slot] = []
        turn = machines
        while turn and len(taken) < count:
            turn = [name for name in turn if self._ports[name]][: count - len(taken)]
            taken += (Slot(name, heappop(self._ports[name])) for name in turn)
        for name in machines:
            if self._ports[name]:
                heappush(self._machines, (-len(self._ports[name]), name))
        self._count -= len(taken)
        return taken

    def _emptiest(self, count: int) -> list[str]:
        """Up to ``count`` machines that have free slots, removed from the heap, in order."""
        found: dict[str, None] = {}
        while self._machines and len(found) < count:
            free, name = heappop(self._machines)
            if free and -free == len(self._ports[name]):
                found[name] = None  # an entry that stands there twice is found once
        return list(found)
