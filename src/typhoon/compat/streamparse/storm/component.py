"""What ``streamparse.storm.component`` has: pystorm's component, with outputs and a parallelism."""

from __future__ import annotations

from typing import Any

from typhoon.compat import pystorm
from typhoon.compat.pystorm.component import StormHandler

__all__ = ["Component", "StormHandler"]


class Component(pystorm.Component):
    """What streamparse's components have beyond pystorm's."""

    outputs: Any = None
    par: Any = 1
    config: Any = None

    @classmethod
    def spec(cls, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{cls.__name__} is neither a bolt nor a spout: derive it from one")
