"""A worker as a process: it does what its supervisor says over a channel, and ends with it."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import pickle
import resource
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import cloudpickle  # noqa: F401 - what reads a topology, before a file of the project may hide it

from typhoon.config import topology_options
from typhoon.errors import TopologyFailedError, TyphoonError, told
from typhoon.metrics import Gauge, ProcessFigures, WorkerReport
from typhoon.topology import assign_tasks
from typhoon.worker._channel import Channel
from typhoon.worker._layout import Layout
from typhoon.worker._linking import Linking
from typhoon.worker._lock import share_the_lock
from typhoon.worker._order import WorkerOrder
from typhoon.worker._outside import Logged, Printed, connect
from typhoon.worker._parent import end_with_parent
from typhoon.worker._sendable import sendable
from typhoon.worker._surroundings import Surroundings
from typhoon.worker._worker import Worker

logger = logging.getLogger("typhoon.worker")

CLOSE_S = 2.0
"""How long components may take to close when the supervisor is gone."""
LISTEN = "set TMPDIR to a folder that can hold sockets, or worker.link.transport to tcp or unix"
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 after an orderly end, 1 if the worker failed, which it has told."""
    end_with_parent()
    channel = Channel(socket.socket(fileno=int(arguments[0])))
    file = Path(arguments[1])
    return _Served(channel, _read_order(file), file).run()


def _read_order(file: Path) -> WorkerOrder:
    """The order is for this start alone: nobody else reads it. The file stays until the worker
    begins to process, so that one can tell of a worker that has died if it ever did."""
    content = file.read_bytes()
    file.write_bytes(b"")
    order: WorkerOrder = pickle.loads(content)
    return order


class _Served:
    """Messages come as (name, ...) and are answered by the method of that name."""

    def __init__(self, channel: Channel, order: WorkerOrder, file: Path) -> None:
        self.channel = channel
        self.order = order
        self.file = file
        self.over = threading.Event()
        self.printed = Printed()
        self.preparing = True
        self.failed = False
        self.closed: bool | None = None
        """Whether every component came back from its last call; None before that was asked."""
        self.began = time.monotonic()

    def run(self) -> int:
        """Does not return, but ends the process, if a thread of a component still runs: the
        interpreter would wait for it."""
        status = self._run()
        self.printed.finish()
        if self.closed is False or _others_run():
            sys.stderr.flush()
            os._exit(status)
        return status

    def _run(self) -> int:
        try:
            self._take_signals()
            try:
                self.worker = self._prepare()
                self._take_signals()  # as modules of the project may have taken them meanwhile
            finally:
                self.preparing = False
        except _Ended:
            return 0
        except BaseException as error:
            self._say_failed(_as_failure(error), again=False)
            return 1
        try:
            for work in (self._start, self._beat, self._watch_end):
                name = f"typhoon-{work.__name__}"
                threading.Thread(target=self._safely, args=(work,), name=name, daemon=True).start()
            for name, *rest in self.channel.messages():
                getattr(self, f"on_{name}")(*rest)
        except _Ended:
            pass
        except Exception as error:
            self._break(error)
        self.over.set()
        if self.closed is None:
            self.closed = self.worker.close(CLOSE_S)
        self.engine.unlink()
        return 1 if self.failed else 0

    def _prepare(self) -> Worker:
        order = self.order
        self._open_outside()
        # Last the current folder, where it can hide nothing: Python was told to leave it out.
        sys.path[:] = dict.fromkeys([*order.path, *sys.path, str(Path.cwd())])
        for call in order.before:
            _call(call)
        for name, file in order.modules:
            _import(name, file)
        spec = pickle.loads(order.spec)
        options = topology_options(order.conf)
        share_the_lock(spec)
        around = Surroundings(spec, assign_tasks(spec), order.topology_id, order.port, order.conf)
        forget = partial(self.file.unlink, missing_ok=True)
        worker = Worker(around, options, layout=order.layout, restarts=False, on_open=forget)
        self.engine = worker.prepare(active=order.active)
        layout = order.layout
        self.linking = Linking(self.engine, layout.peers, order.port - layout.index)
        name, secret, listen = order.topology_id, order.secret, order.listen
        try:
            address = self.engine.listen(name, secret, listen, options.link_timeout_s, order.tls)
        except OSError as error:
            raise TopologyFailedError(f"a worker {error}", hint=LISTEN) from error
        self.channel.send("listening", address)
        return worker

    def _open_outside(self) -> None:
        """All logs go to stderr, which is the worker's file; the supervisor hears of them, too."""
        written, heard = logging.StreamHandler(), Logged(self.order.heard_level)
        written.setFormatter(logging.Formatter(FORMAT))
        root = logging.getLogger()
        root.setLevel(min(self.order.log_level, self.order.heard_level))
        written.setLevel(self.order.log_level)
        root.handlers[:] = [written, heard]
        connect(self._send)
        sys.stdout = self.printed

    # On threads of their own -------------------------------------------------------------------

    def _safely(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._break(error)
            self.channel.hang_up()

    def _break(self, error: Exception) -> None:
        """Without what raised it, the process only seems to work: it is to be made anew."""
        failure = TopologyFailedError(f"a worker broke: {type(error).__name__}: {told(error)}")
        failure.__cause__ = error
        self._say_failed(failure, again=True)

    def _start(self) -> None:
        """Nothing is opened before every peer is connected; later it tells of lost links."""
        if self.linking.wait(self.over):
            self.worker.go()
            self._send("running")
            self.linking.watch(self.over)

    def _beat(self) -> None:
        while not self.over.is_set():
            self._send("heartbeat")
            self.over.wait(self.order.heartbeat_s)

    def _watch_end(self) -> None:
        """A worker that has ended by itself has failed, or wants to be started anew."""
        self.worker.wait()
        if self.over.is_set() or self.worker.failure is None:
            return
        self._say_failed(self.worker.failure, again=self.worker.ask_again)
        self.channel.hang_up()

    def _say_failed(self, error: Exception, *, again: bool) -> None:
        self.failed = True
        hint = error.hint if isinstance(error, TyphoonError) else None
        message = error.message if isinstance(error, TyphoonError) else told(error)
        cause = error.__cause__ or error.__context__
        trace = "" if cause is None else "".join(traceback.format_exception(cause))
        if trace:
            logger.error("%s\n%s", message, trace)
        self._send("failed", message, hint, again)

    def _send(self, *message: Any) -> None:
        try:
            self.channel.send(*message)
        except OSError:
            self.over.set()

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Whoever asks all processes to end, as systemd does, asks the supervisor as well: it has
        them finish first what is in flight, and says ``end`` then."""
        if self.preparing:
            raise _Ended

    # What the supervisor says ------------------------------------------------------------------

    def on_peers(self, peers: dict[int, tuple[int, str]]) -> None:
        """Where the other workers are: index → incarnation, address."""
        for index, (incarnation, address) in peers.items():
            if index != self.order.layout.index:
                self.engine.peer_up(index, incarnation, address)
                self.linking.listens(index, address)

    def on_down(self, index: int, incarnation: int, blameless: bool) -> None:
        if blameless:
            self.worker.excuse(index, incarnation)
        self.engine.peer_down(index, incarnation)

    def on_active(self, active: bool) -> None:
        self.worker.set_active(active)

    def on_layout(self, layout: Layout) -> None:
        self.worker.relayout(layout)

    def on_give_up(self) -> None:
        self.worker.give_up()

    def on_hurry(self) -> None:
        self.worker.hurry()

    def on_tick(self, component: str) -> None:
        self.worker.tick(component)

    def on_ask(self, number: int, what: str, *arguments: Any) -> None:
        """``progress``, ``report``, ``pending``, ``unsettled`` or ``notices`` of the worker; None
        where that cannot be told."""
        try:
            self._send("answer", number, self._answer(what, *arguments))
        except Exception:
            logger.exception("'%s' cannot be told", what)
            self._send("answer", number, None)

    def _answer(self, what: str, *arguments: Any) -> Any:
        if what == "report":
            return self._report()
        found = getattr(self.worker, what)
        answer = found(*arguments) if callable(found) else list(found)
        return [sendable(one) for one in answer] if what == "pending" else answer

    def on_end(self) -> None:
        """It is not wanted any more."""
        raise _Ended

    def on_stop(self, timeout: float) -> None:
        """Close everything, and tell the last figures; then wait to be ended."""
        self.over.set()
        self.closed = self.worker.close(timeout)
        self.printed.finish()
        broken = self.worker.broken
        hint = broken.hint if isinstance(broken, TyphoonError) else None
        message = broken.message if isinstance(broken, TyphoonError) else None
        self._send("ended", self._report(), message, hint)

    def _report(self) -> WorkerReport:
        seconds, cpu = time.monotonic() - self.began, time.process_time()
        process = ProcessFigures(os.getpid(), seconds, cpu, _rss())
        report = self.worker.report()
        own = {name: _sent(metrics) for name, metrics in report.own.items()}
        return replace(report, own=own, process=process)


class _Ended(BaseException):
    """The process is to end; raised out of whatever the main thread does."""


def _others_run() -> bool:
    main = threading.main_thread()
    return any(one is not main and not one.daemon for one in threading.enumerate())


def _rss() -> int:
    """Bytes of memory that this process holds; where the system does not say, the most it held."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(pages) * resource.getpagesize()


def _sent(metrics: Mapping[Any, tuple[type[Any], Any]]) -> dict[Any, tuple[type[Any], Any]]:
    """A component's own metrics, in which a gauge may hold anything."""
    return {
        key: (kind, sendable(content) if kind is Gauge else content)
        for key, (kind, content) in metrics.items()
    }


def _call(function: str) -> None:
    """``module:function``, without arguments."""
    module, _, name = function.partition(":")
    getattr(importlib.import_module(module), name)()


def _import(name: str, file: str) -> None:
    """Run a file as the module that it was where the topology comes from."""
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise TopologyFailedError(f"{file} cannot be imported", hint="it must be a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _as_failure(error: BaseException) -> Exception:
    """Why the worker could not even be made, for people."""
    if isinstance(error, TyphoonError):
        return error
    message = f"a worker could not load the topology: {type(error).__name__}: {told(error)}"
    hint = "what the topology's modules do when they are imported happens in each worker, too"
    failure = TopologyFailedError(message, hint=hint)
    failure.__cause__ = error
    return failure
