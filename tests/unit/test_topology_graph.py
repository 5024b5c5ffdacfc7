"""Order, loops and task numbers of a topology."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typhoon.topology import (
    ComponentSpec,
    Executor,
    Grouping,
    Subscription,
    TopologySpec,
    assign_tasks,
)
from typhoon.topology._graph import loops, strongly_connected, topological_order
from typhoon.topology._tasks import split


def topology(
    inputs: dict[str, list[str]],
    sizes: dict[str, tuple[int, int]] | None = None,
    config: dict[str, object] | None = None,
) -> TopologySpec:
    """Components by id with what they take from; those that take from none are spouts."""
    components = {}
    for name, sources in inputs.items():
        tasks, executors = (sizes or {}).get(name, (1, 1))
        components[name] = ComponentSpec(
            id=name,
            kind="bolt" if sources else "spout",
            component=object,
            inputs=tuple(Subscription(one, "default", Grouping.SHUFFLE) for one in sources),
            executors=executors,
            tasks=tasks,
        )
    return TopologySpec(None, components, config or {})


def test_spouts_come_first_then_each_after_what_it_takes_from() -> None:
    found = topology({"z": ["b"], "b": ["s", "a"], "a": ["s"], "s": [], "late": []})
    assert found.topological_order() == ("s", "late", "a", "b", "z")
    assert found.cycles() == ()


def test_a_loop_stands_together_in_order_of_declaration() -> None:
    found = topology({"s": [], "b": ["a"], "a": ["s", "b"], "end": ["a"]})
    assert found.topological_order() == ("s", "b", "a", "end")
    assert found.cycles() == (frozenset({"a", "b"}),)


def test_taking_from_itself_is_a_loop_of_one() -> None:
    found = topology({"s": [], "a": ["s", "a"], "b": ["a"]})
    assert found.cycles() == (frozenset({"a"}),)
    assert found.topological_order() == ("s", "a", "b")


def test_a_chain_of_thousands_is_no_matter_of_recursion() -> None:
    names = [f"n{number}" for number in range(5000)]
    chain = {"n0": [], **{name: [before] for before, name in pairwise(names)}}
    assert topology(chain).topological_order() == tuple(names)


GRAPHS = (
    st.integers(1, 8)
    .flatmap(
        lambda size: st.lists(
            st.lists(st.integers(0, size - 1), max_size=4), min_size=size, max_size=size
        )
    )
    .map(lambda rows: {str(n): [str(target) for target in row] for n, row in enumerate(rows)})
)


def reachable(graph: dict[str, list[str]]) -> dict[str, set[str]]:
    """What each node reaches in at least one step, the slow and obvious way."""
    found = {node: set(targets) for node, targets in graph.items()}
    for _ in graph:
        for node in graph:
            found[node] |= {far for near in set(found[node]) for far in found[near]}
    return found


@given(GRAPHS)
def test_components_and_order_agree_with_reachability(graph: dict[str, list[str]]) -> None:
    reach = reachable(graph)
    groups = strongly_connected(graph)
    assert sorted(node for group in groups for node in group) == sorted(graph)
    for group in groups:
        for node in graph:
            mutual = node in reach[group[0]] and group[0] in reach[node]
            assert (node in group) == (mutual or node == group[0])
    assert set().union(*loops(graph)) == {node for node in graph if node in reach[node]}
    order = topological_order(graph)
    assert sorted(order) == sorted(graph)
    for before, node in enumerate(order):
        for other in order[:before]:
            assert other not in reach[node] or node in reach[other]


def test_tasks_are_numbered_from_one_in_alphabetical_order() -> None:
    plan = assign_tasks(
        topology(
            {"lines": [], "count": ["lines"], "Big": ["lines"]},
            {"count": (5, 2), "lines": (2, 2)},
            {"topology.workers": 2},
        )
    )
    assert plan.tasks == {
        "Big": range(1, 2),
        "__acker": range(2, 4),
        "count": range(4, 9),
        "lines": range(9, 11),
    }
    assert plan.executors_of("count") == (Executor("count", 4, 6), Executor("count", 7, 8))
    assert list(plan.executors_of("count")[0].tasks) == [4, 5, 6]
    assert plan.components[2] == "__acker"
    assert sorted(plan.components) == list(range(1, 11))


def test_without_acking_there_is_no_acker() -> None:
    plan = assign_tasks(topology({"a": []}, config={"topology.acker.executors": 0}))
    assert plan.tasks == {"a": range(1, 2)}


@pytest.mark.parametrize("ackers", [None, 1, 9])
def test_there_is_one_acker_task_for_each_worker(ackers: int | None) -> None:
    config = {"topology.workers": 3, "topology.acker.executors": ackers}
    assert len(assign_tasks(topology({"a": []}, config=config)).tasks["__acker"]) == 3


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 50))
def test_executors_are_contiguous_even_and_the_bigger_come_first(
    first: int, tasks: int, parts: int
) -> None:
    pieces = split(range(first, first + tasks), parts)
    lengths = [len(piece) for piece in pieces]
    assert [task for piece in pieces for task in piece] == list(range(first, first + tasks))
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths) - min(lengths) <= 1
    assert len(pieces) == min(tasks, parts)
