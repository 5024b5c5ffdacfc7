"""A worker from inside: it makes the tasks of its executors, and runs them on the engine."""

from typhoon.worker._context import Context
from typhoon.worker._handles import has_handle
from typhoon.worker._surroundings import Surroundings
from typhoon.worker._worker import Clock, Worker
from typhoon.worker._worker_context import WorkerContext

__all__ = ["Clock", "Context", "Surroundings", "Worker", "WorkerContext", "has_handle"]
