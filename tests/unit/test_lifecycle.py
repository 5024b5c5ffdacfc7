"""The table of a topology's life: a test per row, and every hole in it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typhoon.cluster.lifecycle import (
    TABLE,
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
    TopologyState,
    Unassign,
    step,
)
from typhoon.errors import IllegalTransitionError

NEW, ACTIVE, INACTIVE = Status.NEW, Status.ACTIVE, Status.INACTIVE
KILLED, REBALANCING, GONE = Status.KILLED, Status.REBALANCING, Status.GONE
TIMEOUT = 30.0
ASKED = Rebalance(7.0, workers=3, executors={"count": 4})

EVENTS: list[Event] = [
    Submit(),
    Activate(),
    Inactivate(),
    Kill(),
    Rebalance(),
    Remove(),
    DoRebalance(),
    GainLeadership(),
]

ROWS: list[tuple[Status, Event, Status, tuple[Action, ...]]] = [
    (NEW, Submit(), ACTIVE, (Assign(), ActivateSpouts())),
    (NEW, Submit(active=False), INACTIVE, (Assign(),)),
    (ACTIVE, Activate(), ACTIVE, ()),
    (ACTIVE, Inactivate(), INACTIVE, (DeactivateSpouts(),)),
    (ACTIVE, Kill(), KILLED, (DeactivateSpouts(), Delay(Remove(), TIMEOUT))),
    (ACTIVE, Kill(0.0), KILLED, (DeactivateSpouts(), Delay(Remove(), 0.0))),
    (ACTIVE, Rebalance(), REBALANCING, (DeactivateSpouts(), Delay(DoRebalance(), TIMEOUT))),
    (ACTIVE, ASKED, REBALANCING, (DeactivateSpouts(), Delay(DoRebalance(), 7.0))),
    (ACTIVE, GainLeadership(), ACTIVE, ()),
    (INACTIVE, Activate(), ACTIVE, (ActivateSpouts(),)),
    (INACTIVE, Inactivate(), INACTIVE, ()),
    (INACTIVE, Kill(5.0), KILLED, (Delay(Remove(), 5.0),)),
    (INACTIVE, ASKED, REBALANCING, (Delay(DoRebalance(), 7.0),)),
    (INACTIVE, GainLeadership(), INACTIVE, ()),
    (KILLED, Kill(2.0), KILLED, (Delay(Remove(), 2.0),)),
    (KILLED, Remove(), GONE, (Unassign(), CleanUp())),
    (KILLED, GainLeadership(), KILLED, (Delay(Remove(), TIMEOUT),)),
    (REBALANCING, Kill(1.0), KILLED, (Delay(Remove(), 1.0),)),
    (REBALANCING, DoRebalance(), ACTIVE, (Assign(ASKED), ActivateSpouts())),
    (REBALANCING, GainLeadership(), REBALANCING, (Delay(DoRebalance(), 7.0),)),
]


def at(status: Status) -> TopologyState:
    """A topology that came to `status` by the shortest way."""
    paths: dict[Status, list[Event]] = {
        NEW: [],
        ACTIVE: [Submit()],
        INACTIVE: [Submit(active=False)],
        KILLED: [Submit(), Kill()],
        REBALANCING: [Submit(), ASKED],
        GONE: [Submit(), Kill(), Remove()],
    }
    state = TopologyState("word-count", TIMEOUT)
    for event in paths[status]:
        state = step(state, event).state
    assert state.status is status
    return state


@pytest.mark.parametrize(
    ("status", "event", "after", "actions"), ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS]
)
def test_a_row(status: Status, event: Event, after: Status, actions: tuple[Action, ...]) -> None:
    state, done = step(at(status), event)
    assert state.status is after
    assert done == actions


def test_every_row_of_the_table_has_its_test() -> None:
    assert {(status, type(event)) for status, event, _, _ in ROWS} == set(TABLE)


HOLES = [
    (status, event)
    for status, event in itertools.product(Status, EVENTS)
    if (status, type(event)) not in TABLE
]


@pytest.mark.parametrize(("status", "event"), HOLES)
def test_any_other_event_is_an_error_that_tells_the_story(status: Status, event: Event) -> None:
    state = at(status)
    with pytest.raises(IllegalTransitionError) as caught:
        step(state, event)
    assert caught.value.what == "word-count"
    assert caught.value.status == status
    assert caught.value.event == type(event).__name__
    assert caught.value.story == state.story


def test_a_rebalance_goes_back_to_the_status_before() -> None:
    state = step(step(at(INACTIVE), ASKED).state, DoRebalance())
    assert state.state.status is INACTIVE
    assert state.actions == (Assign(ASKED),)
    assert state.state.rebalance is None


def test_a_new_leader_waits_as_long_as_was_asked_for() -> None:
    state = step(at(ACTIVE), Kill(12.0)).state
    assert step(state, GainLeadership()).actions == (Delay(Remove(), 12.0),)


def test_a_kill_forgets_the_rebalance_that_it_interrupts() -> None:
    state = step(at(REBALANCING), Kill(1.0)).state
    assert (state.rebalance, state.resume, state.wait_s) == (None, None, 1.0)


def test_the_story_keeps_the_last_events_only() -> None:
    state = at(ACTIVE)
    for _ in range(30):
        state = step(step(state, Inactivate()).state, Activate()).state
    assert len(state.story) == 20
    assert state.story[-1] == "Activate → ACTIVE"


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_whatever_happens_the_state_fits_its_status(events: list[Event]) -> None:
    state = TopologyState("word-count", TIMEOUT)
    spouts_emit = False
    for event in events:
        try:
            state, actions = step(state, event)
        except IllegalTransitionError:
            continue
        for action in actions:
            if isinstance(action, ActivateSpouts | DeactivateSpouts):
                spouts_emit = isinstance(action, ActivateSpouts)
        assert spouts_emit == (state.status is ACTIVE)
        assert (state.resume is not None) == (state.status is REBALANCING)
        assert (state.rebalance is not None) == (state.status is REBALANCING)
