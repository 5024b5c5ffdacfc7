"""What a topology has done: counts, latencies, and who does how much of it."""

from typhoon.metrics._stats import ComponentStats, Stats

__all__ = ["ComponentStats", "Stats"]
