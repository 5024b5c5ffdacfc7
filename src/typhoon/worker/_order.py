"""``WorkerOrder``: what a worker's process is told when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from typhoon.worker._layout import Layout


@dataclass(frozen=True)
class WorkerOrder:
    """``spec`` is the pickled topology; ``modules`` are files that are imported before, by
    name, and ``before`` functions that are called before that, as ``module:function``.

    ``listen`` is where peers reach it: ``unix:PATH`` or ``tcp:HOST:PORT``; ``secret`` is what they
    prove to each other to know, ``tls`` paths of certificate, key and authorities, and the name
    that is in the certificates. ``active`` is whether spouts begin at once.
    ``log_level`` is what goes to the worker's file, ``heard_level`` what the supervisor hears of.
    """

    topology_id: str
    port: int
    layout: Layout
    conf: Mapping[str, Any]
    spec: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    listen: str
    tls: tuple[str, str, str, str] | None = None
    active: bool = True
    path: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    modules: tuple[tuple[str, str], ...] = ()
    log_level: int = 20
    heard_level: int = 30
    heartbeat_s: float = 1.0
