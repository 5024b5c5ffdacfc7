"""``Pump``: one thread carries what all workers print into their logs."""

from __future__ import annotations

import os
import selectors
import threading
from collections import deque
from collections.abc import Callable

from typhoon.cluster.supervisor._log_file import LogFile
from typhoon.cluster.supervisor._waker import Waker

CHUNK = 1 << 16
DRAIN_BYTES = 1 << 20
"""So much of a dead worker's output is read at most: one of its descendants that left its process
group may hold the pipe and write for ever. A pipe holds less."""
WORDS_BYTES = 4096


class Output:
    """What one worker prints: both its standard streams, by one pipe."""

    def __init__(self, fd: int, log: LogFile) -> None:
        self.fd = fd
        self.log = log
        self.tail = b""
        self.closed = threading.Event()

    @property
    def last_line(self) -> str:
        """The last line that is not empty: of a Python that died, usually the exception."""
        lines = self.tail.decode("utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


class Pump:
    """A pipe and a thread rather than a file of the worker's own, so that what is printed by C and
    what is printed while crashing is rotated as well, and a full disk is nothing that a worker
    notices. A thread of its own, so that a slow disk holds up nobody but who prints."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._waker = Waker()
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._orders: deque[Callable[[], None]] = deque()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="typhoon-logs", daemon=True)
        self._thread.start()

    def attach(self, fd: int, log: LogFile, note: str) -> Output:
        """Read from ``fd`` from now on, which is the pump's to close; begin with ``note``."""
        output = Output(fd, log)
        self._order(lambda: self._attach(output, note))
        return output

    def finish(self, output: Output, note: str, timeout: float) -> str:
        """The worker is dead: write what is still in the pipe, then ``note``, and close both.

        Gives the last line that was printed, as far as it is known after ``timeout`` seconds.
        """
        self._order(lambda: self._finish(output, note))
        output.closed.wait(timeout)
        return output.last_line

    def close(self) -> None:
        """End the thread, after all that was ordered before."""
        self._order(self._close)
        self._thread.join()
        self._selector.close()
        self._waker.close()

    def _order(self, order: Callable[[], None]) -> None:
        self._orders.append(order)
        self._waker.ring()

    # On the pump's thread -----------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if key.data is not None:
                    self._carry(key.data)
            self._waker.hear()
            while self._orders:
                self._orders.popleft()()

    def _attach(self, output: Output, note: str) -> None:
        os.set_blocking(output.fd, False)
        output.log.note(note)
        self._selector.register(output.fd, selectors.EVENT_READ, output)

    def _carry(self, output: Output) -> int:
        """How much there was. At the end of the pipe, which is not always the worker's, no more is
        waited for."""
        try:
            data = os.read(output.fd, CHUNK)
        except BlockingIOError:
            return 0
        if data:
            output.log.write(data)
            output.tail = (output.tail + data)[-WORDS_BYTES:]
        else:
            self._selector.unregister(output.fd)
        return len(data)

    def _finish(self, output: Output, note: str) -> None:
        left = DRAIN_BYTES
        while left > 0 and output.fd in self._selector.get_map():
            carried = self._carry(output)
            left = left - carried if carried else 0
        if output.fd in self._selector.get_map():
            self._selector.unregister(output.fd)
        os.close(output.fd)
        output.log.note(note)
        output.log.close()
        output.closed.set()

    def _close(self) -> None:
        self._closing = True
