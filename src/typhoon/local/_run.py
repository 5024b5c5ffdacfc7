"""``run``: one topology to its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from typhoon.config import find_file, load_file, read_duration
from typhoon.local._cluster import LocalCluster
from typhoon.metrics import Stats
from typhoon.topology import topology_spec

LONGEST_S = 86_400.0 * 365


def run(
    topology: Any,
    config: Mapping[str, Any] | None = None,
    duration: float | str | timedelta | None = None,
) -> Stats:
    """Run ``topology`` in this process until it has drained, or for ``duration``: a number of
    seconds, a ``timedelta``, or text such as ``"30s"`` or ``"5m"``.

    As ``typhoon run`` does, it reads ``typhoon.yaml`` of the current folder, or else the one beside
    the script that was started. The topology's own configuration goes over that, ``config`` over
    both.

    Blocks; may be called from any thread, also beside a running event loop. Ctrl-C drains what is
    in flight and returns. Raises ``InvalidTopologyError``, ``InvalidConfigError`` before anything
    starts, ``TopologyFailedError`` when a component could not start.
    """
    seconds = LONGEST_S if duration is None else read_duration(duration)
    spec = topology_spec(topology, None, config, under=load_file(find_file(_folder_of_script())))
    with LocalCluster() as cluster:
        running = cluster.submit(spec.name or "topology", spec)
        try:
            deadline = time.monotonic() + seconds
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


def _folder_of_script() -> Path | None:
    """Where the script lies that this process was started with; None in a notebook or a shell."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return None if script is None else Path(script).resolve().parent
