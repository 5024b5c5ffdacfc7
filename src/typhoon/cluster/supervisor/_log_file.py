"""``LogFile``: the output of the workers of one port, in files of bounded size and number."""

from __future__ import annotations

import logging
import os
from pathlib import Path

logger = logging.getLogger(__name__)


class LogFile:
    """Used by one thread. ``path`` is the newest file, ``path.1`` the one before, and so on.

    A file ends at the end of a line where it can. One that is longer than a file may make it exceed
    ``max_bytes``, by what one ``write`` brings. Writing never raises: what does not fit on the disk
    is counted and dropped, and once there is room again, a line in the log says how much is
    missing.
    """

    def __init__(self, path: Path, max_bytes: int, files: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._files = files
        self._fd = -1
        self._size = 0
        self._in_line = False
        self._lost = 0
        self._trouble = ""

    def write(self, data: bytes) -> None:
        """Append ``data``, in a new file if need be."""
        if self._lost:
            notice = f"\n--- {self._lost} bytes of output were lost here: {self._trouble} ---\n"
            if self._put(notice.encode()):
                self._lost += len(data)
                return
            logger.warning("%s is written again; %d bytes are missing", self._path, self._lost)
            self._lost = 0
        while data:
            cut = self._cut(data)
            if not cut:
                self._turn()
                continue
            if missing := self._put(data[:cut]):
                self._lost += missing + len(data) - cut
                return
            data = data[cut:]
            if data:
                self._turn()

    def note(self, text: str) -> None:
        """A line of our own between the worker's."""
        begin = "\n" if self._in_line else ""
        self.write(f"{begin}--- {text} ---\n".encode())

    def close(self) -> None:
        """The next ``write`` opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _cut(self, data: bytes) -> int:
        """How much of ``data`` belongs into this file; 0: it is full."""
        room = max(0, self._max_bytes - self._size)
        if len(data) <= room:
            return len(data)
        fits = data.rfind(b"\n", 0, room) + 1
        if fits or (self._size and not self._in_line):
            return fits
        # In the middle of a line, which ends here, or of what is longer than any file.
        return data.find(b"\n") + 1 or (len(data) if room or not self._size else 0)

    def _put(self, data: bytes) -> int:
        """How many bytes of ``data`` could not be written."""
        try:
            if self._fd < 0:
                self._open()
            while data:
                written = os.write(self._fd, data)
                self._size += written
                self._in_line = not data[:written].endswith(b"\n")
                data = data[written:]
        except OSError as error:
            self.close()  # whoever makes room may also have replaced the file
            self._trouble = error.strerror or str(error)
            if not self._lost:
                logger.warning("%s cannot be written, output is lost: %s", self._path, error)
        return len(data)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o644)
        self._size = os.fstat(self._fd).st_size

    def _turn(self) -> None:
        """The newest file becomes the one before; the oldest is removed."""
        self._size = 0
        try:
            for number in range(self._files - 1, 0, -1):
                newer = self._numbered(number - 1)
                if newer.exists():
                    newer.replace(self._numbered(number))
            if self._files == 1:
                self._path.unlink()
        except OSError as error:
            # It is kept open, and tried again when it has grown by as much once more.
            logger.warning("%s grows on, it cannot be renamed: %s", self._path, error)
        else:
            self.close()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path
