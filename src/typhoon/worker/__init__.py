"""A worker from inside: it makes the tasks of its executors, and runs them on the engine."""

from typhoon.worker._channel import Channel
from typhoon.worker._context import Context
from typhoon.worker._draining import Draining
from typhoon.worker._handles import has_handle
from typhoon.worker._layout import Layout
from typhoon.worker._lock import share_the_lock
from typhoon.worker._order import WorkerOrder
from typhoon.worker._outside import LOGGED, PRINTED, TAPPED, tell_supervisor
from typhoon.worker._parent import PARENT_FD, end_with_parent
from typhoon.worker._plan import MOST_WORKERS
from typhoon.worker._progress import Progress, nothing_happens
from typhoon.worker._surroundings import Surroundings
from typhoon.worker._types import register_type
from typhoon.worker._worker import Clock, Worker
from typhoon.worker._worker_context import WorkerContext

__all__ = [
    "LOGGED",
    "MOST_WORKERS",
    "PARENT_FD",
    "PRINTED",
    "TAPPED",
    "Channel",
    "Clock",
    "Context",
    "Draining",
    "Layout",
    "Progress",
    "Surroundings",
    "Worker",
    "WorkerContext",
    "WorkerOrder",
    "end_with_parent",
    "has_handle",
    "nothing_happens",
    "register_type",
    "share_the_lock",
    "tell_supervisor",
]
