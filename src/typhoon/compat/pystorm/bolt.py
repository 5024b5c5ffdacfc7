"""What ``pystorm.bolt`` has."""

from __future__ import annotations

from typhoon.compat.pystorm._batching import BatchingBolt, TicklessBatchingBolt
from typhoon.compat.pystorm._bolt import Bolt
from typhoon.compat.pystorm.component import Component, Tuple

__all__ = ["BatchingBolt", "Bolt", "Component", "TicklessBatchingBolt", "Tuple"]
