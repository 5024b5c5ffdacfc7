"""``Progress``: what a worker says of itself when somebody waits for a topology to drain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Progress(NamedTuple):
    """``stamp`` is None while anything happens, and the same number as long as nothing does.

    ``ended``: its spouts have no more data and none of its trees is pending. ``exhausted``: its
    spouts have no more data. ``pending``: its trees that have not ended. ``links`` has messages
    sent to and received from each worker, by index.
    """

    stamp: int | None = None
    ended: bool = False
    exhausted: bool = False
    pending: int = 0
    links: tuple[tuple[int, int], ...] = ()


def nothing_happens(first: Mapping[int, Progress], second: Mapping[int, Progress]) -> bool:
    """Whether nothing happened in any worker between two looks at all of them, and nothing was on
    its way between two of them. (Mattern's four-counter method, with stamps.) By index."""
    if not second or first != second or any(one.stamp is None for one in second.values()):
        return False
    return all(
        second[sender].links[taker][0] == second[taker].links[sender][1]
        for sender in second
        for taker in second
        if sender != taker
    )
