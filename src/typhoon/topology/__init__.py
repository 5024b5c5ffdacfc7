"""What authors write, and the immutable ``TopologySpec`` that it becomes."""

from typhoon._core import Tuple
from typhoon.topology import native
from typhoon.topology._bolt import Bolt
from typhoon.topology._builder import BoltDeclarer, SpoutDeclarer, TopologyBuilder
from typhoon.topology._component import Component, Reporter, bind_reporter
from typhoon.topology._declaration import Declaration
from typhoon.topology._resolve import topology_spec
from typhoon.topology._spec import ComponentSpec, Subscription, TopologySpec
from typhoon.topology._spout import ReliableSpout, Spout
from typhoon.topology._stream import DEAD_LETTER, DEFAULT_STREAM, Grouping, Stream
from typhoon.topology._tasks import ACKER, Executor, TaskPlan, assign_tasks
from typhoon.topology._topology import Topology

__all__ = [
    "ACKER",
    "DEAD_LETTER",
    "DEFAULT_STREAM",
    "Bolt",
    "BoltDeclarer",
    "Component",
    "ComponentSpec",
    "Declaration",
    "Executor",
    "Grouping",
    "ReliableSpout",
    "Reporter",
    "Spout",
    "SpoutDeclarer",
    "Stream",
    "Subscription",
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
