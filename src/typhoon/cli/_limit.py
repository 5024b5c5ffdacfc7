"""``--limit`` without a tap: spouts that stop asking for data once enough was emitted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typhoon.topology import ComponentSpec, TopologySpec


class Quota:
    """How many tuples all spouts together may emit; a replay is one, too.

    ``emitted`` says how many they have; until it is given, no spout is asked for data.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.emitted: Callable[[], int] | None = None

    @property
    def is_used_up(self) -> bool:
        return self.emitted is not None and self.emitted() >= self.limit


def with_limit(spec: TopologySpec, quota: Quota) -> TopologySpec:
    """``spec`` whose spouts written in Python have no more data once ``quota`` is used up.

    One call of ``next_tuple`` is never cut short, so that one which emits several tuples may go
    beyond the limit.
    """
    components = {name: _limited(one, quota) for name, one in spec.components.items()}
    return replace(spec, components=components)


def _limited(spec: ComponentSpec, quota: Quota) -> ComponentSpec:
    if spec.kind != "spout" or spec.native is not None:
        return spec
    given = spec.component
    if isinstance(given, type):
        return replace(spec, component=_class(given, quota))
    limited = copy.copy(given)
    limited.__class__ = _class(type(given), quota)
    return replace(spec, component=limited)


def _class(spout: type, quota: Quota) -> type:
    """A class as ``spout``, whose ``next_tuple`` looks at the quota first."""
    own: Callable[[Any], None] = spout.next_tuple  # type: ignore[attr-defined]  # it was checked

    def next_tuple(self: Any) -> None:
        if quota.is_used_up:
            raise StopIteration
        if quota.emitted is not None:
            own(self)

    body = {
        "__slots__": (),  # the same layout, so that an object can change its class
        "__module__": spout.__module__,
        "__qualname__": spout.__qualname__,
        "next_tuple": next_tuple,
    }
    return type(spout)(spout.__name__, (spout,), body)
