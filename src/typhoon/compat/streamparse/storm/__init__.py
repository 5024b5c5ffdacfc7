"""What ``streamparse.storm`` has."""

from __future__ import annotations

from typhoon.compat.pystorm import Tuple
from typhoon.compat.streamparse.storm.bolt import (
    BatchingBolt,
    Bolt,
    JavaBolt,
    ShellBolt,
    TicklessBatchingBolt,
)
from typhoon.compat.streamparse.storm.component import Component, StormHandler
from typhoon.compat.streamparse.storm.spout import JavaSpout, ReliableSpout, ShellSpout, Spout

SUBMODULES = ("bolt", "component", "spout")

__all__ = [
    "BatchingBolt",
    "Bolt",
    "Component",
    "JavaBolt",
    "JavaSpout",
    "ReliableSpout",
    "ShellBolt",
    "ShellSpout",
    "Spout",
    "StormHandler",
    "TicklessBatchingBolt",
    "Tuple",
]
