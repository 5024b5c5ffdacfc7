"""Order and loops of a directed graph, in time linear in its size (but for one heap)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeAlias

Graph: TypeAlias = Mapping[str, Sequence[str]]
"""Node → the nodes that its arrows point to. The order of the keys is the order of declaration."""


def strongly_connected(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """The strongly connected components, each in declaration order, single nodes included.

    Tarjan's algorithm (1972) with its stack made explicit: a chain of thousands of components
    must not meet Python's recursion limit.
    """
    walk = _Tarjan(graph)
    for node in graph:
        walk.visit(node)
    rank = {node: number for number, node in enumerate(graph)}
    return tuple(tuple(sorted(found, key=rank.__getitem__)) for found in walk.found)


class _Tarjan:
    """The state of one walk; ``found`` grows by one component at a time."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._index: dict[str, int] = {}
        self._low: dict[str, int] = {}
        self._open: dict[str, None] = {}
        self.found: list[list[str]] = []

    def visit(self, root: str) -> None:
        if root in self._index:
            return
        stack = [(root, self._enter(root))]
        while stack:
            node, arrows = stack[-1]
            target = next(arrows, None)
            if target is None:
                stack.pop()
                self._leave(node, stack[-1][0] if stack else None)
            elif target not in self._index:
                stack.append((target, self._enter(target)))
            elif target in self._open:
                self._low[node] = min(self._low[node], self._index[target])

    def _enter(self, node: str) -> Iterator[str]:
        self._index[node] = self._low[node] = len(self._index)
        self._open[node] = None
        return iter(self._graph[node])

    def _leave(self, node: str, parent: str | None) -> None:
        if parent is not None:
            self._low[parent] = min(self._low[parent], self._low[node])
        if self._low[node] != self._index[node]:
            return
        members = []
        while True:
            member, _ = self._open.popitem()
            members.append(member)
            if member == node:
                break
        self.found.append(members)


def loops(graph: Graph) -> tuple[frozenset[str], ...]:
    """The components that a tuple could walk round in for ever, in order of declaration.

    These are the strongly connected ones with more than one member, and nodes that point to
    themselves.
    """
    rank = {node: number for number, node in enumerate(graph)}
    found = [
        members
        for members in strongly_connected(graph)
        if len(members) > 1 or members[0] in graph[members[0]]
    ]
    return tuple(frozenset(members) for members in sorted(found, key=lambda m: rank[m[0]]))


def topological_order(graph: Graph, first: Iterable[str] = ()) -> tuple[str, ...]:
    """Every node once: those of ``first``, then each after all that point to it.

    Among nodes that may come next, the one declared first does; the members of a loop stand
    together, in order of declaration.
    """
    groups = strongly_connected(graph)
    group_of = {node: number for number, members in enumerate(groups) for node in members}
    rank = {node: number for number, node in enumerate(graph)}
    waits_for = [0] * len(groups)
    for node, targets in graph.items():
        for target in targets:
            waits_for[group_of[target]] += group_of[target] != group_of[node]
    ahead = frozenset(first)

    def key(group: int) -> tuple[bool, int, int]:
        leader = groups[group][0]
        return leader not in ahead, rank[leader], group

    ready = [key(group) for group, count in enumerate(waits_for) if not count]
    heapify(ready)
    order: list[str] = []
    while ready:
        group = heappop(ready)[-1]
        order.extend(groups[group])
        for node in groups[group]:
            for target in graph[node]:
                other = group_of[target]
                if other == group:
                    continue
                waits_for[other] -= 1
                if not waits_for[other]:
                    heappush(ready, key(other))
    return tuple(order)
