"""What a topology has done: counts, latencies, who does how much of it; and metrics of its own."""

from typhoon.metrics._own import Counter, Gauge, Histogram, Metrics, MetricsBook
from typhoon.metrics._report import ProcessFigures, WorkerReport, merged
from typhoon.metrics._stats import ComponentStats, Stats, WorkerStats
from typhoon.metrics._window import BusyWindow

__all__ = [
    "BusyWindow",
    "ComponentStats",
    "Counter",
    "Gauge",
    "Histogram",
    "Metrics",
    "MetricsBook",
    "ProcessFigures",
    "Stats",
    "WorkerReport",
    "WorkerStats",
    "merged",
]
