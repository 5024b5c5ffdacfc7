"""A worker from inside: it makes the tasks of its executors, and runs them on the engine."""

from typhoon.worker._context import Context, Surroundings
from typhoon.worker._handles import has_handle
from typhoon.worker._types import register_type
from typhoon.worker._worker import Clock, Worker

__all__ = ["Clock", "Context", "Surroundings", "Worker", "has_handle", "register_type"]
