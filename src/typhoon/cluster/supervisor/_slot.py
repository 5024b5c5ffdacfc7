"""The table of a slot's life: status and event → handler. Pure: no clock, no process, no disk.

The shape is Storm's. What Storm does in its handlers, these return as actions, for the caller to
perform in order. ``now`` may come from any clock that does not go back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from typhoon.cluster.supervisor._events import (
    Action,
    Assigned,
    CodeFailed,
    CodeReady,
    Event,
    Exited,
    Fetch,
    Heartbeat,
    Kill,
    Launch,
    Measured,
    Overslept,
    Report,
    SlotAssignment,
    Status,
    Terminate,
    Tick,
)
from typhoon.cluster.supervisor._options import SlotOptions
from typhoon.errors import ImpossibleEventError

STORY_LENGTH = 20
KILL_PATIENCE_S = 120.0
"""A process that lives so long after SIGKILL is a matter for people. Storm's supervisor ends then;
ours says so, sends the signal again and waits on."""


@dataclass(frozen=True, slots=True)
class SlotState:
    """What is to be remembered of one slot.

    ``assignment`` is what is wanted; while KILL it is what comes after. ``due`` is when a ``Tick``
    is wanted, if at all. ``started_at`` is when the worker was first heard of; ``short_lives`` are
    the ends, within the window, of those in a row that did not last. ``fetched`` says that the code
    is here, ``forced`` that SIGKILL was sent, ``reason`` why the worker is to be killed or the slot
    gave up. ``story`` has the last changes of status, oldest first.
    """

    name: str
    options: SlotOptions
    status: Status = Status.EMPTY
    assignment: SlotAssignment | None = None
    incarnation: int = 0
    due: float | None = None
    started_at: float | None = None
    short_lives: tuple[float, ...] = ()
    fetched: bool = False
    forced: bool = False
    reason: str = ""
    story: tuple[str, ...] = ()

    @property
    def has_process(self) -> bool:
        """Whether a process lives, or may still live."""
        return self.status in _WITH_PROCESS


_WITH_PROCESS = frozenset(
    {
        Status.WAITING_FOR_WORKER_START,
        Status.RUNNING,
        Status.KILL,
        Status.KILL_AND_RELAUNCH,
    }
)


class Step(NamedTuple):
    """The state after an event, and what is to be done now, in this order."""

    state: SlotState
    actions: tuple[Action, ...]


Handler: TypeAlias = Callable[[SlotState, Any, float], Step]


def step(state: SlotState, event: Event, now: float) -> Step:
    """What ``event`` makes of ``state`` at ``now``.

    News of an earlier incarnation change nothing. Raises ``ImpossibleEventError`` for an event that
    cannot happen in this status.
    """
    if isinstance(event, Heartbeat | Measured | Exited) and event.incarnation < state.incarnation:
        return Step(state, ())
    name = type(event).__name__
    handler = TABLE.get((state.status, type(event)))
    if handler is None:
        raise ImpossibleEventError(state.name, state.status, name, state.story)
    after, actions = handler(state, event, now)
    if after.status is not state.status:
        story = (*state.story, f"{name} → {after.status}")[-STORY_LENGTH:]
        after = replace(after, story=story)
    return Step(after, actions)


def stay(state: SlotState, event: Event, now: float) -> Step:
    """It changes nothing here, or came too late to."""
    return Step(state, ())


def assign(state: SlotState, event: Assigned, now: float) -> Step:
    """No process lives: fetch the code of what is new; what is there already goes on."""
    if event.assignment is None:
        return Step(_empty(state), ())
    if _goes_on(state, event):
        return Step(replace(state, assignment=event.assignment), ())
    return _begin(state, event.assignment)


def assign_to_empty(state: SlotState, event: Assigned, now: float) -> Step:
    """EMPTY: fetch the code."""
    if event.assignment is None:
        return Step(state, ())
    return _begin(state, event.assignment)


def assign_to_live(state: SlotState, event: Assigned, now: float) -> Step:
    """A worker starts or runs: it ends in order unless the assignment is still its own."""
    if _goes_on(state, event):
        return Step(replace(state, assignment=event.assignment), ())
    due = now + state.options.shutdown_s
    after = replace(state, status=Status.KILL, assignment=event.assignment, due=due)
    return Step(after, (Terminate(),))


def assign_after_kill(state: SlotState, event: Assigned, now: float) -> Step:
    """KILL: something else, or nothing, comes after."""
    return Step(replace(state, assignment=event.assignment), ())


def assign_to_killed(state: SlotState, event: Assigned, now: float) -> Step:
    """KILL_AND_RELAUNCH: no relaunch if something else, or nothing, is to come after."""
    if _goes_on(state, event):
        return Step(replace(state, assignment=event.assignment), ())
    after = replace(state, status=Status.KILL, assignment=event.assignment)
    return Step(after, (Report(state.reason),))


def code_ready(state: SlotState, event: CodeReady, now: float) -> Step:
    """WAITING_FOR_LOCALIZATION: start the worker."""
    if state.assignment is None or event.topology_id != state.assignment.topology_id:
        return Step(state, ())
    return _launch(replace(state, fetched=True), state.assignment, now)


def code_failed(state: SlotState, event: CodeFailed, now: float) -> Step:
    """WAITING_FOR_LOCALIZATION: as a worker that failed to start."""
    if state.assignment is None or event.topology_id != state.assignment.topology_id:
        return Step(state, ())
    return _again(state, state.assignment, f"its code did not arrive: {event.reason}", now)


def first_heartbeat(state: SlotState, event: Heartbeat, now: float) -> Step:
    """WAITING_FOR_WORKER_START: it runs."""
    due = now + state.options.worker_timeout_s
    return Step(replace(state, status=Status.RUNNING, started_at=now, due=due), ())


def heartbeat(state: SlotState, event: Heartbeat, now: float) -> Step:
    """RUNNING: it still does."""
    return Step(replace(state, due=now + state.options.worker_timeout_s), ())


def measured(state: SlotState, event: Measured, now: float) -> Step:
    """A worker above its limit is killed at once: what would end in order grows on meanwhile."""
    limit = state.options.memory_limit_bytes
    if limit is None or event.rss_bytes <= limit:
        return Step(state, ())
    used = f"{event.rss_bytes / 1e6:.0f} MB"
    return _kill(state, f"out of memory: {used} of {limit / 1e6:.0f} MB", now)


def start_timeout(state: SlotState, event: Tick, now: float) -> Step:
    """WAITING_FOR_WORKER_START: it hangs; asking it to end would be in vain."""
    if not _is_due(state, now):
        return Step(state, ())
    return _kill(state, f"did not start within {state.options.start_timeout_s:g} s", now)


def heartbeat_timeout(state: SlotState, event: Tick, now: float) -> Step:
    """RUNNING: it hangs."""
    if not _is_due(state, now):
        return Step(state, ())
    return _kill(state, f"was silent for {state.options.worker_timeout_s:g} s", now)


def kill_timeout(state: SlotState, event: Tick, now: float) -> Step:
    """It did not end when it was asked to, or not even when it was killed."""
    if not _is_due(state, now):
        return Step(state, ())
    after = replace(state, forced=True, due=now + KILL_PATIENCE_S)
    if not state.forced:
        return Step(after, (Kill(),))
    stuck = f"lives {KILL_PATIENCE_S:g} s after SIGKILL: it probably waits for a disk"
    return Step(after, (Kill(), Report(stuck)))


def back_off_over(state: SlotState, event: Tick, now: float) -> Step:
    """BACKING_OFF: the next attempt, from where the last one failed."""
    if not _is_due(state, now) or state.assignment is None:
        return Step(state, ())
    if state.fetched:
        return _launch(state, state.assignment, now)
    return _fetch(state, state.assignment)


def died(state: SlotState, event: Exited, now: float) -> Step:
    """A worker that nobody told to end: start it again."""
    return _after_death(state, event.reason, now)


def killed(state: SlotState, event: Exited, now: float) -> Step:
    """KILL: on to what comes after."""
    if state.assignment is None:
        return Step(_empty(state), ())
    return _begin(state, state.assignment)


def killed_to_relaunch(state: SlotState, event: Exited, now: float) -> Step:
    """KILL_AND_RELAUNCH: start it again; the reason is why it was killed, not how it ended."""
    return _after_death(state, state.reason, now)


def start_anew(state: SlotState, event: Overslept, now: float) -> Step:
    """WAITING_FOR_WORKER_START: all the time again."""
    return Step(replace(state, due=now + state.options.start_timeout_s), ())


def listen_anew(state: SlotState, event: Overslept, now: float) -> Step:
    """RUNNING: all the time again."""
    return Step(replace(state, due=now + state.options.worker_timeout_s), ())


TABLE: Mapping[tuple[Status, type[Event]], Handler] = {
    (Status.EMPTY, Assigned): assign_to_empty,
    (Status.EMPTY, CodeReady): stay,
    (Status.EMPTY, CodeFailed): stay,
    (Status.EMPTY, Heartbeat): stay,
    (Status.WAITING_FOR_LOCALIZATION, Assigned): assign,
    (Status.WAITING_FOR_LOCALIZATION, CodeReady): code_ready,
    (Status.WAITING_FOR_LOCALIZATION, CodeFailed): code_failed,
    (Status.WAITING_FOR_LOCALIZATION, Heartbeat): stay,
    (Status.BACKING_OFF, Assigned): assign,
    (Status.BACKING_OFF, CodeReady): stay,
    (Status.BACKING_OFF, CodeFailed): stay,
    (Status.BACKING_OFF, Heartbeat): stay,
    (Status.BACKING_OFF, Tick): back_off_over,
    (Status.BACKING_OFF, Overslept): stay,
    (Status.GIVEN_UP, Assigned): assign,
    (Status.GIVEN_UP, CodeReady): stay,
    (Status.GIVEN_UP, CodeFailed): stay,
    (Status.GIVEN_UP, Heartbeat): stay,
    (Status.WAITING_FOR_WORKER_START, Assigned): assign_to_live,
    (Status.WAITING_FOR_WORKER_START, CodeReady): stay,
    (Status.WAITING_FOR_WORKER_START, CodeFailed): stay,
    (Status.WAITING_FOR_WORKER_START, Heartbeat): first_heartbeat,
    (Status.WAITING_FOR_WORKER_START, Measured): measured,
    (Status.WAITING_FOR_WORKER_START, Exited): died,
    (Status.WAITING_FOR_WORKER_START, Tick): start_timeout,
    (Status.WAITING_FOR_WORKER_START, Overslept): start_anew,
    (Status.RUNNING, Assigned): assign_to_live,
    (Status.RUNNING, CodeReady): stay,
    (Status.RUNNING, CodeFailed): stay,
    (Status.RUNNING, Heartbeat): heartbeat,
    (Status.RUNNING, Measured): measured,
    (Status.RUNNING, Exited): died,
    (Status.RUNNING, Tick): heartbeat_timeout,
    (Status.RUNNING, Overslept): listen_anew,
    (Status.KILL, Assigned): assign_after_kill,
    (Status.KILL, CodeReady): stay,
    (Status.KILL, CodeFailed): stay,
    (Status.KILL, Heartbeat): stay,
    (Status.KILL, Measured): stay,
    (Status.KILL, Exited): killed,
    (Status.KILL, Tick): kill_timeout,
    (Status.KILL, Overslept): stay,
    (Status.KILL_AND_RELAUNCH, Assigned): assign_to_killed,
    (Status.KILL_AND_RELAUNCH, CodeReady): stay,
    (Status.KILL_AND_RELAUNCH, CodeFailed): stay,
    (Status.KILL_AND_RELAUNCH, Heartbeat): stay,
    (Status.KILL_AND_RELAUNCH, Measured): stay,
    (Status.KILL_AND_RELAUNCH, Exited): killed_to_relaunch,
    (Status.KILL_AND_RELAUNCH, Tick): kill_timeout,
    (Status.KILL_AND_RELAUNCH, Overslept): stay,
}
"""Every event that can happen in a status; all others are an ``ImpossibleEventError``."""


def _goes_on(state: SlotState, event: Assigned) -> bool:
    """Whether what is here, or on its way, serves the assignment as well."""
    return state.assignment is not None and event.assignment == state.assignment


def _is_due(state: SlotState, now: float) -> bool:
    return state.due is not None and now >= state.due


def _empty(state: SlotState) -> SlotState:
    """Without an assignment and all that belonged to it."""
    return SlotState(state.name, state.options, incarnation=state.incarnation, story=state.story)


def _begin(state: SlotState, assignment: SlotAssignment) -> Step:
    """A new assignment, with a budget of its own."""
    return _fetch(_empty(state), assignment)


def _fetch(state: SlotState, assignment: SlotAssignment) -> Step:
    after = replace(state, status=Status.WAITING_FOR_LOCALIZATION, assignment=assignment, due=None)
    return Step(after, (Fetch(assignment),))


def _launch(state: SlotState, assignment: SlotAssignment, now: float) -> Step:
    after = replace(
        state,
        status=Status.WAITING_FOR_WORKER_START,
        incarnation=state.incarnation + 1,
        due=now + state.options.start_timeout_s,
        started_at=None,
        forced=False,
        reason="",
    )
    return Step(after, (Launch(assignment, after.incarnation),))


def _kill(state: SlotState, reason: str, now: float) -> Step:
    """What runs here cannot be asked any more. The reason is reported when it has ended."""
    after = replace(
        state,
        status=Status.KILL_AND_RELAUNCH,
        due=now + KILL_PATIENCE_S,
        forced=True,
        reason=reason,
    )
    return Step(after, (Kill(),))


def _after_death(state: SlotState, reason: str, now: float) -> Step:
    """The worker of an assignment that is still wanted is gone."""
    if state.assignment is None:
        return Step(_empty(state), ())
    return _again(state, state.assignment, reason, now)


def _again(state: SlotState, assignment: SlotAssignment, reason: str, now: float) -> Step:
    """At once after a life that lasted, and after the first that did not; then more slowly each
    time, until the budget is spent."""
    options = state.options
    if state.started_at is not None and now - state.started_at >= options.lasting_s:
        after, wait = replace(state, short_lives=()), 0.0
    else:
        window = now - options.restart_window_s
        lives = (*(end for end in state.short_lives if end > window), now)
        after, wait = replace(state, short_lives=lives), _back_off(options, len(lives))
    if len(after.short_lives) > options.max_restarts:
        return _give_up(after, reason)
    if wait:
        after = replace(after, status=Status.BACKING_OFF, due=now + wait, started_at=None)
        return Step(after, (Report(f"{reason}; once more in {wait:g} s"),))
    after, actions = _launch(after, assignment, now) if after.fetched else _fetch(after, assignment)
    return Step(after, (Report(reason), *actions))


def _back_off(options: SlotOptions, short_lives: int) -> float:
    if short_lives == 1:
        return 0.0
    # The exponent is bounded because a float is.
    return min(options.max_back_off_s, options.back_off_s * 2.0 ** min(short_lives - 2, 64))


def _give_up(state: SlotState, reason: str) -> Step:
    restarts, lasting = state.options.max_restarts, f"lasted {state.options.lasting_s:g} s"
    if restarts > 1:
        tried = f"after {restarts} restarts, none of which {lasting}"
    else:
        tried = f"after a restart that has not {lasting}" if restarts else "without a restart"
    why = f"gave up {tried}: {reason}"
    after = replace(state, status=Status.GIVEN_UP, due=None, started_at=None, reason=why)
    return Step(after, (Report(why),))
