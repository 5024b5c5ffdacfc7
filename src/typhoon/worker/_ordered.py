"""Ordered bolts of coroutines: what one of them emits, acks or fails waits for those before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

HELD = ("emit", "emit_many", "ack", "fail")
"""What waits for its turn when an ordered bolt calls it."""

held_back: ContextVar[Held | None] = ContextVar("typhoon.held", default=None)
"""What the running coroutine has called so far."""


class Held:
    """Calls that a coroutine of an ordered bolt has made so far, until it is its turn. They may
    come from threads that it sent work to."""

    def __init__(self) -> None:
        self.waits = True
        self._calls: list[Callable[[], Any]] = []
        self._lock = threading.Lock()

    def add(self, call: Callable[[], Any]) -> bool:
        """False if it is too late for that: call it at once."""
        with self._lock:
            if self.waits:
                self._calls.append(call)
            return self.waits

    def release(self) -> Sequence[Callable[[], Any]]:
        """What was held back, to be called now."""
        with self._lock:
            self.waits = False
        return self._calls


def hold_back(instance: Any) -> None:
    """Make the calls of an ordered bolt wait for those before them."""
    if not hasattr(instance, "__dict__"):
        name = type(instance).__name__
        raise TypeError(
            f"ordered = True needs attributes of its own: leave __slots__ out of {name}"
        )
    for name in HELD:
        setattr(instance, name, partial(_hold, name, getattr(instance, name)))


def _hold(name: str, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """``emit`` and others of an ordered bolt: in a coroutine they wait for those before it."""
    held = held_back.get()
    if held is None or not held.waits:
        return method(*args, **options)
    if options.get("need_task_ids"):
        raise ValueError("an ordered bolt emits later, so it has no task ids to give")
    if name == "emit_many":
        args = ([_copied(values) for values in args[0]], *args[1:]) if args else args
    elif args:
        args = (_copied(args[0]), *args[1:])
    call = partial(method, *args, **options)
    return None if held.add(call) else call()


def _copied(values: Any) -> Any:
    """A list may change before it leaves."""
    return values.copy() if isinstance(values, list) else values
