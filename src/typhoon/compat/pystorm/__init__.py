"""What ``pystorm`` has, version 3.1.4."""

from __future__ import annotations

from typhoon.compat.pystorm.bolt import BatchingBolt, Bolt, TicklessBatchingBolt
from typhoon.compat.pystorm.component import Component, Tuple
from typhoon.compat.pystorm.spout import ReliableSpout, Spout

__all__ = [
    "BatchingBolt",
    "Bolt",
    "Component",
    "ReliableSpout",
    "Spout",
    "TicklessBatchingBolt",
    "Tuple",
]
__version__ = "3.1.4"
VERSION = (3, 1, 4)
SUBMODULES = ("component", "bolt", "spout", "exceptions")
