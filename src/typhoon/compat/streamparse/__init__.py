"""What ``streamparse`` has, version 5.0.1, but for its command line and its talk with Storm."""

from __future__ import annotations

from typhoon.compat.streamparse.dsl import Grouping, Stream, Topology
from typhoon.compat.streamparse.storm import (
    BatchingBolt,
    Bolt,
    JavaBolt,
    JavaSpout,
    ReliableSpout,
    ShellBolt,
    ShellSpout,
    Spout,
    StormHandler,
    TicklessBatchingBolt,
    Tuple,
)

__all__ = [
    "BatchingBolt",
    "Bolt",
    "Grouping",
    "JavaBolt",
    "JavaSpout",
    "ReliableSpout",
    "ShellBolt",
    "ShellSpout",
    "Spout",
    "StormHandler",
    "Stream",
    "TicklessBatchingBolt",
    "Topology",
    "Tuple",
]
__version__ = "5.0.1"
VERSION = (5, 0, 1)
SUBMODULES = ("bolt", "component", "dsl", "spout", "storm", "thrift")
