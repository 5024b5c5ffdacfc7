"""What ``pystorm.component`` has: ``Tuple``, and what spouts and bolts have in common."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from typhoon.compat.pystorm.exceptions import StormWentAwayError
from typhoon.errors import NotRunningError

__all__ = ["Component", "StormHandler", "StormWentAwayError", "Tuple", "log"]

log = logging.getLogger(__name__)

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


class Tuple(NamedTuple):
    """What a bolt is given; ``values`` is a namedtuple of the stream's fields."""

    id: str
    component: str
    stream: str
    task: int
    values: Any


class StormHandler(logging.Handler):
    """What is logged reaches typhoon's log by the root logger's handlers; this one passes on what
    would not, from a logger that does not propagate."""

    def __init__(self, serializer: Any) -> None:
        super().__init__()
        self.serializer = serializer

    def emit(self, record: logging.LogRecord) -> None:
        if logging.getLogger(record.name).propagate:
            return
        for handler in logging.getLogger().handlers:
            if not isinstance(handler, StormHandler):
                handler.handle(record)


class Component:
    """The base of spouts and bolts. The constructor's arguments are accepted and ignored."""

    exit_on_exception = True

    def __init__(
        self,
        input_stream: Any = sys.stdin,
        output_stream: Any = sys.stdout,
        rdb_signal: Any = "SIGUSR1",
        serializer: Any = "json",
    ) -> None:
        self.topology_name: str | None = None
        self.task_id: int | None = None
        self.component_name: str | None = None
        self.debug: bool | None = None
        self.storm_conf: Mapping[str, Any] | None = None
        self.context: Mapping[str, Any] | None = None
        self.pid = os.getpid()
        self.logger: Any = None
        self.serializer = serializer

    # Not set in __init__, so that it is there for who does not call this class's.
    _host: Any = None

    @staticmethod
    def is_heartbeat(tup: Tuple) -> bool:
        return tup.task == -1 and tup.stream == "__heartbeat"

    def _setup_component(self, storm_conf: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        """Called before ``initialize``: what the worker knows goes into attributes."""
        self.topology_name = storm_conf.get("topology.name", "")
        self.task_id = context["taskid"]
        self.component_name = context["componentid"]
        self.debug = storm_conf.get("topology.debug", False)
        self.storm_conf = storm_conf
        self.context = context
        self.logger = logging.getLogger(f"pystorm.component.{self.component_name}")
        level = storm_conf.get("pystorm.log.level")
        if level is not None:
            wanted = LEVELS.get(str(level).lower(), logging.INFO)
            # It may only say less than the command line asks for: -v and -vv are the reader's.
            self.logger.setLevel(max(wanted, logging.getLogger().getEffectiveLevel()))

    def initialize(self, storm_conf: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        """Called once, before the first tuple."""

    def log(self, message: Any, level: str | None = None) -> None:
        self._hosted("log").log(str(message), LEVELS.get(level or "info", logging.INFO))

    def raise_exception(self, exception: BaseException, tup: Any = None) -> None:
        self._hosted("raise_exception").report(exception, tup)

    def report_metric(self, name: str, value: Any) -> None:
        self._hosted("report_metric").metric(name, value)

    def emit(
        self,
        tup: Sequence[Any],
        tup_id: Any = None,
        stream: str | None = None,
        anchors: Any = None,
        direct_task: int | None = None,
        need_task_ids: bool = False,
    ) -> list[int] | None:
        if not isinstance(tup, list | tuple):
            raise TypeError(f"emit() takes a list or a tuple of values, not {tup!r}")
        host = self._hosted("emit")
        sent: list[int] | None = host.send(tup, tup_id, stream, anchors, direct_task, need_task_ids)
        return sent

    def _hosted(self, what: str) -> Any:
        if self._host is None:
            raise NotRunningError(
                f"{what}() of a {type(self).__name__} that no topology runs",
                hint="call it from initialize, process or next_tuple; in a test, replace it",
            )
        return self._host
