"""What a person sees while a topology runs: a live table, or one line a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from typhoon.cli._words import say

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from typhoon.metrics import ComponentStats, Stats, WorkerStats

NOTICES = 3
"""So many of the newest notices stand under the table."""


class View(Protocol):
    """``show`` is called every ``every_s`` seconds, first after ``first_s``."""

    every_s: float
    first_s: float

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, stats: Stats, notices: Sequence[str]) -> None: ...

    def write(self, data: str) -> None:
        """Data to standard output, apart from what ``show`` shows; from any thread."""

    def pause(self) -> None:
        """Show nothing until ``resume``: the terminal belongs to a debugger; from any thread."""

    def resume(self) -> None: ...


def open_view(plain: bool) -> View:
    """The live table on a terminal, else lines."""
    return LiveView() if sys.stderr.isatty() and not plain else LineView()


@dataclass(frozen=True, slots=True)
class Row:
    """One component over the last interval; ``busy`` is the share of its executors' time."""

    id: str
    emitted: int
    emitted_rate: float
    executed: int
    executed_rate: float
    queued: int
    pending: int
    busy: float
    failed: int
    errors: int


class Progress:
    """From counts since the start to rates since the last look."""

    def __init__(self) -> None:
        self._before: dict[str, ComponentStats] = {}
        self._acked = 0
        self._at = 0.0
        self.acked_rate = 0.0
        self.rows: list[Row] = []
        self.workers: list[str] = []
        self._cpu: dict[int | None, float] = {}

    def look(self, stats: Stats, now: float) -> None:
        """Take in ``stats`` as they were at ``now`` seconds of any clock."""
        span = now - self._at if self._at else stats.seconds
        span = max(span, 1e-9)
        self.acked_rate = max(0, stats.acked - self._acked) / span
        self.rows = [self._row(one, span) for one in stats.components]
        self._before = {one.id: one for one in stats.components}
        self.workers = [self._worker_words(one, span) for one in stats.processes]
        self._cpu = {one.pid: one.cpu_s for one in stats.processes}
        self._acked, self._at = stats.acked, now

    def _worker_words(self, one: WorkerStats, span: float) -> str:
        if one.pid is None:
            return f"worker {one.port}  starts"
        busy = max(0.0, one.cpu_s - self._cpu.get(one.pid, 0.0)) / span
        again = f", start {one.starts}" if one.starts > 1 else ""
        return (
            f"worker {one.port}  process {one.pid}{again}  {busy:.0%} of a core  "
            f"{one.rss_mb:.0f} MB  {', '.join(one.components)}"
        )

    def _row(self, one: ComponentStats, span: float) -> Row:
        before = self._before.get(one.id)
        emitted, executed, busy_s = (
            (before.emitted, before.executed, before.busy_s) if before else (0, 0, 0.0)
        )
        return Row(
            one.id,
            one.emitted,
            max(0, one.emitted - emitted) / span,
            one.executed,
            max(0, one.executed - executed) / span,
            one.queued,
            one.pending,
            min(1.0, max(0.0, one.busy_s - busy_s) / (span * max(1, one.executors))),
            one.failed + one.timed_out,
            one.errors,
        )


class LineView:
    """One line a second on stderr, between the lines of the log, which has all notices."""

    every_s = 1.0
    first_s = 0.9

    def __init__(self) -> None:
        self._progress = Progress()
        self._out = sys.stdout
        self._paused = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put away."""

    def write(self, data: str) -> None:
        self._out.write(data)
        self._out.flush()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def show(self, stats: Stats, notices: Sequence[str]) -> None:
        if self._paused:
            return
        self._progress.look(stats, time.monotonic())
        say(line(stats, self._progress))


def line(stats: Stats, progress: Progress) -> str:
    """A topology's last second in one line."""
    parts = [
        f"{stats.seconds:.0f} s",
        f"acked {stats.acked:,} (+{progress.acked_rate:,.0f}/s)",
        *([f"failed {stats.failed:,}"] if stats.failed else []),
        *([f"timed out {stats.timed_out:,}"] if stats.timed_out else []),
        *_death_words(stats),
        *latency_words(stats),
        *(_component_words(row) for row in progress.rows),
        *progress.workers,
    ]
    return "  ".join(parts)


def _component_words(row: Row) -> str:
    rate = row.executed_rate if row.executed else row.emitted_rate
    queue = f", {row.queued:,} queued" if row.queued else ""
    errors = f", {row.errors:,} errors" if row.errors else ""
    return f"{row.id} {rate:,.0f}/s {row.busy:.0%}{queue}{errors}"


def _death_words(stats: Stats) -> list[str]:
    lost = stats.failed_by_worker_death
    return [f"failed by a worker's death {lost:,}"] if lost else []


def latency_words(stats: Stats) -> list[str]:
    """p50 and p99 of the complete latency; none before the first ack."""
    return [
        f"{name} {stats.complete_latency_ms[name]:.3g} ms"
        for name in ("p50", "p99")
        if name in stats.complete_latency_ms
    ]


def summary(stats: Stats) -> str:
    """What is said at the end."""
    rate = f" ({stats.acked / stats.seconds:,.0f}/s)" if stats.seconds > 0 and stats.acked else ""
    parts = [
        f"{stats.topology}: {stats.seconds:.2f} s, acked {stats.acked:,}{rate}",
        f"failed {stats.failed:,}",
        f"timed out {stats.timed_out:,}",
        *_death_words(stats),
        *([f"replayed {stats.replayed:,}"] if stats.replayed else []),
        *latency_words(stats),
    ]
    rows = [
        f"  {one.id}: emitted {one.emitted:,}"
        + (f", executed {one.executed:,}" if one.kind == "bolt" else "")
        + (f", {one.errors:,} errors, the last: {one.last_error}" if one.errors else "")
        for one in stats.components
    ]
    return "\n".join([", ".join(parts), *rows])


class LiveView:
    """A table on stderr that is drawn anew; what components print appears above it."""

    every_s = 0.25
    first_s = 0.2

    def __init__(self) -> None:
        # 75 ms that one without a terminal saves; now, since a file of the project may hide rich.
        import rich.live
        import rich.table
        import rich.text

        from typhoon.cli._console import SharedConsole

        self._live_class, self._console = rich.live.Live, SharedConsole
        self._progress = Progress()
        self._live: Any = None
        self._out = sys.stdout
        self._paused = False
        self._drawing = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def show(self, stats: Stats, notices: Sequence[str]) -> None:
        with self._drawing:
            if self._paused:
                return
            self._progress.look(stats, time.monotonic())
            if self._live is None:
                self._start()
            self._live.update(self._picture(stats, notices), refresh=True)

    def write(self, data: str) -> None:
        with self._drawing:
            if self._live is not None and self._out.isatty():
                self._live.console.out(data, end="", highlight=False)
            else:
                self._out.write(data)
                self._out.flush()

    def pause(self) -> None:
        with self._drawing:
            self._paused = True
            self._stop()

    def resume(self) -> None:
        self._paused = False

    def _start(self) -> None:
        self._live = self._live_class(
            console=self._console(self._drawing),
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=True,
        )
        self._live.start()

    def _stop(self) -> None:
        with self._drawing:
            if self._live is not None:
                self._live.stop()
                self._live = None

    def _picture(self, stats: Stats, notices: Sequence[str]) -> Group:
        from rich.console import Group
        from rich.text import Text

        notes = [Text(f"! {notice}", style="yellow") for notice in notices[-NOTICES:]]
        workers = [Text(one) for one in self._progress.workers]
        return Group(Text(self._head(stats)), self._table(), *workers, *notes)

    def _head(self, stats: Stats) -> str:
        parts = [
            f"{stats.topology} {stats.status.lower()}",
            f"{stats.seconds:.0f} s",
            f"acked {stats.acked:,} ({self._progress.acked_rate:,.0f}/s)",
            f"failed {stats.failed:,}",
            f"timed out {stats.timed_out:,}",
            *_death_words(stats),
            *latency_words(stats),
        ]
        return "  ".join(parts)

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        table.add_column("component", no_wrap=True)
        for heading in (
            "emitted",
            "/s",
            "executed",
            "/s",
            "queue",
            "pending",
            "capacity",
            "errors",
        ):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self._progress.rows:
            table.add_row(*(Text(cell) for cell in _cells(row)))
        return table


def _cells(row: Row) -> list[str]:
    return [
        row.id,
        f"{row.emitted:,}",
        f"{row.emitted_rate:,.0f}",
        f"{row.executed:,}",
        f"{row.executed_rate:,.0f}",
        f"{row.queued:,}",
        f"{row.pending:,}",
        f"{row.busy:.0%}",
        f"{row.errors:,}",
    ]
