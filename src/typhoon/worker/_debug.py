"""``topology.debug``: every emit, ack and fail of a task as a line in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from typhoon.topology import (
    BoltAckInfo,
    BoltExecuteInfo,
    BoltFailInfo,
    EmitInfo,
    SpoutAckInfo,
    SpoutFailInfo,
    TaskHook,
)

logger = logging.getLogger("typhoon.worker")


class DebugHook(TaskHook):
    """Logs at INFO, as Storm does."""

    def prepare(self, conf: Mapping[str, Any], context: Any) -> None:
        self.who = f"{context.component_id}:{context.task_id}"

    def emit(self, info: EmitInfo) -> None:
        trees = [format(tree, "016x") for tree in info.trees]
        logger.info(
            "%s emitted on '%s' to tasks %s: %r (tup_id %r, trees %s)",
            self.who,
            info.stream,
            list(info.target_tasks),
            tuple(info.values),
            info.tup_id,
            trees,
        )

    def spout_ack(self, info: SpoutAckInfo) -> None:
        logger.info(
            "%s was told of the ack of %r%s",
            self.who,
            info.tup_id,
            _after(info.complete_latency_ms),
        )

    def spout_fail(self, info: SpoutFailInfo) -> None:
        logger.info(
            "%s was told of the fail of %r%s", self.who, info.tup_id, _after(info.fail_latency_ms)
        )

    def bolt_execute(self, info: BoltExecuteInfo) -> None:
        logger.info("%s processed %r in %.3f ms", self.who, info.tup, info.execute_latency_ms)

    def bolt_ack(self, info: BoltAckInfo) -> None:
        logger.info("%s acked %r%s", self.who, info.tup, _after(info.process_latency_ms))

    def bolt_fail(self, info: BoltFailInfo) -> None:
        logger.info("%s failed %r%s", self.who, info.tup, _after(info.fail_latency_ms))


def warn_if_unheard() -> None:
    """Say that ``topology.debug`` is on and its lines go nowhere, if that is so."""
    if not logger.isEnabledFor(logging.INFO):
        logger.warning(
            "topology.debug is on, but logger 'typhoon.worker' does not show INFO: run with -v, or "
            "set its level"
        )


def _after(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f" after {milliseconds:.3f} ms"
