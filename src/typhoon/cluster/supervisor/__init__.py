"""The part of a supervisor that owns worker processes: a pure table, and what performs it."""

from typhoon.cluster.supervisor._events import Command, SlotAssignment, Status
from typhoon.cluster.supervisor._launcher import Death, Launcher, ProcessLauncher
from typhoon.cluster.supervisor._options import (
    LogOptions,
    SlotOptions,
    log_options,
    slot_options,
)
from typhoon.cluster.supervisor._slot import SlotState
from typhoon.cluster.supervisor._slots import OnChange, Slots

__all__ = [
    "Command",
    "Death",
    "Launcher",
    "LogOptions",
    "OnChange",
    "ProcessLauncher",
    "SlotAssignment",
    "SlotOptions",
    "SlotState",
    "Slots",
    "Status",
    "log_options",
    "slot_options",
]
