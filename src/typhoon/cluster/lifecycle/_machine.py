"""The table of a topology's life: status and event → handler. Pure: no clock, no store, no network.

The rows are Storm's. What Storm does in its handlers, these return as actions, for the caller to
perform in order; what the caller must keep in the store is the state that comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from typhoon.cluster.lifecycle._events import (
    Action,
    Activate,
    ActivateSpouts,
    Assign,
    CleanUp,
    DeactivateSpouts,
    Delay,
    DoRebalance,
    Event,
    GainLeadership,
    Inactivate,
    Kill,
    Rebalance,
    Remove,
    Status,
    Submit,
    Unassign,
)
from typhoon.errors import IllegalTransitionError

STORY_LENGTH = 20


@dataclass(frozen=True, slots=True)
class TopologyState:
    """What is to be remembered of one topology.

    ``message_timeout_s`` is the wait of a kill or rebalance that names none. ``wait_s`` is the wait
    that is running, ``rebalance`` what was asked for and ``resume`` the status to go back to while
    REBALANCING. ``story`` has the last events and where they led, oldest first.
    """

    name: str
    message_timeout_s: float
    status: Status = Status.NEW
    wait_s: float = 0.0
    rebalance: Rebalance | None = None
    resume: Status | None = None
    story: tuple[str, ...] = ()


class Step(NamedTuple):
    """The state after an event, and what is to be done now, in this order."""

    state: TopologyState
    actions: tuple[Action, ...]


Handler: TypeAlias = Callable[[TopologyState, Any], Step]


def step(state: TopologyState, event: Event) -> Step:
    """What ``event`` makes of ``state``.

    Raises ``IllegalTransitionError`` for an event that the status does not allow.
    """
    name = type(event).__name__
    handler = TABLE.get((state.status, type(event)))
    if handler is None:
        raise IllegalTransitionError(state.name, state.status, name, state.story)
    after, actions = handler(state, event)
    story = (*state.story, f"{name} → {after.status}")[-STORY_LENGTH:]
    return Step(replace(after, story=story), actions)


def submit(state: TopologyState, event: Submit) -> Step:
    """NEW: executors get slots; the spouts of an inactive one wait to be activated."""
    if event.active:
        return Step(replace(state, status=Status.ACTIVE), (Assign(), ActivateSpouts()))
    return Step(replace(state, status=Status.INACTIVE), (Assign(),))


def stay(state: TopologyState, event: Event) -> Step:
    """The status is what was asked for already, or nothing was delayed."""
    return Step(state, ())


def activate(state: TopologyState, event: Activate) -> Step:
    """INACTIVE: the spouts may emit again."""
    return Step(replace(state, status=Status.ACTIVE), (ActivateSpouts(),))


def inactivate(state: TopologyState, event: Inactivate) -> Step:
    """ACTIVE: the spouts rest."""
    return Step(replace(state, status=Status.INACTIVE), (DeactivateSpouts(),))


def kill_active(state: TopologyState, event: Kill) -> Step:
    """ACTIVE: the spouts rest, so that what is under way can drain before the end."""
    after, actions = kill(state, event)
    return Step(after, (DeactivateSpouts(), *actions))


def kill(state: TopologyState, event: Kill) -> Step:
    """INACTIVE, REBALANCING, KILLED: wait, anew if a wait is running, then end."""
    wait = _wait(state, event.wait_s)
    after = replace(state, status=Status.KILLED, wait_s=wait, rebalance=None, resume=None)
    return Step(after, (Delay(Remove(), wait),))


def rebalance_active(state: TopologyState, event: Rebalance) -> Step:
    """ACTIVE: the spouts rest while what is under way drains."""
    after, actions = rebalance(state, event)
    return Step(after, (DeactivateSpouts(), *actions))


def rebalance(state: TopologyState, event: Rebalance) -> Step:
    """INACTIVE: wait, then deal the executors out anew."""
    wait = _wait(state, event.wait_s)
    after = replace(
        state, status=Status.REBALANCING, wait_s=wait, rebalance=event, resume=state.status
    )
    return Step(after, (Delay(DoRebalance(), wait),))


def do_rebalance(state: TopologyState, event: DoRebalance) -> Step:
    """REBALANCING: new slots for all executors, and back to the status before."""
    resume = state.resume or Status.ACTIVE
    after = replace(state, status=resume, wait_s=0.0, rebalance=None, resume=None)
    wake = (ActivateSpouts(),) if resume is Status.ACTIVE else ()
    return Step(after, (Assign(state.rebalance), *wake))


def remove(state: TopologyState, event: Remove) -> Step:
    """KILLED: the workers end, and the topology is forgotten."""
    return Step(replace(state, status=Status.GONE, wait_s=0.0), (Unassign(), CleanUp()))


def resume_kill(state: TopologyState, event: GainLeadership) -> Step:
    """KILLED: the new leader starts the whole wait again."""
    return Step(state, (Delay(Remove(), state.wait_s),))


def resume_rebalance(state: TopologyState, event: GainLeadership) -> Step:
    """REBALANCING: the new leader starts the whole wait again."""
    return Step(state, (Delay(DoRebalance(), state.wait_s),))


TABLE: Mapping[tuple[Status, type[Event]], Handler] = {
    (Status.NEW, Submit): submit,
    (Status.ACTIVE, Activate): stay,
    (Status.ACTIVE, Inactivate): inactivate,
    (Status.ACTIVE, Kill): kill_active,
    (Status.ACTIVE, Rebalance): rebalance_active,
    (Status.ACTIVE, GainLeadership): stay,
    (Status.INACTIVE, Activate): activate,
    (Status.INACTIVE, Inactivate): stay,
    (Status.INACTIVE, Kill): kill,
    (Status.INACTIVE, Rebalance): rebalance,
    (Status.INACTIVE, GainLeadership): stay,
    (Status.KILLED, Kill): kill,
    (Status.KILLED, Remove): remove,
    (Status.KILLED, GainLeadership): resume_kill,
    (Status.REBALANCING, Kill): kill,
    (Status.REBALANCING, DoRebalance): do_rebalance,
    (Status.REBALANCING, GainLeadership): resume_rebalance,
}
"""Every event that a status allows; all others are an ``IllegalTransitionError``."""


def _wait(state: TopologyState, asked: float | None) -> float:
    return state.message_timeout_s if asked is None else asked
