"""What ``streamparse.spout`` has."""

from __future__ import annotations

from typhoon.compat.streamparse.dsl.spout import JavaSpoutSpec, ShellSpoutSpec
from typhoon.compat.streamparse.storm.spout import (
    Component,
    JavaSpout,
    ReliableSpout,
    ShellSpout,
    Spout,
)

__all__ = [
    "Component",
    "JavaSpout",
    "JavaSpoutSpec",
    "ReliableSpout",
    "ShellSpout",
    "ShellSpoutSpec",
    "Spout",
]
