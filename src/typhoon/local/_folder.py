"""``RunFolder``: where the orders, sockets and logs of one run of a topology's workers are."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

KEPT = 20
"""So many folders are kept of runs in which a worker died; older ones go."""
PREFIX = "typhoon-run-"
ORDER = ".order"
DIED = "kept"
"""The name of a file that says so."""


class RunFolder:
    """A new temporary folder, which only this user may enter.

    Its path is short, since that of a socket may have no more than 100 characters or so.
    """

    def __init__(self, above: Path | None = None) -> None:
        above = Path(tempfile.gettempdir()) if above is None else above
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=above))

    def socket(self, index: int, incarnation: int) -> str:
        """A place where nobody has listened before."""
        return f"unix:{self.path}/{index}-{incarnation}"

    def write_order(self, index: int, incarnation: int, content: bytes) -> Path:
        """For one start of a worker, which removes it when it has read it."""
        file = self.path / f"{index}-{incarnation}{ORDER}"
        file.write_bytes(content)
        return file

    def log(self, port: int) -> Path:
        return self.path / f"worker-{port}.log"

    def close(self, *, keep_logs: bool) -> None:
        """Remove all of it; or all but the logs, where somebody may want to know why a worker
        ended."""
        if not keep_logs:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        for file in self.path.iterdir():
            if file.is_socket() or file.suffix == ORDER:
                file.unlink(missing_ok=True)
        died = self.path / DIED
        died.touch()
        # By itself a file's time is that of the kernel's last tick, which several may share.
        now = time.time_ns()
        os.utime(died, ns=(now, now))
        self._forget_old()

    def _forget_old(self) -> None:
        kept = [
            folder
            for folder in self.path.parent.glob(f"{PREFIX}*")
            if (folder / DIED).is_file() and folder.stat().st_uid == os.getuid()
        ]
        kept.sort(key=lambda folder: (folder / DIED).stat().st_mtime_ns)
        for folder in kept[:-KEPT]:
            shutil.rmtree(folder, ignore_errors=True)
