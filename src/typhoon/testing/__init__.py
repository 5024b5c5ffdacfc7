"""What Typhoon's own tests are written with, for yours."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typhoon.testing._bolt import BoltRun, run_bolt
    from typhoon.testing._capture import Capture
    from typhoon.testing._clock import FakeClock
    from typhoon.testing._complete import CompletedTopology, complete_topology
    from typhoon.testing._script import ABORT, EOF, PAUSE, Pause, Row, ScriptedSpout

__all__ = [
    "ABORT",
    "EOF",
    "PAUSE",
    "BoltRun",
    "Capture",
    "CompletedTopology",
    "FakeClock",
    "Pause",
    "Row",
    "ScriptedSpout",
    "complete_topology",
    "run_bolt",
]

PARTS = {
    "ABORT": "_script",
    "EOF": "_script",
    "PAUSE": "_script",
    "BoltRun": "_bolt",
    "Capture": "_capture",
    "CompletedTopology": "_complete",
    "FakeClock": "_clock",
    "Pause": "_script",
    "Row": "_script",
    "ScriptedSpout": "_script",
    "complete_topology": "_complete",
    "run_bolt": "_bolt",
}


def __getattr__(name: str) -> Any:
    """Load a part when it is first asked for: pytest loads this package at every start."""
    if name not in PARTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{PARTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
