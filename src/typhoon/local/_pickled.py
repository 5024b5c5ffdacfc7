"""A topology as bytes, for the processes that run it."""

from __future__ import annotations

import cloudpickle

from typhoon.errors import InvalidTopologyError, told
from typhoon.topology import ComponentSpec, TopologySpec


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
