"""Which executor runs in which slot: pure functions from a snapshot to assignments."""

from typhoon.cluster.scheduling._even import schedule_evenly
from typhoon.cluster.scheduling._model import (
    Assignment,
    Cluster,
    ExecutorId,
    Schedule,
    Slot,
    Supervisor,
    Topology,
)

__all__ = [
    "Assignment",
    "Cluster",
    "ExecutorId",
    "Schedule",
    "Slot",
    "Supervisor",
    "Topology",
    "schedule_evenly",
]
