"""The part of a configuration that the engine reads: frozen, typed, each field with its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from typhoon.config._registry import REGISTRY


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyOptions:
    """What the engine does, from a checked configuration; ``topology_options`` makes one.

    A field that ends in ``_s`` is in seconds, in ``_ms`` and ``_us`` in milli- and microseconds, as
    its key is. The registry says what each means, and has the defaults.
    """

    workers: int
    tasks: int | None
    max_task_parallelism: int | None
    executor_threads: Literal["auto", "all"]
    shared_thread_pool_size: int
    acking: bool
    message_timeout_s: float
    enable_message_timeouts: bool
    max_spout_pending: int | None
    max_replays: int | None
    max_worker_deaths: int
    receive_buffer_size: int
    transfer_buffer_size: int
    outbox_hard_limit_bytes: int
    spout_wait_park_us: int
    spout_wait_sleep_ms: int
    disable_loadaware: bool
    fall_back_on_pickle: bool
    always_try_serialize: bool
    debug_copy_values: bool
    debug: bool
    tick_freq_s: float | None
    stats_sample_rate: float
    auto_task_hooks: tuple[str, ...] | None
    error_throttle_interval_s: float
    max_errors_per_interval: int
    link_timeout_s: float


FIELDS = tuple(field.name for field in fields(TopologyOptions))
_KEYS = {key.field: key for key in REGISTRY.values() if key.field}


def topology_options(conf: Mapping[str, Any]) -> TopologyOptions:
    """The options that ``conf`` stands for: the values of a ``CheckedConf``, of a topology or of
    one of its components."""
    values = {name: _value(name, conf) for name in FIELDS}
    values["acking"] = conf[_KEYS["acking"].name] != 0
    values["tick_freq_s"] = values["tick_freq_s"] or None
    return TopologyOptions(**values)


def _value(field: str, conf: Mapping[str, Any]) -> Any:
    value = conf[_KEYS[field].name]
    return float(value) if field.endswith("_s") and value is not None else value
