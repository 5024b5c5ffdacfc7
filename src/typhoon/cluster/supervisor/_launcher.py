"""``ProcessLauncher``: workers as real processes, for one thread that supervises them."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import psutil  # now, since a file of the project may hide it

from typhoon.cluster.supervisor._deaths import DeathWatch, Process, death_watch
from typhoon.cluster.supervisor._events import Command
from typhoon.cluster.supervisor._exits import describe_exit
from typhoon.cluster.supervisor._log_file import LogFile
from typhoon.cluster.supervisor._options import LogOptions
from typhoon.cluster.supervisor._pump import Output, Pump
from typhoon.errors import TyphoonInternalError
from typhoon.worker import PARENT_FD

logger = logging.getLogger(__name__)

LAST_WORDS_S = 0.1
"""How long the restart of a worker may wait for the disk that its last words are written to."""
CLOSE_S = 5.0


class Death(NamedTuple):
    """The worker of this port has ended, and all that was left of its group was killed."""

    port: int
    incarnation: int
    reason: str


class Launcher(Protocol):
    """What performs a slot's actions. Only one thread calls it, and no call waits for a worker."""

    def fileno(self) -> int:
        """Readable as soon as ``deaths`` has something to tell."""

    def launch(self, port: int, incarnation: int, command: Command) -> None:
        """Start a worker. Raises ``OSError`` if the system will not."""

    def terminate(self, port: int) -> None:
        """Ask it to end."""

    def kill(self, port: int) -> None:
        """End it, and all processes of its group."""

    def rss_bytes(self, port: int) -> int:
        """How much memory it holds now; 0 if it has just ended."""

    def deaths(self) -> list[Death]:
        """Who has ended since the last call, each once."""

    def close(self) -> None:
        """Kill all that are left, and give everything back."""


@dataclass(frozen=True, slots=True)
class _Child:
    incarnation: int
    process: Process
    lifeline: int
    output: Output


class ProcessLauncher:
    """Each worker leads a session, and so a process group, of its own.

    So signals reach it and all that it started, and a Ctrl-C reaches only who supervises. It holds
    the end of a pipe whose other end closes with this process, however that ends: see
    ``typhoon.worker.end_with_parent``. What it prints goes to ``folder/worker-PORT.log``.
    """

    def __init__(self, folder: Path, logs: LogOptions, deaths: DeathWatch | None = None) -> None:
        self._folder = folder
        self._logs = logs
        self._watch = death_watch() if deaths is None else deaths
        self._pump = Pump()
        self._files: dict[int, LogFile] = {}
        self._children: dict[int, _Child] = {}
        self._closed = False

    def fileno(self) -> int:
        return self._watch.fileno()

    def launch(self, port: int, incarnation: int, command: Command) -> None:
        if port in self._children:
            raise TyphoonInternalError(f"port {port} has a worker already")
        ours: list[int] = []
        theirs: list[int] = list(command.pass_fds)
        try:
            lifeline = _pipe(theirs, ours)
            printed = _pipe(ours, theirs)
            process = _start(command, lifeline[0], printed[1])
            self._watch_or_kill(process)
        except BaseException:
            _close(ours)
            raise
        finally:
            _close(theirs)
        note = f"worker {port}, incarnation {incarnation}, is process {process.pid}"
        output = self._pump.attach(printed[0], self._log(port), note)
        self._children[port] = _Child(incarnation, process, lifeline[1], output)

    def terminate(self, port: int) -> None:
        """SIGTERM to the worker alone: it may need those that it started to end in order."""
        if port in self._children:
            with suppress(ProcessLookupError):
                os.kill(self._children[port].process.pid, signal.SIGTERM)

    def kill(self, port: int) -> None:
        if port in self._children:
            _kill_group(self._children[port].process.pid)

    def rss_bytes(self, port: int) -> int:
        if port not in self._children:
            return 0
        try:
            memory = psutil.Process(self._children[port].process.pid).memory_info()
        except psutil.NoSuchProcess:
            return 0
        return int(memory.rss)

    def deaths(self) -> list[Death]:
        ended = self._watch.ended()
        ports = {child.process: port for port, child in self._children.items()}
        return [self._bury(ports[process]) for process in ended]

    def close(self) -> None:
        """Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        for port in self._children:
            self.kill(port)
        deadline = time.monotonic() + CLOSE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            while self._children and (left := deadline - time.monotonic()) > 0:
                selector.select(left)
                self.deaths()
        for port, child in self._children.items():
            logger.error("worker %d, process %d, cannot be killed", port, child.process.pid)
        self._pump.close()
        self._watch.close()

    def _watch_or_kill(self, process: Process) -> None:
        try:
            self._watch.watch(process)
        except BaseException:
            _kill_group(process.pid)
            process.wait()
            raise

    def _log(self, port: int) -> LogFile:
        path = self._folder / f"worker-{port}.log"
        file = LogFile(path, self._logs.max_bytes, self._logs.files)
        return self._files.setdefault(port, file)

    def _bury(self, port: int) -> Death:
        """What the worker left: its group, its exit status, its last words."""
        child = self._children.pop(port)
        _kill_group(child.process.pid)  # while its number is its own, see PidFds
        reason = describe_exit(child.process.wait())
        os.close(child.lifeline)
        note = f"worker {port}, incarnation {child.incarnation}, ended: {reason}"
        words = self._pump.finish(child.output, note, LAST_WORDS_S)
        return Death(port, child.incarnation, f"{reason}: {words}" if words else reason)


def _pipe(read: list[int], write: list[int]) -> tuple[int, int]:
    """A pipe whose two ends are noted as somebody's."""
    ends = os.pipe()
    read.append(ends[0])
    write.append(ends[1])
    return ends


def _start(command: Command, lifeline: int, printed: int) -> Process:
    return subprocess.Popen(
        command.argv,
        stdin=subprocess.DEVNULL,
        stdout=printed,
        stderr=printed,
        env={**os.environ, PARENT_FD: str(lifeline)},
        pass_fds=(lifeline, *command.pass_fds),
        start_new_session=True,
    )


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS: only a zombie is left of it
        os.killpg(leader, signal.SIGKILL)


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
