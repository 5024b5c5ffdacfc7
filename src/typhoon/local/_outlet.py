"""``Outlet``: what workers say to people, on its way out of this process."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable

logger = logging.getLogger("typhoon.local")

MOST_WAITING = 1 << 20
"""So many characters may wait until they are read."""


class Outlet:
    """Hands text on from a thread of its own: whoever reads it may pause for hours, as one with
    ``| less`` does, and who writes is held up then.

    Nothing is refused; who fills it must heed ``is_full``. ``on_room`` is called on the thread when
    it is not full any more. ``error`` is why standard output could not be written: nothing more is
    printed then, since whoever read it has gone, as ``head`` does.
    """

    def __init__(self, name: str, on_room: Callable[[], None]) -> None:
        self.error: OSError | None = None
        self._on_room = on_room
        self._waiting: deque[tuple[Callable[[str], None], str]] = deque()
        self._size = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, write: Callable[[str], None], text: str) -> None:
        """``write(text)`` is called after all that was put before. Does not wait."""
        with self._changed:
            self._waiting.append((write, text))
            self._size += len(text)
            self._changed.notify()

    @property
    def is_full(self) -> bool:
        return self._size >= MOST_WAITING

    @property
    def is_empty(self) -> bool:
        """Everything has been written."""
        return self._size == 0

    def close(self, timeout: float) -> None:
        """Write what waits. What cannot be written in time is lost."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        with self._changed:
            self._waiting.clear()

    def print(self, text: str) -> None:
        """Write to standard output, as it is now."""
        if self.error is not None or sys.stdout is None:  # closed before Python began
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:
            self.error = error
            logger.warning("what workers print is left out from now on: %s", error)

    # On the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        while (one := self._next()) is not None:
            write, text = one
            try:
                write(text)
            except Exception:
                logger.exception("what a worker said could not be written")
            self._written(text)

    def _next(self) -> tuple[Callable[[str], None], str] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return self._waiting.popleft() if self._waiting else None

    def _written(self, text: str) -> None:
        with self._changed:
            was_full = self.is_full
            self._size -= len(text)
            has_room = was_full and not self.is_full
        if has_room:
            self._on_room()
