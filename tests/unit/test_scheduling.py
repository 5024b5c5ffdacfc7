"""The even scheduler: what Storm's does in known cases, and what must hold in all cases."""

import time
from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from typhoon.cluster.scheduling import (
    Assignment,
    Cluster,
    Schedule,
    Slot,
    Supervisor,
    Topology,
    schedule_evenly,
)
from typhoon.cluster.scheduling._slots import FreeSlots


def executors(count: int, first: int = 1) -> tuple[tuple[int, int], ...]:
    return tuple((task, task) for task in range(first, first + count))


def machines(*slots: int) -> tuple[Supervisor, ...]:
    """Machines a, b, c ... with so many slots each."""
    return tuple(
        Supervisor(chr(ord("a") + number), tuple(range(6700, 6700 + count)))
        for number, count in enumerate(slots)
    )


def sizes(assignment: Assignment) -> list[int]:
    return sorted(Counter(assignment.values()).values(), reverse=True)


def alone(cluster: Cluster, topology: Topology) -> Assignment:
    return schedule_evenly(cluster, [topology]).assignments[topology.id]


def test_executors_are_dealt_out_in_order_of_their_tasks() -> None:
    topology = Topology("t", ((4, 5), (1, 3), (6, 6)), workers=2)
    assert alone(Cluster(machines(1, 1)), topology) == {
        (1, 3): Slot("a", 6700),
        (4, 5): Slot("b", 6700),
        (6, 6): Slot("a", 6700),
    }


def test_slots_are_taken_one_per_machine_the_emptiest_first() -> None:
    topology = Topology("t", executors(4), workers=4)
    assert list(alone(Cluster(machines(1, 3, 2)), topology).values()) == [
        Slot("b", 6700),
        Slot("c", 6700),
        Slot("a", 6700),
        Slot("b", 6701),
    ]


def test_the_second_topology_goes_where_the_first_is_not() -> None:
    first, second = Topology("x", executors(2), 2), Topology("y", executors(2), 2)
    found = schedule_evenly(Cluster(machines(2, 2, 2, 2)), [first, second]).assignments
    assert {slot.supervisor for slot in found["x"].values()} == {"a", "b"}
    assert {slot.supervisor for slot in found["y"].values()} == {"c", "d"}


def test_with_too_few_slots_it_runs_on_fewer_workers_and_says_so() -> None:
    found = schedule_evenly(Cluster(machines(1, 1)), [Topology("t", executors(6), workers=4)])
    assert sizes(found.assignments["t"]) == [3, 3]
    assert found.messages["t"] == "runs on 2 of 4 workers: there are no more free slots"


def test_without_any_slot_nothing_is_assigned_and_that_is_said() -> None:
    found = schedule_evenly(Cluster(()), [Topology("t", executors(2), workers=1)])
    assert found.assignments["t"] == {}
    assert found.messages["t"] == "not scheduled: there is no free slot"


def test_it_spreads_to_more_workers_when_slots_appear() -> None:
    topology = Topology("t", executors(6), workers=3)
    before = alone(Cluster(machines(1)), topology)
    after = alone(Cluster(machines(1, 1, 1), {"t": before}), topology)
    assert sizes(after) == [2, 2, 2]


def test_a_fully_assigned_topology_is_never_moved_however_uneven() -> None:
    lopsided = {
        (1, 1): Slot("a", 6700),
        (2, 2): Slot("a", 6700),
        (3, 3): Slot("a", 6700),
        (4, 4): Slot("a", 6701),
    }
    cluster = Cluster(machines(2, 2, 2), {"t": lopsided})
    assert alone(cluster, Topology("t", executors(4), workers=2)) is lopsided


def test_a_dead_worker_moves_alone_and_its_slot_is_not_used_again_at_once() -> None:
    topology = Topology("t", executors(6), workers=3)
    before = alone(Cluster(machines(2, 2, 2)), topology)
    dead = before[1, 1]
    cluster = Cluster(machines(2, 2, 2), {"t": before}, frozenset({dead}))
    after = alone(cluster, topology)
    assert {e for e, slot in before.items() if after[e] != slot} == {(1, 1), (4, 4)}
    assert dead not in after.values()


def test_a_machine_that_is_gone_takes_only_its_own_executors_along() -> None:
    topology = Topology("t", executors(6), workers=3)
    before = alone(Cluster(machines(2, 2, 2)), topology)
    left = tuple(machine for machine in machines(2, 2, 2) if machine.id != "b")
    after = alone(Cluster(left, {"t": before}), topology)
    assert {e for e, slot in before.items() if after[e] != slot} == {(2, 2), (5, 5)}


def test_with_no_room_elsewhere_the_workers_left_take_over_what_a_dead_one_had() -> None:
    topology = Topology("t", executors(4), workers=2)
    before = alone(Cluster(machines(1, 1)), topology)
    after = alone(Cluster(machines(1), {"t": before}), topology)
    assert after == {executor: Slot("a", 6700) for executor in executors(4)}


def test_executors_that_a_rebalance_has_done_away_with_are_forgotten() -> None:
    before = {(1, 2): Slot("a", 6700)}
    cluster = Cluster(machines(1), {"t": before})
    after = alone(cluster, Topology("t", ((1, 1), (2, 2)), workers=1))
    assert set(after) == {(1, 1), (2, 2)}


def test_a_slot_that_two_topologies_claim_stays_with_the_first() -> None:
    slot = Slot("a", 6700)
    cluster = Cluster(machines(2), {"x": {(1, 1): slot}, "y": {(1, 1): slot}})
    wanted = [Topology("y", executors(1), 1), Topology("x", executors(1), 1)]
    found = schedule_evenly(cluster, wanted).assignments
    assert found == {"x": {(1, 1): slot}, "y": {(1, 1): Slot("a", 6701)}}


def test_topologies_that_are_not_asked_about_keep_their_slots() -> None:
    cluster = Cluster(machines(2), {"killed": {(1, 1): Slot("a", 6700)}})
    assert alone(cluster, Topology("t", executors(2), 2)) == {
        (1, 1): Slot("a", 6701),
        (2, 2): Slot("a", 6701),
    }


def test_more_workers_than_executors_is_no_reason_to_move_each_round() -> None:
    topology = Topology("t", executors(2), workers=5)
    before = alone(Cluster(machines(4, 4)), topology)
    assert alone(Cluster(machines(4, 4), {"t": before}), topology) is before


@given(
    st.lists(st.integers(0, 4), max_size=5),
    st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=12),
)
@example([1, 3], [(True, 1), (False, 0), (True, 1), (True, 1), (True, 1)])  # an outdated entry
def test_free_slots_come_in_the_order_of_the_slow_and_obvious_way(
    offered: list[int], moves: list[tuple[bool, int]]
) -> None:
    everything = {Slot(one.id, port) for one in machines(*offered) for port in one.ports}
    free, left, taken = FreeSlots(sorted(everything)), set(everything), list[Slot]()
    for take, count in moves:
        if take:
            found = free.take(count)
            assert found == interleaved(left)[:count]
            left -= set(found)
            taken += found
        elif taken:
            slot = taken.pop(count % len(taken))
            free.give_back(slot)
            left.add(slot)
        assert len(free) == len(left)


def interleaved(slots: set[Slot]) -> list[Slot]:
    """One slot of each machine in turn, the machine with most of them first."""
    ports: dict[str, list[int]] = {}
    for supervisor, port in sorted(slots):
        ports.setdefault(supervisor, []).append(port)
    order = sorted(ports, key=lambda name: (-len(ports[name]), name))
    return [
        Slot(name, ports[name][turn])
        for turn in range(max(map(len, ports.values()), default=0))
        for name in order
        if turn < len(ports[name])
    ]


@st.composite
def wishes(draw: st.DrawFn) -> tuple[list[Topology], list[Cluster]]:
    """Some topologies, and clusters that follow each other: machines come, go and lose workers."""
    topologies = [
        Topology(f"t{number}", executors(draw(st.integers(1, 12))), draw(st.integers(1, 6)))
        for number in range(draw(st.integers(1, 4)))
    ]
    rounds = []
    for _ in range(draw(st.integers(1, 4))):
        supervisors = machines(*draw(st.lists(st.integers(0, 4), min_size=0, max_size=5)))
        offered = [Slot(one.id, port) for one in supervisors for port in one.ports]
        dead = draw(st.frozensets(st.sampled_from(offered))) if offered else frozenset()
        rounds.append(Cluster(supervisors, {}, dead))
    return topologies, rounds


def check(topologies: list[Topology], cluster: Cluster, found: Schedule) -> None:
    """What must hold of every answer."""
    offered = {Slot(one.id, port) for one in cluster.supervisors for port in one.ports}
    used: Counter[Slot] = Counter()
    for topology in topologies:
        assignment = found.assignments[topology.id]
        slots = set(assignment.values())
        used.update(slots)
        assert not assignment or set(assignment) == set(topology.executors)  # all, or nothing
        assert slots <= offered - cluster.dead
        before = cluster.assignments.get(topology.id, {})
        if assignment is not before and assignment:
            assert len(slots) <= topology.workers
            assert max(sizes(assignment)) - min(sizes(assignment)) <= 1
    assert all(count == 1 for count in used.values())  # no slot is booked twice
    if not cluster.assignments:  # else one topology may give back what an earlier one had no use of
        workers = sum(len(set(one.values())) for one in found.assignments.values())
        wanted = sum(topology.wanted for topology in topologies)
        assert workers == min(wanted, len(offered - cluster.dead))


@given(wishes())
def test_what_holds_of_every_answer(wish: tuple[list[Topology], list[Cluster]]) -> None:
    topologies, rounds = wish
    before: dict[str, Assignment] = {}
    for empty in rounds:
        cluster = Cluster(empty.supervisors, before, empty.dead)
        found = schedule_evenly(cluster, topologies)
        check(topologies, cluster, found)
        # Asked again, with nothing dead, it may use what it left free, but moves nobody needlessly.
        calm = Cluster(empty.supervisors, dict(found.assignments))
        again = schedule_evenly(calm, topologies)
        check(topologies, calm, again)
        for topology in topologies:
            old = found.assignments[topology.id]
            if old and len(set(old.values())) >= topology.wanted:
                assert again.assignments[topology.id] is old
        before = dict(again.assignments)


def test_two_hundred_topologies_on_ten_thousand_slots_take_under_two_seconds() -> None:
    supervisors = tuple(Supervisor(f"s{n:04}", tuple(range(6700, 6710))) for n in range(1000))
    topologies = [Topology(f"t{number}", executors(250), workers=50) for number in range(200)]
    started = time.process_time()
    found = schedule_evenly(Cluster(supervisors), topologies)
    dead = frozenset(list(found.assignments["t7"].values())[:20])
    left = tuple(one for number, one in enumerate(supervisors) if number % 20)
    again = schedule_evenly(Cluster(left, found.assignments, dead), topologies)
    assert time.process_time() - started < 4.0  # two full rounds
    assert sum(len(set(one.values())) for one in found.assignments.values()) == 10_000
    assert all(len(one) == 250 for one in again.assignments.values())
