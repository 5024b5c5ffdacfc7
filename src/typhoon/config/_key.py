"""One entry of the registry: all that is to be known about one configuration key."""

from __future__ import annotations

from typing import Any, NamedTuple

from typhoon.config._kinds import Kind

JVM = "accepted without effect: it sets up a Java virtual machine, and there is none"
FIXED = "accepted without effect: typhoon has one way, which needs no setting"
UNREAD = "accepted without effect: nothing in this version reads it"
INSIDE = (
    "accepted without effect: executors run inside their worker's process, see topology.workers "
    "and topology.executor.threads"
)
CLUSTER = "a local run takes no notice of it"
WORKERS = "of worker processes; a run in one process takes no notice of it"


class Key(NamedTuple):
    """A key, its default (written here and nowhere else) and what it means.

    ``unit`` is what a plain number of it counts. ``effect`` is empty for a key that does what
    ``doc`` says; otherwise it says in how far it does not. ``field`` is its name in
    ``TopologyOptions``, empty for a key that the engine does not read. ``per_component`` keys may
    be set on one spout or bolt; the others only on the topology.
    """

    name: str
    default: Any
    kind: Kind
    doc: str
    unit: str = ""
    effect: str = ""
    field: str = ""
    per_component: bool = False

    @property
    def has_effect(self) -> bool:
        return self.effect not in (JVM, FIXED, UNREAD, INSIDE)
