"""A worker from inside: it makes the tasks of its executors, and runs them on the engine."""

from typhoon.worker._context import Context, Surroundings
from typhoon.worker._handles import has_handle
from typhoon.worker._parent import PARENT_FD, end_with_parent
from typhoon.worker._worker import Clock, Worker

__all__ = [
    "PARENT_FD",
    "Clock",
    "Context",
    "Surroundings",
    "Worker",
    "end_with_parent",
    "has_handle",
]
