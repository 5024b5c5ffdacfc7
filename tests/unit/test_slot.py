"""The table of a slot's life: a test per row, every hole in it, and what holds whatever happens."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typhoon.cluster.supervisor import Command, SlotAssignment, SlotOptions, SlotState, Status
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
    Terminate,
    Tick,
)
from typhoon.cluster.supervisor._slot import KILL_PATIENCE_S, TABLE, Step, step
from typhoon.errors import ImpossibleEventError

EMPTY, CODE, BACKING_OFF = Status.EMPTY, Status.WAITING_FOR_LOCALIZATION, Status.BACKING_OFF
GIVEN_UP, START, RUNNING = Status.GIVEN_UP, Status.WAITING_FOR_WORKER_START, Status.RUNNING
KILL, RELAUNCH = Status.KILL, Status.KILL_AND_RELAUNCH

OPTIONS = SlotOptions(
    start_timeout_s=120,
    worker_timeout_s=30,
    shutdown_s=3,
    memory_limit_bytes=1_000_000_000,
    max_restarts=3,
    restart_window_s=600,
    lasting_s=10,
    back_off_s=0.5,
    max_back_off_s=1.5,
)


def command(port: int, incarnation: int) -> Command:
    return Command(("worker", str(port), str(incarnation)))


A = SlotAssignment("a-1", frozenset({(1, 1), (2, 3)}), command)
A_LESS = SlotAssignment("a-1", frozenset({(1, 1)}), command)
B = SlotAssignment("b-2", frozenset({(4, 4)}), command)

NOW = 1000.0
"""When every row happens; what led there took no time."""
CRASH = "exit status 1"
TOO_BIG = Report("out of memory: 2000 MB of 1000 MB")


def crash(incarnation: int) -> list[Event]:
    return [Exited(incarnation, CRASH)]


STARTING: list[Event] = [Assigned(A), CodeReady("a-1")]
PATHS: dict[Status, list[Event]] = {
    EMPTY: [],
    CODE: [Assigned(A)],
    START: STARTING,
    RUNNING: [*STARTING, Heartbeat(1)],
    KILL: [*STARTING, Heartbeat(1), Assigned(None)],
    RELAUNCH: [*STARTING, Heartbeat(1), Measured(1, 2_000_000_000)],
    BACKING_OFF: [*STARTING, *crash(1), *crash(2)],
    GIVEN_UP: [*STARTING, Exited(1, CRASH)],
}


def at(status: Status) -> SlotState:
    """A slot that came to `status` by the shortest way."""
    options = replace(OPTIONS, max_restarts=0) if status is GIVEN_UP else OPTIONS
    state = SlotState("slot 6700", options)
    for event in PATHS[status]:
        state = step(state, event, NOW).state
    assert state.status is status
    return state


ROWS: list[tuple[Status, Event, float, Status, tuple[Action, ...]]] = [
    (EMPTY, Assigned(None), 0, EMPTY, ()),
    (EMPTY, Assigned(A), 0, CODE, (Fetch(A),)),
    (EMPTY, CodeReady("a-1"), 0, EMPTY, ()),
    (EMPTY, CodeFailed("a-1", "gone"), 0, EMPTY, ()),
    (EMPTY, Heartbeat(0), 0, EMPTY, ()),
    (CODE, Assigned(None), 0, EMPTY, ()),
    (CODE, Assigned(A), 0, CODE, ()),
    (CODE, Assigned(B), 0, CODE, (Fetch(B),)),
    (CODE, CodeReady("a-1"), 0, START, (Launch(A, 1),)),
    (CODE, CodeReady("b-2"), 0, CODE, ()),
    (
        CODE,
        CodeFailed("a-1", "no such blob"),
        0,
        CODE,
        (Report("its code did not arrive: no such blob"), Fetch(A)),
    ),
    (CODE, CodeFailed("b-2", "no such blob"), 0, CODE, ()),
    (CODE, Heartbeat(0), 0, CODE, ()),
    (BACKING_OFF, Assigned(None), 0, EMPTY, ()),
    (BACKING_OFF, Assigned(A), 0, BACKING_OFF, ()),
    (BACKING_OFF, Assigned(B), 0, CODE, (Fetch(B),)),
    (BACKING_OFF, CodeReady("b-2"), 0, BACKING_OFF, ()),
    (BACKING_OFF, CodeFailed("b-2", "gone"), 0, BACKING_OFF, ()),
    (BACKING_OFF, Heartbeat(2), 0, BACKING_OFF, ()),
    (BACKING_OFF, Tick(), 0.4, BACKING_OFF, ()),
    (BACKING_OFF, Tick(), 0.5, START, (Launch(A, 3),)),
    (BACKING_OFF, Overslept(), 0, BACKING_OFF, ()),
    (GIVEN_UP, Assigned(None), 0, EMPTY, ()),
    (GIVEN_UP, Assigned(A), 0, GIVEN_UP, ()),
    (GIVEN_UP, Assigned(B), 0, CODE, (Fetch(B),)),
    (GIVEN_UP, CodeReady("b-2"), 0, GIVEN_UP, ()),
    (GIVEN_UP, CodeFailed("b-2", "gone"), 0, GIVEN_UP, ()),
    (GIVEN_UP, Heartbeat(1), 0, GIVEN_UP, ()),
    (START, Assigned(A), 0, START, ()),
    (START, Assigned(A_LESS), 0, KILL, (Terminate(),)),
    (START, Assigned(None), 0, KILL, (Terminate(),)),
    (START, CodeReady("b-2"), 0, START, ()),
    (START, CodeFailed("b-2", "gone"), 0, START, ()),
    (START, Heartbeat(1), 0, RUNNING, ()),
    (START, Measured(1, 1_000_000_000), 0, START, ()),
    (
        START,
        Measured(1, 1_500_000_000),
        0,
        RELAUNCH,
        (Kill(),),
    ),
    (START, Exited(1, CRASH), 0, START, (Report(CRASH), Launch(A, 2))),
    (START, Tick(), 119, START, ()),
    (START, Tick(), 120, RELAUNCH, (Kill(),)),
    (START, Overslept(), 200, START, ()),
    (RUNNING, Assigned(A), 0, RUNNING, ()),
    (RUNNING, Assigned(A_LESS), 0, KILL, (Terminate(),)),
    (RUNNING, Assigned(B), 0, KILL, (Terminate(),)),
    (RUNNING, Assigned(None), 0, KILL, (Terminate(),)),
    (RUNNING, CodeReady("b-2"), 0, RUNNING, ()),
    (RUNNING, CodeFailed("b-2", "gone"), 0, RUNNING, ()),
    (RUNNING, Heartbeat(1), 29, RUNNING, ()),
    (RUNNING, Measured(1, 1), 0, RUNNING, ()),
    (
        RUNNING,
        Measured(1, 1_500_000_000),
        0,
        RELAUNCH,
        (Kill(),),
    ),
    (RUNNING, Exited(1, CRASH), 0, START, (Report(CRASH), Launch(A, 2))),
    (RUNNING, Tick(), 29, RUNNING, ()),
    (RUNNING, Tick(), 30, RELAUNCH, (Kill(),)),
    (RUNNING, Overslept(), 100, RUNNING, ()),
    (KILL, Assigned(B), 0, KILL, ()),
    (KILL, Assigned(None), 0, KILL, ()),
    (KILL, CodeReady("b-2"), 0, KILL, ()),
    (KILL, CodeFailed("b-2", "gone"), 0, KILL, ()),
    (KILL, Heartbeat(1), 0, KILL, ()),
    (KILL, Measured(1, 2_000_000_000), 0, KILL, ()),
    (KILL, Exited(1, CRASH), 0, EMPTY, ()),
    (KILL, Tick(), 2, KILL, ()),
    (KILL, Tick(), 3, KILL, (Kill(),)),
    (KILL, Overslept(), 0, KILL, ()),
    (RELAUNCH, Assigned(A), 0, RELAUNCH, ()),
    (RELAUNCH, Assigned(A_LESS), 0, KILL, (TOO_BIG,)),
    (RELAUNCH, Assigned(B), 0, KILL, (TOO_BIG,)),
    (RELAUNCH, Assigned(None), 0, KILL, (TOO_BIG,)),
    (RELAUNCH, CodeReady("b-2"), 0, RELAUNCH, ()),
    (RELAUNCH, CodeFailed("b-2", "gone"), 0, RELAUNCH, ()),
    (RELAUNCH, Heartbeat(1), 0, RELAUNCH, ()),
    (RELAUNCH, Measured(1, 2_000_000_000), 0, RELAUNCH, ()),
    (
        RELAUNCH,
        Exited(1, "killed by SIGKILL"),
        0,
        START,
        (TOO_BIG, Launch(A, 2)),
    ),
    (RELAUNCH, Tick(), 119, RELAUNCH, ()),
    (
        RELAUNCH,
        Tick(),
        120,
        RELAUNCH,
        (Kill(), Report("lives 120 s after SIGKILL: it probably waits for a disk")),
    ),
    (RELAUNCH, Overslept(), 0, RELAUNCH, ()),
]


@pytest.mark.parametrize(
    ("status", "event", "later", "after", "actions"),
    ROWS,
    ids=[f"{n}-{row[0]}-{type(row[1]).__name__}" for n, row in enumerate(ROWS)],
)
def test_a_row(
    status: Status, event: Event, later: float, after: Status, actions: tuple[Action, ...]
) -> None:
    state, done = step(at(status), event, NOW + later)
    assert state.status is after
    assert done == actions


def test_every_row_of_the_table_has_its_test() -> None:
    assert {(row[0], type(row[1])) for row in ROWS} == set(TABLE)


EVENTS: list[Event] = [
    Assigned(None),
    CodeReady("a-1"),
    CodeFailed("a-1", "gone"),
    Heartbeat(9),
    Measured(9, 1),
    Exited(9, CRASH),
    Tick(),
    Overslept(),
]
HOLES = [
    (status, event)
    for status, event in itertools.product(Status, EVENTS)
    if (status, type(event)) not in TABLE
]


@pytest.mark.parametrize(("status", "event"), HOLES, ids=str)
def test_any_other_event_is_an_error_that_tells_the_story(status: Status, event: Event) -> None:
    state = at(status)
    with pytest.raises(ImpossibleEventError) as caught:
        step(state, event, NOW)
    assert caught.value.what == "slot 6700"
    assert caught.value.status == status
    assert caught.value.event == type(event).__name__
    assert caught.value.story == state.story


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("event", [Heartbeat(1), Exited(1, CRASH), Measured(1, 2_000_000_000)])
def test_news_of_an_earlier_incarnation_change_nothing(status: Status, event: Event) -> None:
    state = replace(at(status), incarnation=2)
    assert step(state, event, NOW) == Step(state, ())


def follow(state: SlotState, *events: tuple[float, Event]) -> Step:
    """Where `events`, each with its time after `NOW`, lead."""
    done: tuple[Action, ...] = ()
    for later, event in events:
        state, done = step(state, event, NOW + later)
    return Step(state, done)


def test_what_is_equal_does_not_restart_a_worker_but_its_command_is_the_new_one() -> None:
    other = replace(A, command=lambda port, incarnation: Command(("other",)))
    state, actions = step(at(RUNNING), Assigned(other), NOW)
    assert actions == ()
    assert state.assignment is other


def test_another_assignment_follows_once_the_worker_has_ended() -> None:
    after = follow(at(RUNNING), (0, Assigned(B)), (1, Exited(1, "exit status 0")))
    assert after == Step(after.state, (Fetch(B),))
    assert follow(after.state, (1, CodeReady("b-2"))).actions == (Launch(B, 2),)


def test_an_assignment_that_comes_back_in_time_is_fetched_again_after_the_end() -> None:
    after = follow(at(RUNNING), (0, Assigned(None)), (1, Assigned(A)), (2, Exited(1, CRASH)))
    assert after.actions == (Fetch(A),)


def test_a_heartbeat_moves_the_time_out() -> None:
    assert follow(at(RUNNING), (29, Heartbeat(1)), (58, Tick())).state.status is RUNNING
    assert follow(at(RUNNING), (29, Heartbeat(1)), (59, Tick())).state.status is RELAUNCH


def test_who_supervises_stood_still_so_every_worker_has_all_its_time_again() -> None:
    assert follow(at(RUNNING), (90, Overslept()), (119, Tick())).state.status is RUNNING
    assert follow(at(RUNNING), (90, Overslept()), (120, Tick())).state.status is RELAUNCH
    assert follow(at(START), (200, Overslept()), (319, Tick())).state.status is START
    assert follow(at(START), (200, Overslept()), (320, Tick())).state.status is RELAUNCH


def test_who_does_not_end_is_killed_and_reported_when_even_that_does_not_help() -> None:
    killed = follow(at(KILL), (3, Tick()))
    assert killed.actions == (Kill(),)
    later = 3 + KILL_PATIENCE_S
    assert follow(killed.state, (later - 1, Tick())).actions == ()
    kill, report = follow(killed.state, (later, Tick())).actions
    assert kill == Kill()
    assert isinstance(report, Report)


def test_a_relaunch_is_called_off_when_the_assignment_goes() -> None:
    after = follow(at(RELAUNCH), (0, Assigned(None)), (1, Exited(1, CRASH)))
    assert (after.state.status, after.actions) == (EMPTY, ())


def test_a_worker_that_never_lasts_is_started_more_and_more_slowly_and_then_no_more() -> None:
    first = follow(at(RUNNING), (1, Exited(1, CRASH)))
    assert first.actions == (Report(CRASH), Launch(A, 2))
    second = follow(first.state, (2, Exited(2, CRASH)))
    assert second.actions == (Report(f"{CRASH}; once more in 0.5 s"),)
    third = follow(second.state, (2.5, Tick()), (3, Exited(3, CRASH)))
    assert third.actions == (Report(f"{CRASH}; once more in 1 s"),)
    end = follow(third.state, (4, Tick()), (5, Exited(4, CRASH)))
    why = "gave up after 3 restarts, none of which lasted 10 s: exit status 1"
    assert end.actions == (Report(why),)
    assert (end.state.status, end.state.reason, end.state.due) == (GIVEN_UP, why, None)


def test_the_pause_has_a_bound() -> None:
    state = SlotState("slot 6700", replace(OPTIONS, max_restarts=2000, restart_window_s=1e9))
    state = follow(state, *[(0, event) for event in STARTING]).state
    longest = 0.0
    for round_ in range(1, 1500):
        state = step(state, Exited(round_, CRASH), NOW).state
        if state.due is not None and state.status is BACKING_OFF:
            longest = max(longest, state.due - NOW)
            state = step(state, Tick(), state.due).state
    assert longest == 1.5


def test_a_worker_that_lasted_is_started_at_once_and_the_restarts_before_it_are_forgotten() -> None:
    tired = follow(at(BACKING_OFF), (0.5, Tick()), (1, Heartbeat(3)))
    after = follow(tired.state, (11, Exited(3, CRASH)))
    assert after.actions == (Report(CRASH), Launch(A, 4))
    assert after.state.short_lives == ()


def test_restarts_out_of_the_window_do_not_count() -> None:
    state = at(START)
    for round_ in range(1, 20):
        state = follow(state, (round_ * 300, Exited(round_, CRASH))).state
        if state.status is BACKING_OFF:
            state = follow(state, (round_ * 300 + 2, Tick())).state
    assert state.status is START
    assert len(state.short_lives) <= 2


def test_code_that_does_not_arrive_uses_up_the_budget() -> None:
    state = follow(at(CODE), (0, CodeFailed("a-1", "gone")), (0, CodeFailed("a-1", "gone"))).state
    assert state.status is BACKING_OFF
    again = follow(state, (0.5, Tick()))
    assert again.actions == (Fetch(A),)


def test_a_new_assignment_has_a_budget_of_its_own() -> None:
    after = follow(at(GIVEN_UP), (0, Assigned(B)))
    assert (after.state.short_lives, after.state.reason) == ((), "")
    assert after.state.incarnation == 1


def test_the_story_keeps_the_last_changes_only() -> None:
    state = at(RUNNING)
    assert state.story == (
        "Assigned → WAITING_FOR_LOCALIZATION",
        "CodeReady → WAITING_FOR_WORKER_START",
        "Heartbeat → RUNNING",
    )
    for _ in range(30):
        state = follow(state, (0, Heartbeat(1)), (0, Assigned(None)), (0, Assigned(A))).state
        state = follow(state, (0, Exited(state.incarnation, "x")), (0, CodeReady("a-1"))).state
        state = follow(state, (0, Heartbeat(state.incarnation))).state
    assert len(state.story) == 20


# Whatever happens -------------------------------------------------------------------------------

MOVES = st.one_of(
    st.sampled_from([Assigned(None), Assigned(A), Assigned(B), Assigned(A_LESS)]),
    st.sampled_from([CodeReady("a-1"), CodeReady("b-2"), CodeFailed("a-1", "gone")]),
    st.sampled_from(["heartbeat", "too big", "stale", "exit", "exit", "exit", "overslept"]),
    st.floats(0.0, 200.0, allow_nan=False),
)


class Machine:
    """A slot, and the world around it: at most one process, and time."""

    def __init__(self) -> None:
        self.state = SlotState("slot 6700", OPTIONS)
        self.now = 0.0
        self.alive: int | None = None
        self.started: list[int] = []
        self.killed = False
        self.heard_at: float | None = None
        self.short_starts: list[float] = []

    def feed(self, event: Event) -> None:
        before = self.state
        self.state, actions = step(before, event, self.now)
        for action in actions:
            self.perform(action)
        if isinstance(event, Assigned) and event.assignment not in {None, before.assignment}:
            self.short_starts = []

    def perform(self, action: Action) -> None:
        if isinstance(action, Launch):
            assert self.alive is None
            assert all(action.incarnation > earlier for earlier in self.started)
            assert action.assignment == self.state.assignment
            self.alive, self.killed, self.heard_at = action.incarnation, False, None
            self.started.append(action.incarnation)
            self.short_starts.append(self.now)
        elif isinstance(action, Terminate):
            assert self.alive is not None
        elif isinstance(action, Kill):
            assert self.alive is not None
            self.killed = True

    def exit(self) -> None:
        if self.alive is None:
            return
        incarnation, self.alive = self.alive, None
        if self.heard_at is not None and self.now - self.heard_at >= OPTIONS.lasting_s:
            self.short_starts = []
        status = self.state.status
        self.feed(Exited(incarnation, CRASH))
        if status in {KILL, RELAUNCH}:
            assert self.state.status not in {KILL, RELAUNCH}

    def heartbeat(self) -> None:
        if self.alive is not None:
            if self.state.status is START:
                self.heard_at = self.now
            self.feed(Heartbeat(self.alive))

    def move(self, move: Event | str | float) -> None:
        if isinstance(move, float):
            self.wait(move)
        elif move == "exit":
            self.exit()
        elif move == "heartbeat":
            self.heartbeat()
        elif move == "stale" and self.started[:-1]:
            self.feed(Exited(self.started[-2], "late"))
        elif move == "too big" and self.alive is not None:
            self.feed(Measured(self.alive, 2_000_000_000))
        elif move == "overslept" and self.state.due is not None:
            self.feed(Overslept())
        elif not isinstance(move, str):
            self.feed(move)

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.state.due is not None and self.state.due <= end:
            self.now = max(self.now, self.state.due)
            self.feed(Tick())
        self.now = end


@given(st.lists(MOVES, max_size=80))
def test_whatever_happens(moves: list[Event | str | float]) -> None:
    machine = Machine()
    for move in moves:
        machine.move(move)
        state = machine.state
        assert state.has_process == (machine.alive is not None)
        assert state.incarnation == (machine.started or [0])[-1]
        assert state.forced == machine.killed or not state.has_process
        if state.status in {EMPTY, GIVEN_UP}:
            assert state.due is None
        if state.status not in {EMPTY, KILL}:
            assert state.assignment is not None
        recent = [t for t in machine.short_starts if t > machine.now - OPTIONS.restart_window_s]
        assert len(recent) <= OPTIONS.max_restarts + 1
        assert state.status is not GIVEN_UP or machine.alive is None


@given(st.lists(MOVES, max_size=40))
def test_a_slot_without_an_assignment_always_gets_empty(moves: list[Event | str | float]) -> None:
    machine = Machine()
    for move in moves:
        machine.move(move)
    machine.feed(Assigned(None))
    machine.wait(OPTIONS.shutdown_s)
    assert machine.killed or machine.alive is None
    machine.exit()
    assert machine.state.status is EMPTY
    assert machine.state.due is None
