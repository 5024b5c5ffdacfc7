"""``Channel``: messages between a worker's process and the one that supervises it."""

from __future__ import annotations

import pickle
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

HEADER = struct.Struct("<Q")
CHUNK = 1 << 16


class Channel:
    """Any values that can be pickled, in order, over a socket that both ends got from their
    supervisor. ``send`` may be called from any thread, reading from one."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._buffer = bytearray()

    def fileno(self) -> int:
        return self._end.fileno()

    def send(self, *message: Any) -> None:
        """Raises ``OSError`` when the other end is gone."""
        content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        whole = HEADER.pack(len(content)) + content
        with self._lock:
            self._end.sendall(whole)

    def messages(self) -> Iterator[tuple[Any, ...]]:
        """Every message until the other end is gone."""
        while True:
            while (message := self._cut()) is not None:
                yield message
            if not self.read():
                return

    def read(self) -> bool:
        """Take in what has come, waiting if nothing has. False when the other end is gone."""
        try:
            chunk = self._end.recv(CHUNK)
        except OSError:
            return False
        self._buffer += chunk
        return bool(chunk)

    def waiting(self) -> list[tuple[Any, ...]]:
        """The messages that have come whole."""
        found = []
        while (message := self._cut()) is not None:
            found.append(message)
        return found

    def _cut(self) -> tuple[Any, ...] | None:
        if len(self._buffer) < HEADER.size:
            return None
        (length,) = HEADER.unpack_from(self._buffer)
        end = HEADER.size + length
        if len(self._buffer) < end:
            return None
        content = bytes(self._buffer[HEADER.size : end])
        del self._buffer[:end]
        message: tuple[Any, ...] = pickle.loads(content)
        return message

    def hang_up(self) -> None:
        """Nothing more is read here: ``messages`` comes to its end. From any thread."""
        with suppress(OSError):  # the other end is gone already
            self._end.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Also twice. Not while anything is sent: the handle's number may be another's then."""
        with self._lock:
            self._end.close()
