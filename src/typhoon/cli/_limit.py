"""``--limit``: spouts that have no more data once there was enough."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from typhoon.topology import ComponentSpec, TopologySpec

Enough: TypeAlias = Callable[[], bool | None]
"""Whether there was enough; None as long as that cannot be told. Asked on the spouts' threads."""


class Quota:
    """How many tuples all spouts together may emit; a replay is one, too.

    ``emitted`` says how many they have.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.emitted: Callable[[], int] | None = None

    def is_used_up(self) -> bool | None:
        return None if self.emitted is None else self.emitted() >= self.limit


def with_limit(spec: TopologySpec, enough: Enough) -> TopologySpec:
    """``spec`` whose spouts written in Python have no more data once there was ``enough``.

    They are not asked for any while that cannot be told. One call of ``next_tuple`` is never cut
    short, so one that emits several tuples may go beyond the limit.
    """
    components = {name: _limited(one, enough) for name, one in spec.components.items()}
    return replace(spec, components=components)


def _limited(spec: ComponentSpec, enough: Enough) -> ComponentSpec:
    if spec.kind != "spout" or spec.native is not None:
        return spec
    given = spec.component
    if isinstance(given, type):
        return replace(spec, component=_class(given, enough))
    limited = copy.copy(given)
    limited.__class__ = _class(type(given), enough)
    return replace(spec, component=limited)


def _class(spout: type, enough: Enough) -> type:
    """A class as ``spout``, whose ``next_tuple`` asks first whether there was enough."""
    own: Callable[[Any], None] = spout.next_tuple  # type: ignore[attr-defined]  # it was checked

    def next_tuple(self: Any) -> None:
        answer = enough()
        if answer:
            raise StopIteration
        if answer is not None:
            own(self)

    body = {
        "__slots__": (),  # the same layout, so that an object can change its class
        "__module__": spout.__module__,
        "__qualname__": spout.__qualname__,
        "next_tuple": next_tuple,
    }
    return type(spout)(spout.__name__, (spout,), body)
