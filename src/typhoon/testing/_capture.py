"""``Capture``: a bolt that keeps what it gets, where the test can see it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from typhoon.topology import Bolt, Tuple


class Capture(Bolt):
    """Keeps every tuple that it takes in, and acks it.

        seen = Capture()
        builder.set_bolt("seen", seen).shuffle_grouping("split")
        ...
        assert seen.values == [("to",), ("be",)]

    The tasks of a topology in this process all add to the lists of the instance that the topology
    was given; so does each further topology that it is given to, until ``clear()``. Tuples from one
    task and stream stand in the order of their emits. May be read while the topology runs.
    """

    def __init__(self) -> None:
        self.tuples: list[Tuple] = []

    @property
    def values(self) -> list[tuple[Any, ...]]:
        """The values of all tuples so far."""
        return [tup.values for tup in list(self.tuples)]

    def clear(self) -> None:
        """Forget all tuples so far."""
        self.tuples.clear()

    def process_many(self, tups: Sequence[Tuple]) -> None:
        self.tuples.extend(tups)

    def __deepcopy__(self, memo: dict[int, Any]) -> Capture:
        """Each task's own, but with the same list."""
        return copy.copy(self)
