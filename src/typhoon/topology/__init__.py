"""What authors write, and the immutable ``TopologySpec`` that it becomes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from typhoon._core import Tuple
from typhoon.topology import native
from typhoon.topology._batching import (
    BatchingBolt,
    TicklessBatchingBolt,
    give_acks_back,
    hold_acks,
    hurry,
    tick_secs,
)
from typhoon.topology._bolt import AsyncBolt, Bolt
from typhoon.topology._builder import BoltDeclarer, SpoutDeclarer, TopologyBuilder
from typhoon.topology._component import Component, Reporter, bind_reporter
from typhoon.topology._declaration import Declaration, Input
from typhoon.topology._spout import ReliableSpout, Spout, hears_of_failures
from typhoon.topology._stream import DEAD_LETTER, DEFAULT_STREAM, Grouping, Stream
from typhoon.topology._topology import Topology

if TYPE_CHECKING:
    from typhoon.topology._emit import Emit
    from typhoon.topology._function_bolt import FunctionBolt, bolt
    from typhoon.topology._function_spout import FunctionSpout, spout
    from typhoon.topology._hooks import (
        BoltAckInfo,
        BoltExecuteInfo,
        BoltFailInfo,
        EmitInfo,
        SpoutAckInfo,
        SpoutFailInfo,
        TaskHook,
        WorkerHook,
    )
    from typhoon.topology._names import check_name
    from typhoon.topology._resolve import topology_spec
    from typhoon.topology._spec import ComponentSpec, Subscription, TopologySpec
    from typhoon.topology._tasks import ACKER, Executor, TaskPlan, assign_tasks

__all__ = [
    "ACKER",
    "DEAD_LETTER",
    "DEFAULT_STREAM",
    "AsyncBolt",
    "BatchingBolt",
    "Bolt",
    "BoltAckInfo",
    "BoltDeclarer",
    "BoltExecuteInfo",
    "BoltFailInfo",
    "Component",
    "ComponentSpec",
    "Declaration",
    "Emit",
    "EmitInfo",
    "Executor",
    "FunctionBolt",
    "FunctionSpout",
    "Grouping",
    "Input",
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
    "TicklessBatchingBolt",
    "Topology",
    "TopologyBuilder",
    "TopologySpec",
    "Tuple",
    "WorkerHook",
    "assign_tasks",
    "bind_reporter",
    "bolt",
    "check_name",
    "give_acks_back",
    "hears_of_failures",
    "hold_acks",
    "hurry",
    "native",
    "spout",
    "tick_secs",
    "topology_spec",
]

LATER = {
    "ACKER": "_tasks",
    "BoltAckInfo": "_hooks",
    "BoltExecuteInfo": "_hooks",
    "BoltFailInfo": "_hooks",
    "ComponentSpec": "_spec",
    "Emit": "_emit",
    "EmitInfo": "_hooks",
    "Executor": "_tasks",
    "FunctionBolt": "_function_bolt",
    "FunctionSpout": "_function_spout",
    "SpoutAckInfo": "_hooks",
    "SpoutFailInfo": "_hooks",
    "Subscription": "_spec",
    "TaskHook": "_hooks",
    "TaskPlan": "_tasks",
    "TopologySpec": "_spec",
    "WorkerHook": "_hooks",
    "assign_tasks": "_tasks",
    "bolt": "_function_bolt",
    "check_name": "_names",
    "spout": "_function_spout",
    "topology_spec": "_resolve",
}
"""What not everybody needs who writes a topology, and the part that it is in."""


def __getattr__(name: str) -> Any:
    """Load a part when it is first asked for: writing a topology must not cost checking it."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{LATER[name]}"), name)
    globals()[name] = value
    return value
