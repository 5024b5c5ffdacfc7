"""What components report: counted, logged within Storm's limits, the last one kept."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from typhoon._core import Tuple
from typhoon.errors import told
from typhoon.worker._sendable import shown

logger = logging.getLogger("typhoon.worker")


@dataclass
class ErrorBook:
    """The errors of one component. Every one is counted; no more than ``most`` are logged per
    ``interval_s``, as in Storm, and what was left out is said when logging goes on."""

    component: str
    interval_s: float
    most: int
    now: Callable[[], float]
    count: int = 0
    last: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _since: float = float("-inf")
    _logged: int = 0
    _left_out: int = 0

    def add(self, what: str, error: BaseException | str, tup: Tuple | None = None) -> None:
        """Note ``error``, which happened in ``what`` (a method, say). From any thread."""
        text = error if isinstance(error, str) else f"{type(error).__name__}: {told(error)}"
        with self._lock:
            self.count += 1
            self.last = f"{what}: {text}"
            if not self._may_log():
                self._left_out += 1
                return
            left_out, self._left_out = self._left_out, 0
        about = "" if tup is None else f" for {shown(tup)}"
        more = f" ({left_out} more errors were not shown)" if left_out else ""
        trace = error if isinstance(error, BaseException) else None
        logger.error("%s: %s%s: %s%s", self.component, what, about, text, more, exc_info=trace)

    def _may_log(self) -> bool:
        now = self.now()
        if now - self._since >= self.interval_s:
            self._since, self._logged = now, 0
        self._logged += 1
        return self._logged <= self.most
