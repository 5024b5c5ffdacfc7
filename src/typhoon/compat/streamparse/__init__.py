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
from typhoon.compat.streamparse.version import VERSION as VERSION
from typhoon.compat.streamparse.version import __version__ as __version__

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
SUBMODULES = ("bolt", "component", "dsl", "spout", "storm", "thrift", "version")
