"""What authors write, and the immutable ``TopologySpec`` that it becomes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from typhoon._core import Tuple
from typhoon.topology import native
from typhoon.topology._bolt import AsyncBolt, Bolt
from typhoon.topology._builder import BoltDeclarer, SpoutDeclarer, TopologyBuilder
from typhoon.topology._component import Component, Reporter, bind_reporter
from typhoon.topology._declaration import Declaration
from typhoon.topology._spout import ReliableSpout, Spout
from typhoon.topology._stream import DEAD_LETTER, DEFAULT_STREAM, Grouping, Stream
from typhoon.topology._topology import Topology

if TYPE_CHECKING:
    from typhoon.topology._hooks import (
        BoltAckInfo,
        BoltExecuteInfo,
        BoltFailInfo,
        EmitInfo,
        SpoutAckInfo,
        SpoutFailInfo,
        TaskHook,
    )
    from typhoon.topology._resolve import topology_spec
    from typhoon.topology._spec import ComponentSpec, Subscription, TopologySpec
    from typhoon.topology._tasks import ACKER, Executor, TaskPlan, assign_tasks

__all__ = [
    "ACKER",
    "DEAD_LETTER",
    "DEFAULT_STREAM",
    "AsyncBolt",
    "Bolt",
    "BoltAckInfo",
    "BoltDeclarer",
    "BoltExecuteInfo",
    "BoltFailInfo",
    "Component",
    "ComponentSpec",
    "Declaration",
    "EmitInfo",
    "Executor",
    "Grouping",
    "ReliableSpout",
    "Reporter",
    "Spout",
    "SpoutAckInfo",
    "SpoutDeclarer",
    "SpoutFailInfo",
    "Stream",
    "Subscription",
    "TaskHook",
    "TaskPlan",
    "Topology",
    "TopologyBuilder",
    "TopologySpec",
    "Tuple",
    "assign_tasks",
    "bind_reporter",
    "native",
    "topology_spec",
]

LATER = {
    "ACKER": "_tasks",
    "BoltAckInfo": "_hooks",
    "BoltExecuteInfo": "_hooks",
    "BoltFailInfo": "_hooks",
    "ComponentSpec": "_spec",
    "EmitInfo": "_hooks",
    "Executor": "_tasks",
    "SpoutAckInfo": "_hooks",
    "SpoutFailInfo": "_hooks",
    "Subscription": "_spec",
    "TaskHook": "_hooks",
    "TaskPlan": "_tasks",
    "TopologySpec": "_spec",
    "assign_tasks": "_tasks",
    "topology_spec": "_resolve",
}
"""What only those need who check or run a topology, and the part that it is in."""


def __getattr__(name: str) -> Any:
    """Load a part when it is first asked for: writing a topology must not cost checking it."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{LATER[name]}"), name)
    globals()[name] = value
    return value
