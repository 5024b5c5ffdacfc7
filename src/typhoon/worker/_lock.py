"""How threads of a component and those of the engine share Python's lock."""

from __future__ import annotations

import sys

from typhoon.topology import TopologySpec

SWITCH_S = 0.0005
"""How long a thread that waits for Python's lock waits before it asks for it."""


def share_the_lock(spec: TopologySpec) -> None:
    """Where ``spec`` has threaded components, let no thread keep Python's lock for long.

    It is a setting of the whole process, so only who owns the process may call this.
    """
    if any(component.threaded for component in spec.components.values()):
        sys.setswitchinterval(SWITCH_S)
