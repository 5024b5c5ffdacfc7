"""Metrics of a component's own: counters, gauges and histograms that its tasks keep by name."""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter as Tally
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar, cast

logger = logging.getLogger("typhoon.metrics")

WIDTH = 1.02
"""Each step of a histogram is so much wider than the one before: a percentile is within 1 %."""
_STEP = math.log(WIDTH)

Snapshot: TypeAlias = tuple[Mapping[tuple[int, int], int], int, float, float, float]
"""A histogram: steps, count, sum, least, greatest."""
OwnMetrics: TypeAlias = Mapping[tuple[str, int | None], tuple[type[Any], Any]]
"""A component's metrics by name and task: of which kind, and a number, a Snapshot or a value."""

Metric = TypeVar("Metric", bound="Counter | Gauge | Histogram")


class Counter:
    """Counts events. From any thread; no event is lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def inc(self, n: int = 1) -> None:
        """Count ``n`` more; a negative ``n`` takes back."""
        with self._lock:
            self._count += n

    @property
    def value(self) -> int:
        return self._count


class Gauge:
    """Holds one task's present value of something: what was ``set`` last, from any thread."""

    def __init__(self) -> None:
        self._value: Any = None
        self._told = False

    def set(self, value: Any) -> None:
        """``value``, or a function without arguments that gives it. The function is called whenever
        somebody looks, on the thread of that somebody; if it raises, the value is None."""
        self._value = value

    @property
    def value(self) -> Any:
        value = self._value
        if not callable(value):
            return value
        try:
            return value()
        except Exception:
            if not self._told:
                self._told = True
                logger.warning("the function of a gauge raised; its value is None", exc_info=True)
            return None


class Histogram:
    """Notes how numbers are distributed. From any thread.

    Count, sum, least and greatest are exact, percentiles within 1 %, however many numbers there
    are.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: Tally[tuple[int, int]] = Tally()
        self._count = 0
        self._sum = 0.0
        self._least = math.inf
        self._greatest = -math.inf

    def update(self, value: float) -> None:
        """Note one number. A NaN or an infinity is a ``ValueError``."""
        if not math.isfinite(value):
            raise ValueError(f"a histogram notes finite numbers, not {value!r}")
        if type(value) not in (int, float):
            value = float(value)
        step = _step(value)
        with self._lock:
            self._steps[step] += 1
            self._count += 1
            self._sum += value
            self._least = min(self._least, value)
            self._greatest = max(self._greatest, value)

    @property
    def value(self) -> dict[str, float]:
        """``count``, and once there is a number ``min``, ``max``, ``mean``, ``p50``, ``p99``."""
        with self._lock:
            if not self._count:
                return {"count": 0}
            return {
                "count": self._count,
                "min": self._least,
                "max": self._greatest,
                "mean": self._sum / self._count,
                "p50": self._percentile(0.5),
                "p99": self._percentile(0.99),
            }

    def snapshot(self) -> Snapshot:
        """All that it knows, as plain values."""
        with self._lock:
            return dict(self._steps), self._count, self._sum, self._least, self._greatest

    def absorb(self, other: Snapshot) -> None:
        """Note all that another has noted."""
        steps, count, total, least, greatest = other
        with self._lock:
            self._steps.update(steps)
            self._count += count
            self._sum += total
            self._least = min(self._least, least)
            self._greatest = max(self._greatest, greatest)

    def _percentile(self, share: float) -> float:
        wanted, seen = math.ceil(share * self._count), 0
        for sign, number in sorted(self._steps, key=lambda step: step[0] * step[1]):
            seen += self._steps[sign, number]
            if seen >= wanted:
                return min(max(_middle(sign, number), self._least), self._greatest)
        return self._greatest


def _step(value: float) -> tuple[int, int]:
    """Sign and number of the step that ``value`` falls on; steps of a sign count up from 1."""
    if value == 0:
        return 0, 0
    return (1 if value > 0 else -1), math.floor(math.log(abs(value)) / _STEP) + _OFFSET


def _middle(sign: int, number: int) -> float:
    return sign * math.exp((number - _OFFSET + 0.5) * _STEP) if sign else 0.0


_OFFSET = 1 - math.floor(math.log(5e-324) / _STEP)


class Metrics:
    """The metrics that one task knows by name: ``context.metrics``. From any thread.

    Counters and histograms are one for all tasks of the component in this worker; a gauge is each
    task's own. A name means one kind of metric; asking for it as another is a ``ValueError``.
    """

    def __init__(self, book: MetricsBook, task: int) -> None:
        self._book = book
        self._task = task

    def counter(self, name: str) -> Counter:
        """The counter of this name, made at the first call."""
        return self._book.get(name, None, Counter)

    def gauge(self, name: str) -> Gauge:
        """This task's gauge of this name, made at the first call."""
        return self._book.get(name, self._task, Gauge)

    def histogram(self, name: str) -> Histogram:
        """The histogram of this name, made at the first call."""
        return self._book.get(name, None, Histogram)

    def report(self, name: str, value: Any) -> None:
        """What ``report_metric`` does: a counter counts ``value``, a gauge is set to it; a name
        that is new becomes a histogram for a number, a gauge for anything else."""
        kind = self._book.kind(name)
        if kind is None:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            kind = Histogram if is_number else Gauge
        if kind is Counter:
            self.counter(name).inc(value)
        elif kind is Gauge:
            self.gauge(name).set(value)
        else:
            self.histogram(name).update(value)


class MetricsBook:
    """All metrics of one component in one worker; they outlive the component's instances."""

    def __init__(self, component: str) -> None:
        self.component = component
        self._lock = threading.Lock()
        self._kinds: dict[str, type[Any]] = {}
        self._metrics: dict[tuple[str, int | None], Counter | Gauge | Histogram] = {}

    def kind(self, name: str) -> type[Any] | None:
        return self._kinds.get(name)

    def get(self, name: Any, task: int | None, kind: type[Metric]) -> Metric:
        if not isinstance(name, str) or not name:
            raise ValueError(f"'{self.component}': a metric's name is text, not {name!r}")
        with self._lock:
            known = self._kinds.setdefault(name, kind)
            if known is not kind:
                raise ValueError(
                    f"'{self.component}': metric '{name}' is a {known.__name__.lower()}, and was "
                    f"asked for as a {kind.__name__.lower()}\nhint: give one of them another name"
                )
            return cast("Metric", self._metrics.setdefault((name, task), kind()))

    def snapshot(self) -> OwnMetrics:
        """All of them as plain values, which ``absorb`` adds to another book."""
        with self._lock:
            metrics = dict(self._metrics)
        found: dict[tuple[str, int | None], tuple[type[Any], Any]] = {}
        for key, metric in metrics.items():
            content = metric.snapshot() if isinstance(metric, Histogram) else metric.value
            found[key] = type(metric), content
        return found

    def absorb(self, other: OwnMetrics) -> None:
        """Add what another worker's book has. Where a name means two kinds, the first stands."""
        for (name, task), (kind, content) in other.items():
            if self.kind(name) not in (None, kind):
                continue
            metric = self.get(name, task, kind)
            if isinstance(metric, Counter):
                metric.inc(content)
            elif isinstance(metric, Histogram):
                metric.absorb(content)
            else:
                metric.set(content)

    def values(self) -> dict[str, Any]:
        """By name: a counter's number, a histogram's summary, a gauge's values by task."""
        with self._lock:
            metrics = dict(self._metrics)
        found: dict[str, Any] = {}
        for (name, task), metric in metrics.items():
            if task is None:
                found[name] = metric.value
            else:
                found.setdefault(name, {})[task] = metric.value
        return found
