"""What ``pystorm`` has, version 3.1.4."""

from __future__ import annotations

from typhoon.compat.pystorm.bolt import BatchingBolt, Bolt, TicklessBatchingBolt
from typhoon.compat.pystorm.component import Component, Tuple
from typhoon.compat.pystorm.spout import ReliableSpout, Spout
from typhoon.compat.pystorm.version import VERSION as VERSION
from typhoon.compat.pystorm.version import __version__ as __version__

__all__ = [
    "BatchingBolt",
    "Bolt",
    "Component",
    "ReliableSpout",
    "Spout",
    "TicklessBatchingBolt",
    "Tuple",
]
SUBMODULES = ("component", "bolt", "spout", "exceptions", "version")
