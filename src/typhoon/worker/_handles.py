"""What components show to whoever runs their topology in the same process."""

from __future__ import annotations

import threading
from typing import Any

from typhoon.topology import ComponentSpec


def has_handle(spec: ComponentSpec) -> bool:
    """Whether ``spec`` has something to show: its class has ``make_handle(spec)``."""
    return hasattr(spec.component, "make_handle")


class Handles:
    """One handle per component that has one, for as long as the topology lives.

    A handle outlives the component's instances, which are made anew when the worker restarts. It
    has a method ``end()``, which is called once: when the topology is over. From any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}
        self._over = False

    def of(self, spec: ComponentSpec) -> Any:
        """The handle of a component, made when it is first asked for."""
        with self._lock:
            handle = self._made.get(spec.id)
            if handle is None:
                handle = self._made[spec.id] = spec.component.make_handle(spec)
                if self._over:
                    handle.end()
            return handle

    def end(self) -> None:
        """The topology is over."""
        with self._lock:
            if self._over:
                return
            self._over = True
            made = list(self._made.values())
        for handle in made:
            handle.end()
