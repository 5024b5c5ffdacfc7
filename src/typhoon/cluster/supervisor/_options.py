"""What of the configuration a supervisor's slots go by: frozen, typed, each field with its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotOptions:
    """How patient a slot is with its worker; ``slot_options`` makes one."""

    start_timeout_s: float
    worker_timeout_s: float
    shutdown_s: float
    memory_limit_bytes: int | None
    max_restarts: int
    restart_window_s: float
    lasting_s: float
    back_off_s: float
    max_back_off_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """How much of a worker's output is kept: ``files`` of ``max_bytes`` each."""

    max_bytes: int
    files: int


def slot_options(conf: Mapping[str, Any]) -> SlotOptions:
    """The options that ``conf`` stands for: the values of a ``CheckedConf``."""
    limit = conf["worker.memory.limit.mb"]
    return SlotOptions(
        start_timeout_s=float(conf["supervisor.worker.start.timeout.secs"]),
        worker_timeout_s=float(conf["supervisor.worker.timeout.secs"]),
        shutdown_s=float(conf["supervisor.worker.shutdown.sleep.secs"]),
        memory_limit_bytes=None if limit is None else int(limit * 1_000_000),
        max_restarts=conf["supervisor.worker.max.restarts"],
        restart_window_s=float(conf["supervisor.worker.restart.window.secs"]),
        lasting_s=float(conf["supervisor.worker.lasting.secs"]),
        back_off_s=float(conf["supervisor.worker.back.off.secs"]),
        max_back_off_s=float(conf["supervisor.worker.max.back.off.secs"]),
    )


def log_options(conf: Mapping[str, Any]) -> LogOptions:
    """The same for logs."""
    return LogOptions(max_bytes=conf["worker.log.file.size"], files=conf["worker.log.files"])
