"""What may happen to a topology, and what is to be done about it: plain values, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class Status(StrEnum):
    """Where a topology stands. NEW and GONE are before submission and after removal."""

    NEW = "NEW"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    KILLED = "KILLED"
    REBALANCING = "REBALANCING"
    GONE = "GONE"


@dataclass(frozen=True, slots=True)
class Submit:
    """The topology was accepted; ``active=False`` starts it with its spouts at rest."""

    active: bool = True


@dataclass(frozen=True, slots=True)
class Activate:
    """Let the spouts emit."""


@dataclass(frozen=True, slots=True)
class Inactivate:
    """Let the spouts rest; what is under way is finished."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End the topology after ``wait_s`` seconds; None waits for its message time-out."""

    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Rebalance:
    """Deal the executors out anew after ``wait_s`` seconds; None waits for the message time-out.

    ``workers`` None and components that ``executors`` does not name stay as they are.
    """

    wait_s: float | None = None
    workers: int | None = None
    executors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remove:
    """The wait of a kill is over."""


@dataclass(frozen=True, slots=True)
class DoRebalance:
    """The wait of a rebalance is over."""


@dataclass(frozen=True, slots=True)
class GainLeadership:
    """A new leader took over; the delays that the old one kept are lost."""


Event: TypeAlias = (
    Submit | Activate | Inactivate | Kill | Rebalance | Remove | DoRebalance | GainLeadership
)


@dataclass(frozen=True, slots=True)
class ActivateSpouts:
    """Tell the workers to ask their spouts for tuples."""


@dataclass(frozen=True, slots=True)
class DeactivateSpouts:
    """Tell the workers to ask their spouts for nothing more."""


@dataclass(frozen=True, slots=True)
class Assign:
    """Give every executor a slot; without ``rebalance`` those that have a good one keep it."""

    rebalance: Rebalance | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """Send ``event`` to this topology ``seconds`` from now.

    A topology has at most one delayed event: a new ``Delay`` takes the place of the one before.
    """

    event: Remove | DoRebalance
    seconds: float


@dataclass(frozen=True, slots=True)
class Unassign:
    """Take all slots away: the workers end."""


@dataclass(frozen=True, slots=True)
class CleanUp:
    """Forget the topology: its code, its configuration, its state in the store."""


Action: TypeAlias = ActivateSpouts | DeactivateSpouts | Assign | Delay | Unassign | CleanUp
