"""What is measured: each system as a command that prints one JSON object of figures.

Every system is a process of its own in every round, so that none profits or suffers from what
another, or its own earlier round, has left behind.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from install import BYTEWAX, HERE, PYSTORM, STORM_SOURCES, Cache, CannotInstallError

PATIENCE_SECONDS = 240  # for starting, draining and stopping, on top of what is measured

GROUPS = ("storm", "bytewax", "storm-multilang")
TABLES = ("words", "const", "latency")


@dataclass(frozen=True)
class Plan:
    """What the command line asks of every system."""

    text: Path
    seconds: float
    warm_up: float
    latency_seconds: float
    rates: tuple[int, ...]
    tables: tuple[str, ...]
    typhoon: tuple[str, ...]


@dataclass(frozen=True)
class System:
    """One row: who, under which settings, and the command that measures it."""

    table: str
    group: str
    name: str
    settings: str
    command: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Sample:
    """One measurement of one system; ``figures`` is what it printed, word for word."""

    figures: dict[str, Any]
    start_seconds: float | None

    @property
    def rate(self) -> float:
        return float(self.figures["rate"])


class MeasurementError(Exception):
    """A system ended badly, or printed no figures; the message is its own last words."""


def measure(system: System, folder: Path) -> Sample:
    """Runs a system once, in ``folder``. Its last line on stdout must be its figures."""
    started = time.time()
    try:
        done = subprocess.run(
            system.command,
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=system.seconds + PATIENCE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasurementError(str(error)) from error
    if done.returncode != 0:
        raise MeasurementError(last_line(done.stderr) or f"ended with status {done.returncode}")
    figures = parse(done.stdout)
    first = figures.get("first_tuple_at")
    return Sample(figures, None if first is None else first - started)


def parse(printed: str) -> dict[str, Any]:
    """The figures a system printed: one JSON object, alone or on the last line."""
    for candidate in (printed, last_line(printed)):
        try:
            figures = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(figures, dict) and "rate" in figures:
            return figures
    raise MeasurementError(f"printed no figures: {last_line(printed)!r}")


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""


# --------------------------------------------------------------------------------------- Typhoon


def typhoon(plan: Plan, _cache: Cache) -> Iterator[System]:
    """Our own side, by its command line."""
    rows = (
        typhoon_row(plan, "words", "word-count", plan.seconds, "--input", str(plan.text)),
        typhoon_row(plan, "const", "const", plan.seconds),
        *(
            typhoon_row(plan, "latency", "latency", plan.latency_seconds, "--rate", str(rate))
            for rate in plan.rates
        ),
    )
    for row in rows:
        if row.table in plan.tables:
            need_typhoon(plan, row.command[len(plan.typhoon) + 1])
            yield row


def typhoon_row(plan: Plan, table: str, benchmark: str, seconds: float, *more: str) -> System:
    settings = f"{more[-1]}/s, acked, 1 worker" if table == "latency" else "acked, 1 worker"
    length = ("--seconds", str(seconds), "--rounds", "1")
    command = (*plan.typhoon, "bench", benchmark, *length, *more, "--json")
    # It measures a bare loop of its own beside, hence more seconds than it is given.
    return System(table, "typhoon", "Typhoon", settings, command, 4 * seconds)


def need_typhoon(plan: Plan, benchmark: str) -> None:
    probe = [*plan.typhoon, "bench", benchmark, "--help"]
    try:
        done = subprocess.run(probe, check=False, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstallError(
            f"not installed here ({error}); --typhoon says how to call it"
        ) from error
    if done.returncode != 0:
        raise CannotInstallError(
            f"`{shlex.join(probe)}` says: {last_line(done.stderr)}; --typhoon says how to call it"
        )


def default_typhoon() -> tuple[str, ...]:
    """The ``typhoon`` beside this interpreter, or the module where there is no such command."""
    beside = Path(sys.executable).with_name("typhoon")
    return (str(beside),) if os.access(beside, os.X_OK) else (sys.executable, "-m", "typhoon.cli")


# ----------------------------------------------------------------------------------------- Storm


def storm_row(plan: Plan, cache: Cache, table: str, settings: str, *mode: str) -> System:
    """One run of the Java program in ``storm/``."""
    seconds = plan.latency_seconds if table == "latency" else plan.seconds
    command = (
        "java",
        f"@{STORM_SOURCES / 'jvm.options'}",
        "-cp",
        cache.storm_classpath(),
        "typhoon.peers.Main",
        *mode,
        "--seconds",
        str(seconds),
        "--warm-up",
        str(plan.warm_up),
    )
    group = "storm-multilang" if mode[0] == "python-word-count" else "storm"
    name = "Storm, Python bolts" if group == "storm-multilang" else "Storm"
    return System(table, group, name, settings, command, seconds + plan.warm_up)


def storm(plan: Plan, cache: Cache) -> Iterator[System]:
    """Storm on the JVM, everything in one process, under its best settings and its defaults."""
    row = partial(storm_row, plan, cache)
    words = ("word-count", "--input", str(plan.text))
    # The parking wait strategies help the unacked flow and the latency, and cost the acked flow.
    yield row("words", "acked, max.spout.pending 1000", *words, "--pending", "1000")
    yield row("words", "unacked, parking waits", *words, "--acked", "false", "--waiting", "park")
    yield row("words", "acked, defaults", *words)
    yield row("const", "acked, max.spout.pending 1000", "const", "--pending", "1000")
    for rate in plan.rates:
        for waiting in ("park", "default"):
            mode = ("latency", "--rate", str(rate), "--waiting", waiting, "--pending", "1000")
            yield row("latency", f"{rate}/s, acked, {waiting} waits", *mode)


def storm_multilang(plan: Plan, cache: Cache) -> Iterator[System]:
    """Storm whose bolts are Python processes, by pystorm."""
    python = cache.venv(PYSTORM)
    mode = ("python-word-count", "--input", str(plan.text), "--python", str(python))
    settings = "acked, max.spout.pending 1000, pystorm 3.1.4"
    yield storm_row(plan, cache, "words", settings, *mode, "--pending", "1000")


# --------------------------------------------------------------------------------------- Bytewax


def bytewax(plan: Plan, cache: Cache) -> Iterator[System]:
    """Bytewax without recovery, which is its fastest: nothing is acked or kept."""
    script = (str(cache.venv(BYTEWAX)), str(HERE / "bytewax_wordcount.py"))

    def row(table: str, settings: str, seconds: float, *mode: str) -> System:
        command = (*script, *mode, "--seconds", str(seconds))
        return System(table, "bytewax", "Bytewax", settings, command, seconds)

    words = ("word-count", "--input", str(plan.text))
    for workers, batch in ((1, 1), (1, 1000), (2, 1000)):
        settings = (
            f"{workers} worker{'s' * (workers > 1)}, {batch} line{'s' * (batch > 1)} at a time"
        )
        mode = (*words, "--workers", str(workers), "--batch", str(batch))
        yield row("words", settings, plan.seconds, *mode)
    for rate in plan.rates:
        settings = f"{rate}/s, 1 worker"
        yield row("latency", settings, plan.latency_seconds, "latency", "--rate", str(rate))


FACTORIES: dict[str, Callable[[Plan, Cache], Iterator[System]]] = {
    "typhoon": typhoon,
    "storm": storm,
    "bytewax": bytewax,
    "storm-multilang": storm_multilang,
}


def gather(plan: Plan, cache: Cache, groups: Sequence[str]) -> tuple[list[System], dict[str, str]]:
    """Installs the peers and lists their rows; and who cannot take part, with the reason."""
    rows: list[System] = []
    skipped: dict[str, str] = {}
    for group in ("typhoon", *groups):
        try:
            for row in FACTORIES[group](plan, cache):
                if row.table in plan.tables:
                    rows.append(row)  # noqa: PERF401  what came before an error is kept
        except CannotInstallError as error:
            skipped[group] = str(error)
    return rows, skipped
