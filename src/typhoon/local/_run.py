"""``run``: one topology to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from typhoon.local._cluster import LocalCluster
from typhoon.metrics import Stats

LONGEST_S = 86_400.0 * 365


def run(
    topology: Any, config: Mapping[str, Any] | None = None, duration: float | None = None
) -> Stats:
    """Run ``topology`` in this process until it has drained, or for ``duration`` seconds.

    Blocks; may be called from any thread, also beside a running event loop. Ctrl-C drains what is
    in flight and returns. Raises ``InvalidTopologyError``, ``InvalidConfigError`` before anything
    starts, ``TopologyFailedError`` when a component could not start.
    """
    with LocalCluster() as cluster:
        running = cluster.submit("topology", topology, config)
        try:
            deadline = time.monotonic() + (LONGEST_S if duration is None else duration)
            while not running.wait(min(1.0, max(0.0, deadline - time.monotonic()))):
                if time.monotonic() >= deadline:
                    break
        except KeyboardInterrupt:
            running.drain(timeout=30)
        else:
            if running.failure is None and not running.is_drained:
                running.drain(timeout=30)
        if running.failure is not None:
            raise running.failure
        return running.stats()
