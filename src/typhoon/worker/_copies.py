"""``topology.debug.copy.values``: finds who changes a value after its emit."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from typing import Any

from typhoon._core import Tuple
from typhoon.worker._context import Context

logger = logging.getLogger("typhoon.worker")

FIXED = (str, bytes, int, float, complex, bool, type(None))
"""Nobody can change a value of these types."""


class Watched(tuple[Any, ...]):  # noqa: SLOT001 - a tuple cannot have slots with content
    """The values of a tuple on its way, with what they were at its emit. Otherwise a tuple: a copy
    or a pickle of it is a plain one."""

    emitter: str
    digests: list[bytes | None]

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (list(self),)


class Copies:
    """The copies of one task's emits, and the comparing of what it receives.

    A copy is a pickle: it sees into objects that have no ``==``. What cannot be pickled, or pickles
    differently each time, is not watched, which is said once.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._me = f"'{context.component_id}' (task {context.task_id})"
        self._told: set[tuple[str, int]] = set()

    def take(self, stream: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The values to send in place of ``values``."""
        watched = Watched(values)
        watched.emitter = self._me
        watched.digests = [self._digest(stream, place, value) for place, value in enumerate(values)]
        return watched

    def compare(self, tup: Tuple, when: str) -> Iterator[str]:
        """One sentence for each value of ``tup`` that is not what it was when it was last looked
        at. ``when`` has a place for who looks."""
        values = tup.values
        if not isinstance(values, Watched):
            return
        for place, (value, before) in enumerate(zip(values, values.digests, strict=True)):
            if before is None:
                continue
            after = _pickle(value)
            if after == before:
                continue
            values.digests[place] = after
            field = tup.fields[place]
            yield (
                f"field '{field}' of stream '{tup.stream}' that {values.emitter} emitted was "
                f"changed {when.format(self._context.component_id)}: from "
                f"{pickle.loads(before)!r} to {value!r}\n"
                "hint: values travel by reference; emit a copy, or change a copy"
            )

    def _digest(self, stream: str, place: int, value: Any) -> bytes | None:
        if type(value) in FIXED:
            return None
        digest = _pickle(value)
        if digest is not None and digest == _pickle(value):
            return digest
        if (stream, place) not in self._told:
            self._told.add((stream, place))
            field = self._context.output_fields(stream)[place]
            logger.warning(
                "%s: field '%s' of stream '%s' holds a %s, which does not pickle the same twice: "
                "topology.debug.copy.values cannot watch it",
                self._me,
                field,
                stream,
                type(value).__name__,
            )
        return None


def _pickle(value: Any) -> bytes | None:
    try:
        return pickle.dumps(value, protocol=5)
    except Exception:
        return None
