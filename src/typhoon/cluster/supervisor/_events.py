"""What may happen to a slot, and what is to be done about it: plain values, no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from typhoon.cluster.scheduling import ExecutorId


class Status(StrEnum):
    """Where a slot stands. There is a process in the last four, and in no other.

    Six are Storm's; its two for code that changes under a running worker are left out, since a
    topology's code never does: an update is another assignment. BACKING_OFF and GIVEN_UP are ours.
    """

    EMPTY = "EMPTY"
    WAITING_FOR_LOCALIZATION = "WAITING_FOR_LOCALIZATION"
    BACKING_OFF = "BACKING_OFF"
    GIVEN_UP = "GIVEN_UP"
    WAITING_FOR_WORKER_START = "WAITING_FOR_WORKER_START"
    RUNNING = "RUNNING"
    KILL = "KILL"
    KILL_AND_RELAUNCH = "KILL_AND_RELAUNCH"


@dataclass(frozen=True, slots=True)
class Command:
    """How a worker is started, in the folder and environment of who starts it.

    ``pass_fds`` belong to the one start: the worker has them under the same numbers, and the
    launcher closes its own, whether or not the start succeeds.
    """

    argv: tuple[str, ...]
    pass_fds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SlotAssignment:
    """What the worker of a slot is to run.

    ``command`` is called once for each start, with the port and the incarnation, on the thread
    that supervises: it must not wait. What it raises counts as a start that failed. Two assignments
    are the same to a slot if topology and executors are.
    """

    topology_id: str
    executors: frozenset[ExecutorId]
    command: Callable[[int, int], Command] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Assigned:
    """The slot is to run this, or nothing. Nothing is also how its worker is ended in order."""

    assignment: SlotAssignment | None


@dataclass(frozen=True, slots=True)
class CodeReady:
    """What the topology needs is on this machine."""

    topology_id: str


@dataclass(frozen=True, slots=True)
class CodeFailed:
    """It could not be brought here."""

    topology_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The worker says that it lives; the first time, that it has started."""

    incarnation: int


@dataclass(frozen=True, slots=True)
class Measured:
    """So much memory the worker has now."""

    incarnation: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The worker's process is gone, or never came to be; ``reason`` is a sentence."""

    incarnation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Tick:
    """The time may have come that is noted as ``due``."""


@dataclass(frozen=True, slots=True)
class Overslept:
    """Who supervises stood still for a while, and could hear nothing: no worker is to blame."""


Event: TypeAlias = (
    Assigned | CodeReady | CodeFailed | Heartbeat | Measured | Exited | Tick | Overslept
)


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring here what the topology needs, and answer ``CodeReady`` or ``CodeFailed``."""

    assignment: SlotAssignment


@dataclass(frozen=True, slots=True)
class Launch:
    """Start a worker under this number, which the slot never had before."""

    assignment: SlotAssignment
    incarnation: int


@dataclass(frozen=True, slots=True)
class Terminate:
    """Ask the worker to end in order (SIGTERM)."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End the worker and all processes of its group (SIGKILL)."""


@dataclass(frozen=True, slots=True)
class Report:
    """Tell people why."""

    reason: str


Action: TypeAlias = Fetch | Launch | Terminate | Kill | Report
