"""What a picture of a topology says beside its boxes and arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typhoon.topology import ComponentSpec, Subscription


def label(subscription: Subscription) -> str:
    """What an arrow says: the grouping, and the stream where it is not the default one."""
    grouping = subscription.grouping
    names = f"({', '.join(map(str, grouping.names))})" if grouping.names else ""
    stream = "" if subscription.stream == "default" else f"{subscription.stream}: "
    return f"{stream}{grouping.kind.replace('_', ' ')}{names}"


def size(component: ComponentSpec) -> str:
    """How many executors, and tasks where there are more; nothing for one."""
    if component.tasks != component.executors:
        return f"×{component.executors} ({component.tasks} tasks)"
    return f"×{component.executors}" if component.executors > 1 else ""
