"""What ``streamparse.bolt`` has."""

from __future__ import annotations

from typhoon.compat.streamparse.dsl.bolt import JavaBoltSpec, ShellBoltSpec
from typhoon.compat.streamparse.storm.bolt import (
    BatchingBolt,
    Bolt,
    Component,
    JavaBolt,
    ShellBolt,
    TicklessBatchingBolt,
)

__all__ = [
    "BatchingBolt",
    "Bolt",
    "Component",
    "JavaBolt",
    "JavaBoltSpec",
    "ShellBolt",
    "ShellBoltSpec",
    "TicklessBatchingBolt",
]
