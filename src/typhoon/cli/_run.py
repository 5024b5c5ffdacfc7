"""``typhoon run``: a topology on this machine, with nothing else installed or started."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from typhoon.cli._load import default_name, file_of, load_topology
from typhoon.cli._options import Environment, Json, Target, seconds
from typhoon.cli._streamparse import settings, warn_about_globals
from typhoon.cli._words import CommandLineError, say, start_logging
from typhoon.errors import InvalidConfigError

if TYPE_CHECKING:
    from typhoon.cli._view import View
    from typhoon.local import LocalTopology
    from typhoon.metrics import Stats
    from typhoon.topology import TopologySpec

LOOK_S = 0.1
"""How long an order of the user (Ctrl-C, --for) may go unseen."""
DRAIN_S = 30.0
"""What a drain may take at least; a topology with a longer message time-out gets that."""
SWITCH_S = 0.0005
"""How long a thread that waits for Python's lock waits before it asks for it."""

Assignments = Annotated[
    list[str] | None,
    typer.Option("-c", metavar="KEY=VALUE", help="One key of the configuration; repeat for more."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration to read instead of typhoon.yaml."),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="How many worker processes."),
]
For = Annotated[
    str | None, typer.Option("--for", metavar="30s", help="Drain and end after this time.")
]
Plain = Annotated[
    bool, typer.Option("--plain", help="One line a second in place of the live table.")
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Unknown keys are errors; exit 1 if any tuple failed."),
]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The topology's name (the file's).")
]
Verbose = Annotated[int, typer.Option("-v", count=True, help="Log more; -vv everything.")]


def run(
    target: Target,
    assignments: Assignments = None,
    config: ConfigFile = None,
    environment: Environment = None,
    workers: Workers = None,
    duration: For = None,
    plain: Plain = False,
    strict: Strict = False,
    as_json: Json = False,
    name: Name = None,
    verbose: Verbose = 0,
) -> int:
    """Run a topology here until it has no more data. Ctrl-C drains, twice stops at once."""
    orders = Orders(None if duration is None else seconds(duration, "--for"))
    with orders.taken_from_signals():
        start_logging(verbose)
        given = _given(assignments or [], workers, strict)
        spec, conf = _topology(target, config, given, environment)
        if spec_workers(spec, conf) > 1:
            say("note: worker processes arrive later; all of it runs in this process")
        running = _run(name or default_name(target), spec, conf, strict, plain, as_json, orders)
    if as_json:
        sys.stdout.write(json.dumps(running.stats.to_dict()) + "\n")
    sys.stdout.flush()
    return _status(running, strict)


def _given(assignments: list[str], workers: int | None, strict: bool) -> dict[str, Any]:
    """What the command line says of the configuration; refused here, before anything is loaded."""
    from typhoon.config import check, parse_assignments

    try:
        given = parse_assignments(assignments)
        check(given, strict=strict)
    except InvalidConfigError as error:
        raise CommandLineError(str(error), hint="write -c key=value") from error
    if workers is not None:
        given["topology.workers"] = workers
    return given


def _topology(
    target: str, config: Path | None, given: dict[str, Any], environment: str | None
) -> tuple[TopologySpec, dict[str, Any]]:
    """The checked topology and its configuration: a file's, the topology's over it, then ours."""
    from typhoon.config import load_file
    from typhoon.topology import topology_spec

    if config is not None and not config.is_file():
        raise CommandLineError(f"--config: there is no file {config}", hint="give a YAML file")
    file = load_file(config)
    _, topology = load_topology(target)
    environment, theirs = settings(file_of(target), environment)
    warn_about_globals(file_of(target))
    spec = topology_spec(topology, environment=environment, config=given)
    return spec, {**file, **theirs, **spec.config, **given}


def spec_workers(spec: TopologySpec, conf: dict[str, Any]) -> int:
    """How many workers a topology asks for; what is no number is refused later, with all else."""
    wanted = conf.get("topology.workers", spec.config.get("topology.workers", 1))
    return wanted if isinstance(wanted, int) else 1


class StopNow(KeyboardInterrupt):
    """The second Ctrl-C: out of whatever is being waited for."""


class Orders:
    """What the user has asked for so far: to end at a time, to drain, to stop at once."""

    def __init__(self, duration: float | None) -> None:
        self._duration = duration
        self._deadline: float | None = None
        self._signals = 0
        self._running = False

    def begin(self) -> None:
        """The topology runs from now on: a signal means drain, and the time counts."""
        self._running = True
        if self._duration is not None:
            self._deadline = time.monotonic() + self._duration

    @property
    def interrupted(self) -> bool:
        return self._signals > 0

    @property
    def to_end(self) -> bool:
        """Whether it is time to drain."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return self.interrupted or late

    @contextmanager
    def taken_from_signals(self) -> Iterator[None]:
        before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            for one in before:
                signal.signal(one, self._on_signal)
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals > 1 or not self._running:
            raise StopNow


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended. ``clean`` is False where a drain left something unfinished."""

    stats: Stats
    failure: Exception | None
    clean: bool


def _run(
    name: str,
    spec: TopologySpec,
    conf: dict[str, Any],
    strict: bool,
    plain: bool,
    as_json: bool,
    orders: Orders,
) -> Ended:
    from typhoon.cli._view import open_view, summary
    from typhoon.local import LocalCluster

    if any(component.threaded for component in spec.components.values()):
        sys.setswitchinterval(SWITCH_S)
    # With --json standard output is for the summary alone, so that it can be piped on.
    words = redirect_stdout(sys.stderr) if as_json else nullcontext()
    with words, LocalCluster() as cluster, open_view(plain) as view:
        orders.begin()  # before there is a thread that an exception here would leave running
        topology = cluster.submit(name, spec, conf, strict=strict)
        clean = _follow(topology, view, orders)
    ended = Ended(topology.stats(), topology.failure, clean)
    if ended.failure is None:
        say(summary(ended.stats))
    return ended


def _follow(topology: LocalTopology, view: View, orders: Orders) -> bool:
    """Show ``topology`` until it ends, of itself or by order. False if something was left."""
    began = due = time.monotonic()
    while not topology.wait(LOOK_S):
        if orders.to_end:
            return _drain(topology, orders)
        if time.monotonic() >= due:
            due = max(due + view.every_s, time.monotonic())
            if time.monotonic() - began >= view.first_s:
                view.show(topology.stats(), topology.notices)
    return True


def _drain(topology: LocalTopology, orders: Orders) -> bool:
    if orders.interrupted:
        say("draining: what is in flight is finished; Ctrl-C again stops at once")
    patience = topology.conf.get("topology.message.timeout.secs") or 0
    return topology.drain(max(DRAIN_S, float(patience)))


def _status(ended: Ended, strict: bool) -> int:
    """Raises why a topology failed; else the exit status."""
    if ended.failure is not None:
        raise ended.failure
    stats = ended.stats
    if not ended.clean:
        say("error: it did not drain in time; what was left has not been acked")
        say("hint: a component is slow or waits; -v says which")
        return 1
    if strict and (stats.failed or stats.timed_out or _errors(stats)):
        say(
            f"error: --strict, and {stats.failed:,} failed, {stats.timed_out:,} timed out, "
            f"{_errors(stats):,} errors"
        )
        say("hint: -v logs each error with its component")
        return 1
    return 0


def _errors(stats: Stats) -> int:
    return sum(component.errors for component in stats.components)
