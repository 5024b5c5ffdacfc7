"""What ``streamparse.component`` has."""

from __future__ import annotations

from typhoon.compat.streamparse.storm.component import Component, StormHandler

__all__ = ["Component", "StormHandler"]
