"""``Origin``: where a topology comes from, for processes that have to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cloudpickle  # now, since a file of the project may hide it

from typhoon.errors import InvalidTopologyError, told
from typhoon.topology import ComponentSpec, TopologySpec


@dataclass(frozen=True, slots=True)
class Origin:
    """What a process does before it can read a pickled topology: it calls functions
    (``module:function``), then imports ``modules`` from files, by name. ``on_tapped`` hears here
    what a component there has told its supervisor."""

    modules: tuple[tuple[str, str], ...] = ()
    before: tuple[str, ...] = ()
    on_tapped: Callable[[str], None] | None = None


NOWHERE = Origin()


def pickled(spec: TopologySpec) -> bytes:
    """Raises ``InvalidTopologyError`` that names each component which cannot be sent."""
    try:
        content: bytes = cloudpickle.dumps(spec)
    except Exception as error:
        parts = [(one, _trouble(one)) for one in spec.components.values()]
        mistakes = [
            f"{one.kind} '{one.id}' cannot be pickled, and so not be sent to a worker: "
            f"{told(trouble)}\n"
            "hint: open files and connections in initialize(), not in __init__"
            for one, trouble in parts
            if trouble is not None
        ]
        raise InvalidTopologyError(mistakes or [f"it cannot be pickled: {told(error)}"]) from error
    return content


def _trouble(component: ComponentSpec) -> Exception | None:
    try:
        cloudpickle.dumps(component)
    except Exception as error:
        return error
    return None
