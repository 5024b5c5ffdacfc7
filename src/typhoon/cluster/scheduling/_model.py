"""What a scheduler is told and what it answers: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

ExecutorId: TypeAlias = tuple[int, int]
"""The first and the last task of an executor."""


class Slot(NamedTuple):
    """Room for one worker: a port of a supervisor."""

    supervisor: str
    port: int


Assignment: TypeAlias = Mapping[ExecutorId, Slot]
"""Where each executor of one topology runs; one that is missing runs nowhere."""


@dataclass(frozen=True, slots=True)
class Supervisor:
    """A machine that is alive, and the ports that it offers."""

    id: str
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """What a topology wants: its executors, on so many workers if there is room."""

    id: str
    executors: tuple[ExecutorId, ...]
    workers: int

    @property
    def wanted(self) -> int:
        """How many slots it has a use for: a worker without executors is none."""
        return min(self.workers, len(self.executors))


@dataclass(frozen=True, slots=True)
class Cluster:
    """What there is now. ``assignments`` by topology id, also those that are not to be scheduled.

    ``dead`` are slots whose worker died or fell silent: what ran there must go elsewhere, and
    nothing is put there in this round.
    """

    supervisors: tuple[Supervisor, ...]
    assignments: Mapping[str, Assignment] = field(default_factory=dict)
    dead: frozenset[Slot] = frozenset()


@dataclass(frozen=True, slots=True)
class Schedule:
    """The answer: an assignment and a sentence about it for each topology that was asked about.

    A topology that need not move has the very assignment object that it came with.
    """

    assignments: Mapping[str, Assignment]
    messages: Mapping[str, str]
