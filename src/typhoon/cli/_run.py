"""``typhoon run``: a topology on this machine, with nothing else installed or started."""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from typhoon.cli._limit import Enough, Quota, with_limit
from typhoon.cli._load import default_name, file_of, load_topology, module_of, project_folder
from typhoon.cli._options import Environment, Json, Target, seconds
from typhoon.cli._orders import Orders, StopNow
from typhoon.cli._pause import Pause, breakpoint_in, foreign_debugger
from typhoon.cli._streamparse import settings, warn_about_globals
from typhoon.cli._tap import Tap, with_tap, without_tap
from typhoon.cli._view import open_view, summary
from typhoon.cli._words import CommandLineError, abandon_stdout, say, start_logging, write_out
from typhoon.errors import InvalidConfigError, InvalidTopologyError

if TYPE_CHECKING:
    from typhoon.cli._view import View
    from typhoon.local import LocalTopology, Origin
    from typhoon.metrics import Stats
    from typhoon.topology import TopologySpec

LOOK_S = 0.1
"""How long an order of the user (Ctrl-C, --for) may go unseen."""
DRAIN_S = 30.0
"""What a drain may take at least; a topology with a longer message time-out gets that."""
BEFORE = ("typhoon.compat:activate",)
"""What a worker's process calls before it imports the application, as this one does."""

Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "-c", metavar="KEY=VALUE", help="One key of the configuration, as YAML; repeat for more."
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration to read; else typhoon.yaml here, or beside APP.py.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="How many worker processes."),
]
For = Annotated[
    str | None,
    typer.Option("--for", metavar="30s", help="Drain and end after this time: 500ms, 5m, 1m30s."),
]
Plain = Annotated[
    bool, typer.Option("--plain", help="One line a second in place of the live table.")
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Unknown keys are errors; exit 1 if a tuple failed or a component raised."
    ),
]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The topology's name (the file's).")
]
Taps = Annotated[
    list[str] | None,
    typer.Option(
        "--tap",
        metavar="COMPONENT[:STREAM]",
        help="Print each tuple of this stream as a JSON line on stdout; repeat for more.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        metavar="N",
        min=1,
        help="Drain and end after N tapped tuples; without --tap after N that spouts emitted, in "
        "one process only.",
    ),
]
Leader = Annotated[int | None, typer.Option("--ends-with", hidden=True)]
"""A file descriptor: the run stops at once when its other side is closed (see ``typhoon dev``)."""
Verbose = Annotated[int, typer.Option("-v", count=True, help="Log more; -vv everything.")]


def run(
    target: Target,
    assignments: Assignments = None,
    config: ConfigFile = None,
    environment: Environment = None,
    workers: Workers = None,
    duration: For = None,
    taps: Taps = None,
    limit: Limit = None,
    plain: Plain = False,
    strict: Strict = False,
    as_json: Json = False,
    name: Name = None,
    verbose: Verbose = 0,
    leader: Leader = None,
) -> int:
    """Run a topology here until it has no more data. Ctrl-C drains, twice stops at once."""
    orders = Orders(None if duration is None else seconds(duration, "--for"), leader)
    try:
        with orders.taken_from_signals(), orders.pause.installed():
            start_logging(verbose)
            from typhoon.local import Origin

            given = _given(assignments or [], workers, strict)
            called = _name(default_name(target) if name is None else name)
            view = open_view(
                plain or foreign_debugger()
            )  # before files of the project hide modules
            spec, conf = _topology(target, config, given, environment)
            conf = _without_time_outs(target, conf)
            origin = Origin((module_of(target),), BEFORE) if _workers(conf) > 1 else None
            if origin is not None:
                _refuse_breakpoint(target)
                _refuse_limit(limit, taps)
            wanted = Wanted(called, spec, conf, strict, tuple(taps or ()), limit, origin)
            running = _run(wanted, view, as_json, orders)
    except StopNow as stopped:
        return stopped.status
    write_out(json.dumps(running.stats.to_dict()) + "\n" if as_json else "")
    return _status(running, strict)


def _given(assignments: list[str], workers: int | None, strict: bool) -> dict[str, Any]:
    """What the command line says of the configuration; refused here, before anything is loaded."""
    from typhoon.config import check, parse_assignments

    try:
        given = parse_assignments(assignments)
        check(given, strict=strict)
    except InvalidConfigError as error:
        raise CommandLineError(str(error)) from error
    if workers is not None:
        given["topology.workers"] = workers
    return given


def _name(name: str) -> str:
    """``name``, if a topology can have it."""
    from typhoon.topology import check_name

    try:
        check_name(name)
    except InvalidTopologyError as error:
        raise CommandLineError(f"--name: {error.mistakes[0]}") from error
    return name


def _topology(
    target: str, config: Path | None, given: dict[str, Any], environment: str | None
) -> tuple[TopologySpec, dict[str, Any]]:
    """The checked topology and its configuration: a file's, the topology's over it, then ours."""
    from typhoon.config import find_file, load_file
    from typhoon.topology import topology_spec

    if config is not None and not config.is_file():
        raise CommandLineError(f"--config: there is no file {config}", hint="give a YAML file")
    file = load_file(config or find_file(project_folder(target)))
    _, topology = load_topology(target)
    environment, theirs = settings(file_of(target), environment)
    warn_about_globals(file_of(target))
    spec = topology_spec(topology, environment, given, under={**file, **theirs})
    return spec, dict(spec.config)


def _without_time_outs(target: str, conf: dict[str, Any]) -> dict[str, Any]:
    """``conf``, in which no tree times out if a person may be looking at it in a debugger."""
    where = breakpoint_in(project_folder(target))
    if where is None:
        return conf
    say(f"note: {where} calls breakpoint(), so no message times out in this run")
    return {**conf, "topology.enable.message.timeouts": False}


def _refuse_breakpoint(target: str) -> None:
    where = breakpoint_in(project_folder(target))
    if where is not None:
        raise CommandLineError(
            f"{where} calls breakpoint(), and only this process has the terminal",
            hint="leave out --workers (and topology.workers) to debug",
        )


def _refuse_limit(limit: int | None, taps: list[str] | None) -> None:
    if limit is not None and not taps:
        raise CommandLineError(
            f"--limit {limit} without --tap counts what spouts emit, and spouts in other processes "
            "are told too late that it was enough",
            hint=f"--tap COMPONENT --limit {limit} counts lines; or run with --workers 1",
        )


def _workers(conf: dict[str, Any]) -> int:
    """How many workers a topology asks for; what is no number is refused later, with all else."""
    wanted = conf.get("topology.workers", 1)
    return wanted if isinstance(wanted, int) else 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be run: ``taps`` are as typed."""

    name: str
    spec: TopologySpec
    conf: dict[str, Any]
    strict: bool
    taps: tuple[str, ...]
    limit: int | None
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended. ``clean`` is False where a drain left something unfinished."""

    stats: Stats
    failure: Exception | None
    clean: bool


def _run(wanted: Wanted, view: View, as_json: bool, orders: Orders) -> Ended:
    from typhoon.local import LocalCluster
    from typhoon.worker import share_the_lock

    share_the_lock(wanted.spec)
    tap = Tap(view.write, wanted.limit) if wanted.taps else None
    quota = Quota(wanted.limit) if wanted.limit is not None and tap is None else None
    spec = wanted.spec if tap is None else with_tap(wanted.spec, wanted.taps, tap)
    enough = _enough(tap, quota)
    if wanted.limit is not None and wanted.origin is None:
        spec = with_limit(spec, enough)
    # Where standard output carries data, what components print goes to the words, on stderr.
    words = redirect_stdout(sys.stderr) if as_json or tap is not None else nullcontext()
    orders.pause.view = view
    origin = wanted.origin
    if origin is not None and tap is not None:
        origin = replace(origin, on_tapped=tap.show)
    cluster = LocalCluster(processes=origin is not None, origin=origin)
    topology = None
    try:
        with words, cluster, view:
            orders.begin()  # before there is a thread that an exception here would leave running
            topology = cluster.submit(wanted.name, spec, wanted.conf, strict=wanted.strict)
            if quota is not None:
                quota.emitted = topology.emitted_by_spouts
            clean = _follow(topology, view, orders, enough)
    except StopNow:
        if topology is not None and orders.are_the_users:
            say(summary(without_tap(topology.stats())))
        raise
    ended = Ended(without_tap(topology.stats()), topology.failure, clean)
    if tap is not None and isinstance(tap.error, BrokenPipeError):
        abandon_stdout()  # the reader has gone: as if --limit had been reached
    elif tap is not None and tap.error is not None:
        raise tap.error
    elif ended.failure is None:
        say(summary(ended.stats))
    return ended


def _enough(tap: Tap | None, quota: Quota | None) -> Enough:
    """Whether ``--limit`` has been reached, or nobody reads what is tapped."""
    if tap is not None:
        return tap.full.is_set
    return (lambda: False) if quota is None else quota.is_used_up


def _follow(topology: LocalTopology, view: View, orders: Orders, enough: Enough) -> bool:
    """Show ``topology`` until it ends, of itself or by order. False if something was left."""
    began = due = time.monotonic()
    while not _wait(topology, orders.pause):
        if orders.to_end or enough():
            return _drain(topology, orders)
        if time.monotonic() >= due:
            due = max(due + view.every_s, time.monotonic())
            if time.monotonic() - began >= view.first_s:
                # The watchdog takes one who stands in a debugger for slow.
                notices = [] if orders.pause.held_s else topology.notices
                view.show(without_tap(topology.stats()), notices)
    return True


def _wait(topology: LocalTopology, pause: Pause) -> bool:
    """Whether ``topology`` has ended. Comes back soon, but not while a debugger stands."""
    over = topology.wait(LOOK_S)
    while pause.standing:
        time.sleep(LOOK_S)
    if pause.quit:
        raise StopNow
    return over


def _drain(topology: LocalTopology, orders: Orders) -> bool:
    if orders.interrupted:
        orders.answered = True
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
