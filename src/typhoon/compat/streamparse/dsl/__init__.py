"""What ``streamparse.dsl`` has."""

from __future__ import annotations

from typhoon.compat.streamparse.dsl.stream import Grouping, Stream
from typhoon.compat.streamparse.dsl.topology import Topology

SUBMODULES = ("stream", "topology", "component", "bolt", "spout")

__all__ = ["Grouping", "Stream", "Topology"]
