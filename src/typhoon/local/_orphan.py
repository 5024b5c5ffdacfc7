"""What becomes of a topology that nobody can ask about any more."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typhoon.local._group import WorkerGroup
    from typhoon.worker import Worker

LOOK_S = 0.05


def finish_when_drained(worker: Worker | WorkerGroup) -> None:
    """End ``worker`` once its topology has no more data, as whoever waits for it would have done.

    A cell of a notebook that is run again leaves such topologies. One whose spouts never end goes
    on. Returns at once.
    """
    if not worker.is_done:
        name = f"typhoon-{worker.topology_id}-finisher"
        threading.Thread(target=_finish, args=(worker,), name=name, daemon=True).start()


def _finish(worker: Worker | WorkerGroup) -> None:
    while not worker.is_done:
        if worker.is_drained():
            worker.finish(10.0)
            return
        time.sleep(LOOK_S)
