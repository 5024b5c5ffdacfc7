"""How a topology is run in worker processes to be measured."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typhoon.cli._bench_rounds import TIMEOUT_S
from typhoon.errors import TyphoonInternalError
from typhoon.local import LocalCluster
from typhoon.metrics import Stats
from typhoon.topology import TopologyBuilder

LOOK_S = 0.1
"""How often the end is looked for: each look takes the workers' time."""
START_S = 60.0


@contextmanager
def result_folder() -> Iterator[Path]:
    """Where tasks write what they found."""
    with tempfile.TemporaryDirectory(prefix="typhoon-bench-") as folder:
        yield Path(folder)


def results(folder: Path, kind: str) -> list[Any]:
    """What the tasks of one kind have written, in the order of their numbers; then it is gone."""
    files = sorted(folder.glob(f"{kind}-*.json"), key=lambda file: int(file.stem.split("-")[1]))
    found = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    for file in files:
        file.unlink()
    return found


def run_workers(topology: TopologyBuilder, workers: int, config: Mapping[str, Any]) -> Stats:
    """Run ``topology`` to its end on so many processes; its spouts begin when all are up."""
    with LocalCluster(processes=True) as cluster:
        wanted = {"topology.workers": workers, **config}
        running = cluster.submit("bench", topology, wanted, active=False)
        running.wait_until_running(START_S)
        running.activate()
        deadline = time.monotonic() + TIMEOUT_S
        while not running.wait(0):
            if time.monotonic() > deadline:
                running.wait_until_drained(0)
            time.sleep(LOOK_S)
        if running.failure is not None:
            raise running.failure
        stats = running.stats()
    used = sum(1 for process in stats.processes if process.components)
    if used != workers:
        raise TyphoonInternalError(f"the topology ran on {used} workers, not on {workers}")
    return stats
