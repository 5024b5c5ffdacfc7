"""``Waker``: what one thread rings, and another waits for beside its other file descriptors."""

from __future__ import annotations

import os


class Waker:
    """A pipe. Rings that nobody has heard yet count as one.

    An eventfd would save one of two descriptors and exists on Linux only.
    """

    def __init__(self) -> None:
        self._ear, self._bell = os.pipe()
        os.set_blocking(self._ear, False)
        os.set_blocking(self._bell, False)

    def fileno(self) -> int:
        """Readable while there is a ring to hear."""
        return self._ear

    def ring(self) -> None:
        """From any thread, until ``close``."""
        try:
            os.write(self._bell, b"!")
        except BlockingIOError:
            pass  # the pipe is full of rings

    def hear(self) -> None:
        """Forget the rings so far."""
        try:
            while len(os.read(self._ear, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass  # there was none

    def close(self) -> None:
        os.close(self._ear)
        os.close(self._bell)
