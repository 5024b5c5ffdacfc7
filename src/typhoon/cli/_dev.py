"""``typhoon dev``: run a topology, and run it again whenever one of its files is saved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from typhoon.cli._load import project_folder, topology_file
from typhoon.cli._options import Environment, Target
from typhoon.cli._pause import restore_terminal, terminal_settings
from typhoon.cli._run import Assignments, ConfigFile, Limit, Plain, Strict, Taps, Verbose
from typhoon.cli._watch import Snapshot, changed, snapshot
from typhoon.cli._words import CommandLineError, say

LOOK_S = 0.1
"""How long a save may go unseen."""
PATIENCE_S = 0.6
"""How long a run may take to stop before it is ended by force."""


def dev(
    target: Target,
    assignments: Assignments = None,
    config: ConfigFile = None,
    environment: Environment = None,
    taps: Taps = None,
    limit: Limit = None,
    plain: Plain = False,
    strict: Strict = False,
    verbose: Verbose = 0,
) -> None:
    """Run a topology, and again at each save of a file of its project. Ctrl-C ends."""
    topology_file(target)
    if config is not None and not config.is_file():
        raise CommandLineError(f"--config: there is no file {config}", hint="give a YAML file")
    options = [
        *(f"-c{one}" for one in assignments or ()),
        *([] if config is None else [f"--config={config}"]),
        *([] if environment is None else [f"--environment={environment}"]),
        *(f"--tap={one}" for one in taps or ()),
        *([] if limit is None else [f"--limit={limit}"]),
        *(["--plain"] if plain else []),
        *(["--strict"] if strict else []),
        *(["-v"] * verbose),
    ]
    folder = project_folder(target)
    files = snapshot(folder)
    with suppress(KeyboardInterrupt), _ended_by_signals():
        while True:
            files = _run_until_saved([target, *options], folder, files)


def _run_until_saved(arguments: list[str], folder: Path, before: Snapshot) -> Snapshot:
    """Run once, and come back as soon as the files are no longer as ``before``: how they are."""
    told = False
    with _run(arguments) as process:
        while True:
            status = _status(process)
            now = snapshot(folder)
            if names := changed(before, now):
                say(f"dev: {_words(names, folder)} saved, running again")
                return now
            if status is not None and not told:
                told = True
                ended = "it ended" if status == 0 else f"it failed (exit status {status})"
                say(f"dev: {ended}; the next save runs it again, Ctrl-C ends")


def _status(process: subprocess.Popen[bytes]) -> int | None:
    """The exit status, or None if it still runs. Takes its time in either case."""
    if process.returncode is not None:
        time.sleep(LOOK_S)
        return process.returncode
    try:
        return process.wait(LOOK_S)
    except subprocess.TimeoutExpired:
        return None


def _words(names: list[str], folder: Path) -> str:
    first = str(Path(names[0]).relative_to(folder))
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"


@contextmanager
def _run(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """``typhoon run`` in a process of its own, which ends with the block, or with this process:
    it holds the one end of a pipe, and stops at once when the other is closed."""
    theirs, ours = os.pipe()
    terminal = terminal_settings()
    # Ctrl-C on a terminal reaches both: that process leaves it to this one, from its first moment.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            # -P: or a file of this folder could hide a module that typhoon needs.
            [sys.executable, "-P", "-m", "typhoon.cli", "run", *arguments, f"--ends-with={theirs}"],
            pass_fds=[theirs],
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        signal.signal(signal.SIGINT, handler)
        os.close(theirs)
    try:
        yield process
    finally:
        os.close(ours)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        restore_terminal(terminal)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does, also where a shell has us ignore that."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, _interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
