"""What a benchmark found: one shape for all of them."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from typhoon.errors import TyphoonInternalError


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """``rate`` and ``bare_rate`` are units per second, medians of the rounds; ``ratio`` is the
    median of ``rounds``, in each of which both sides ran one after the other. ``extra`` holds what
    only this benchmark has."""

    name: str
    unit: str
    acked: bool
    rate: float
    bare_rate: float | None
    rounds: Sequence[float]
    latency_ms: Mapping[str, Any]
    settings: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1

    @property
    def ratio(self) -> float | None:
        return median(self.rounds) if self.rounds else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        whole = asdict(self)
        return {
            **{key: value for key, value in whole.items() if key != "extra"},
            "ratio": self.ratio,
            "rss_mb": rss_mb(),
            **self.extra,
        }


def rss_mb() -> float:
    """The most memory that this process has had resident, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return round(most * unit / 1e6, 1)


def check(name: str, wanted: int, found: int) -> None:
    """A figure of a wrong result is worth nothing."""
    if wanted != found:
        raise TyphoonInternalError(
            f"the benchmark's result is wrong: {name}: {found}, not {wanted}"
        )


def percentiles(samples_ns: list[int]) -> dict[str, float]:
    """p50, p99, p999 and max in milliseconds; the list is sorted in place."""
    if not samples_ns:
        return {}
    samples_ns.sort()
    last = len(samples_ns) - 1
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {name: samples_ns[round(share * last)] / 1e6 for name, share in shares.items()}


def words(report: Report) -> str:
    """The report for a reader."""
    lines = [f"{report.name}, {_settings(report.settings)}"]
    if report.ratio is not None:
        lines.append(
            f"  ratio to the bare loop  {report.ratio:.3f}  "
            f"({min(report.rounds):.3f} - {max(report.rounds):.3f}, {len(report.rounds)} rounds)"
        )
    lines.append(f"  {report.unit:<22}  {report.rate:,.0f}/s")
    if report.bare_rate is not None:
        lines.append(f"  {'bare loop':<22}  {report.bare_rate:,.0f}/s")
    for key, value in report.extra.items():
        lines.append(f"  {key.replace('_', ' '):<22}  {value}")
    plain = {key: ms for key, ms in report.latency_ms.items() if not isinstance(ms, Mapping)}
    lines += _latency("latency ms", plain)
    lines += _latency("  from due time", report.latency_ms.get("from_due", {}))
    lines.append(f"  {'memory':<22}  {rss_mb()} MB resident at most")
    return "\n".join(lines)


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in settings.items())


def _latency(title: str, figures: Mapping[str, float]) -> list[str]:
    if not figures:
        return []
    return [f"  {title:<22}  " + "  ".join(f"{key} {ms:.4g}" for key, ms in figures.items())]
