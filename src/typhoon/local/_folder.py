"""``RunFolder``: where the orders, sockets and logs of one run of a topology's workers are."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

KEPT = 20
"""So many folders are kept of runs that did not end well; older ones go."""
PREFIX = "typhoon-run-"
ORDER = ".order"
LOCK = "lock"
"""The name of a file that is locked while the run lasts."""


class RunFolder:
    """A new temporary folder, which only this user may enter.

    Its path is short, since that of a socket may have no more than 100 characters or so.
    """

    def __init__(self, above: Path | None = None) -> None:
        above = Path(tempfile.gettempdir()) if above is None else above
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=above))
        self._lock = (self.path / LOCK).open("wb")
        with suppress(OSError):  # where nothing can be locked, nothing is ever taken for over
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def socket(self, index: int, incarnation: int) -> str:
        """A place where nobody has listened before."""
        return f"unix:{self.path}/{index}-{incarnation}"

    def write_order(self, index: int, incarnation: int, content: bytes) -> Path:
        """For one start of a worker, which empties it when it has read it, and removes it when it
        runs."""
        file = self.path / f"{index}-{incarnation}{ORDER}"
        file.write_bytes(content)
        return file

    def log(self, port: int) -> Path:
        return self.path / f"worker-{port}.log"

    def close(self, *, keep_logs: bool) -> None:
        """Remove all of it; or all but the logs, where somebody may want to know why a worker
        ended. The folders of runs that were killed themselves count as kept. Does not raise, also
        where somebody has tidied the folder away."""
        if self._lock.closed:
            return
        try:
            if keep_logs:
                self._remove_all_but_logs()
            else:
                shutil.rmtree(self.path, ignore_errors=True)
        finally:
            self._lock.close()
        _forget_old(self.path.parent)

    def _remove_all_but_logs(self) -> None:
        with suppress(OSError):
            for file in self.path.iterdir():
                if file.is_socket() or file.suffix == ORDER:
                    file.unlink(missing_ok=True)
        with suppress(OSError):
            # By itself a file's time is that of the kernel's last tick, which several may share.
            now = time.time_ns()
            os.utime(self._lock.fileno(), ns=(now, now))


def _forget_old(above: Path) -> None:
    """Other runs may do the same at this moment."""
    over: list[tuple[int, Path]] = []
    for folder in above.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.stat().st_uid == os.getuid() and _is_over(folder):
                over.append(((folder / LOCK).stat().st_mtime_ns, folder))
    over.sort()
    for _, folder in over[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _is_over(folder: Path) -> bool:
    """Whether no process holds its lock. Raises ``OSError`` where there is none, or none yet."""
    with (folder / LOCK).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
