"""``WorkerGroup``: the workers of a topology as processes of this machine, supervised from here."""

from __future__ import annotations

import logging
import secrets
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from typhoon.cluster.supervisor import (
    Command,
    ProcessLauncher,
    SlotAssignment,
    Slots,
    Status,
    log_options,
    slot_options,
)
from typhoon.errors import TopologyFailedError
from typhoon.local._folder import RunFolder
from typhoon.local._links import link_tls
from typhoon.local._member import Member, Questions
from typhoon.local._origin import NOWHERE, Origin, pickled
from typhoon.local._placement import place
from typhoon.metrics import ProcessFigures, WorkerReport, WorkerStats, merged
from typhoon.topology import ComponentSpec, TopologySpec, assign_tasks
from typhoon.worker import Channel, Layout, Progress, WorkerOrder, nothing_happens

logger = logging.getLogger("typhoon.local")

ANSWER_S = 1.0
"""How long a worker may take to answer before its last report stands for it."""
STOP_S = 2.0
"""How long components may take to close."""


MOST_WORKERS = 64
NO_PROCESS = ProcessFigures(0, 0.0, 0.0, 0)


class WorkerGroup:
    """Does for several processes what ``Worker`` does in this one, with the same methods.

    ``layout`` gives the executors of each worker by index; worker ``index`` has port
    ``first_port + index``. Each process ends with this one, however this one ends. ``origin`` is
    where the topology was loaded from: each worker loads it, too.
    """

    def __init__(
        self,
        topology_id: str,
        spec: TopologySpec,
        conf: Mapping[str, Any],
        layout: Layout,
        first_port: int,
        origin: Origin = NOWHERE,
        folder: Path | None = None,
    ) -> None:
        self.failure: Exception | None = None
        self.topology_id = topology_id
        self._spec = spec
        self._pickled = pickled(spec)
        self._conf = dict(conf)
        self._tls = link_tls(conf)
        self._layout = layout
        self._origin = origin
        self._secret = secrets.token_bytes(32)
        self._members = [Member(index, first_port + index) for index in range(MOST_WORKERS)]
        self._by_port = {member.port: member for member in self._members}
        self._questions = Questions()
        self._lock = threading.RLock()
        self._active = True
        self._closing = False
        self._done = threading.Event()
        self._began = time.monotonic()
        self._ended = threading.Condition(self._lock)
        self._last_look: dict[int, Progress] = {}
        self._folder = RunFolder(folder)
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._new: list[Member] = []

    # Life -------------------------------------------------------------------------------------

    def start(self, *, active: bool) -> None:
        """Start every worker's process; their topology begins when all are connected."""
        self._active = active
        launcher = ProcessLauncher(self._folder.path, log_options(self._conf))
        self._slots = Slots(
            list(self._by_port), launcher, slot_options(self._conf), self._on_change
        )
        self._listener = threading.Thread(
            target=self._listen, name=f"typhoon-{self.topology_id}-group", daemon=True
        )
        self._listener.start()
        for member in self._wanted:
            self._assign(member)

    @property
    def _wanted(self) -> list[Member]:
        """Those that have anything to run."""
        return [self._members[index] for index, held in enumerate(self._layout.executors) if held]

    def _assign(self, member: Member) -> None:
        held = self._layout.executors[member.index]
        executors = frozenset((one.first, one.last) for one in held)
        assignment = SlotAssignment(self.topology_id, executors, self._command)
        self._slots.assign(member.port, assignment if held else None)

    def close(self, timeout: float = STOP_S) -> bool:
        """Stop at once: every component's ``close`` is called. False if a worker had to be killed,
        or had been already."""
        with self._lock:
            if self._closing:
                return True
            self._closing = True
            asked = [(one, one.incarnation) for one in self._members if one.running]
            for member, _ in asked:
                self._send(member, "stop", timeout)
            clean = self._ended.wait_for(
                lambda: all(one.is_over(incarnation) for one, incarnation in asked),
                timeout + ANSWER_S,
            )
        self._slots.close(1.0)
        self._ring()
        self._listener.join()
        self._selector.close()
        self._wake.close()
        self._woken.close()
        for member in self._members:
            if member.channel is not None:
                member.channel.close()
        died = any(member.starts > 1 for member in self._members)
        self._folder.close(keep_logs=died or self.failure is not None)
        self._done.set()
        return clean

    def _fail(self, error: Exception) -> None:
        with self._lock:
            if self.failure is None and not self._closing:
                self.failure = error
                threading.Thread(target=self.close, name="typhoon-group-end", daemon=True).start()

    def set_active(self, active: bool) -> None:
        self._active = active
        self._tell_all("active", active)

    @property
    def is_done(self) -> bool:
        return self._done.is_set()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def handle(self, spec: ComponentSpec) -> Any:
        raise KeyError(
            f"{spec.kind} '{spec.id}' runs in another process: it can be fed only from a topology "
            "in one process\nhint: leave out --workers, or give it a source outside"
        )

    # Rebalancing --------------------------------------------------------------------------------

    def give_up(self) -> None:
        """Fail what is pending: there is no more time to finish it."""
        self._tell_all("give_up")

    def rebalance(self, spec: TopologySpec, workers: int | None) -> list[str]:
        """Deal the executors of ``spec`` out anew, spouts at rest. Workers that keep theirs run on;
        those that have a spout with something to replay keep theirs whatever was asked for, and
        are named in what is returned."""
        plan = assign_tasks(spec)
        unsettled = self._ask_all("unsettled")
        frozen = frozenset(index for index, found in unsettled.items() if found)
        number = self.workers if workers is None else workers
        ports = [member.port for member in self._members]
        layout = place(self.topology_id, plan, ports, number, self._layout, frozen)
        with self._lock:
            before, self._layout = self._layout, layout
            self._spec = spec
            self._pickled = pickled(spec)
            for member in self._members[: layout.workers]:
                had = before.executors[member.index] if member.index < before.workers else ()
                if layout.executors[member.index] != had:
                    member.running = False
                    self._assign(member)
                elif had:
                    seen = layout.seen_from(member.index, member.incarnation)
                    self._send(member, "layout", seen)
        self.wait_until_running(float(self._conf["supervisor.worker.start.timeout.secs"]))
        return [
            f"worker {self._members[index].port} stays as it is: spout tasks "
            f"{unsettled[index]} have tuples that are pending or to be replayed"
            for index in sorted(frozen)
        ]

    # On the thread of the slots -----------------------------------------------------------------

    def _command(self, port: int, incarnation: int) -> Command:
        member = self._by_port[port]
        ours, theirs = socket.socketpair()
        with self._lock:
            self._down(member)
            channel = Channel(ours)
            member.begin(incarnation, channel)
            channel.send(self._order(member))
            self._new.append(member)
        self._ring()
        fd = theirs.detach()
        return Command((sys.executable, "-m", "typhoon.worker", str(fd)), pass_fds=(fd,))

    def _order(self, member: Member) -> WorkerOrder:
        return WorkerOrder(
            topology_id=self.topology_id,
            port=member.port,
            layout=self._layout.seen_from(member.index, member.incarnation),
            conf=self._conf,
            spec=self._pickled,
            secret=self._secret,
            listen=self._listen_at(member),
            tls=self._tls,
            active=self._active,
            path=tuple(sys.path),
            before=self._origin.before,
            modules=self._origin.modules,
            log_level=logging.getLevelName(self._conf["worker.log.level"]),
            heard_level=logging.getLogger("typhoon").getEffectiveLevel(),
            heartbeat_s=float(self._conf["worker.heartbeat.frequency.secs"]),
        )

    def _listen_at(self, member: Member) -> str:
        if self._conf["worker.link.transport"] == "tcp":
            return "tcp:127.0.0.1:0"
        return self._folder.socket(member.index, member.incarnation)

    def _on_change(self, port: int, status: Status, incarnation: int, reason: str) -> None:
        member = self._by_port[port]
        if reason:
            member.notices.append(f"worker {port}: {reason}")
        if status not in (Status.WAITING_FOR_WORKER_START, Status.RUNNING, Status.KILL):
            with self._lock:
                self._down(member)
        if status is Status.GIVEN_UP:
            hint = f"its log is {self._folder.log(port)}"
            self._fail(TopologyFailedError(f"worker {port}: {reason}", hint=hint))

    def _down(self, member: Member) -> None:
        """The process of the last start is gone: all others have to know."""
        if not member.alive:
            return
        member.die()
        self._questions.drop(member)
        for other in self._members:
            if other is not member:
                self._send(other, "down", member.index, member.incarnation)
        self._ended.notify_all()

    # On the thread that listens -----------------------------------------------------------------

    def _listen(self) -> None:
        while not self._slots_are_closed():
            for key, _ in self._selector.select():
                if key.data is None:
                    self._take_in_new()
                elif not self._read(*key.data):
                    self._selector.unregister(key.fileobj)
                    key.data[2].close()

    def _slots_are_closed(self) -> bool:
        return self._closing and not any(member.alive for member in self._members)

    def _take_in_new(self) -> None:
        self._woken.recv(4096)
        with self._lock:
            new, self._new = self._new, []
        for member in new:
            channel = member.channel
            if channel is not None:
                self._selector.register(
                    channel, selectors.EVENT_READ, (member, member.incarnation, channel)
                )

    def _read(self, member: Member, incarnation: int, channel: Channel) -> bool:
        open_still = channel.read()
        for name, *rest in channel.waiting():
            if member.incarnation == incarnation:
                getattr(self, f"_on_{name}")(member, *rest)
        return open_still

    def _on_listening(self, member: Member, address: str) -> None:
        with self._lock:
            member.address = address
            known = {
                one.index: (one.incarnation, one.address)
                for one in self._members
                if one.alive and one.address is not None
            }
            for other in self._members:
                self._send(other, "peers", known)

    def _on_running(self, member: Member) -> None:
        with self._lock:
            member.running = True
            self._send(member, "active", self._active)

    def _on_heartbeat(self, member: Member) -> None:
        if member.running or not self._closing:
            self._slots.heartbeat(member.port, member.incarnation)

    def _on_tapped(self, member: Member, text: str) -> None:
        if self._origin.on_tapped is not None:
            self._origin.on_tapped(text)

    def _on_printed(self, member: Member, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def _on_logged(self, member: Member, level: int, name: str, text: str) -> None:
        logging.getLogger(name).log(level, "worker %d: %s", member.port, text)

    def _on_answer(self, member: Member, number: int, value: Any) -> None:
        self._questions.answer(number, value)

    def _on_failed(self, member: Member, message: str, hint: str | None, again: bool) -> None:
        if again:
            member.notices.append(f"worker {member.port} starts anew: {message}")
        else:
            self._fail(TopologyFailedError(message, hint=hint))

    def _on_ended(
        self, member: Member, report: WorkerReport, broken: str | None, hint: str | None
    ) -> None:
        with self._lock:
            member.reported(report)
            member.ended = True
            if broken is not None and self.failure is None:
                self.failure = TopologyFailedError(broken, hint=hint)
            self._ended.notify_all()

    # To workers ---------------------------------------------------------------------------------

    def _send(self, member: Member, *message: Any) -> None:
        if member.alive and member.channel is not None:
            try:
                member.channel.send(*message)
            except OSError:
                logger.debug("worker %d is gone", member.port)

    def _tell_all(self, *message: Any) -> None:
        with self._lock:
            for member in self._members:
                self._send(member, *message)

    def _ask_all(self, what: str, *arguments: Any) -> dict[int, Any]:
        """Each worker's answer by index; None where there is none."""
        asked = [(one.index, self._questions.ask(one, what, *arguments)) for one in self._wanted]
        deadline = time.monotonic() + ANSWER_S
        return {
            index: self._questions.wait(number, max(0.0, deadline - time.monotonic()))
            for index, number in asked
        }

    def _ring(self) -> None:
        try:
            self._wake.send(b"\0")
        except BlockingIOError:
            pass  # it is awake

    # Draining ---------------------------------------------------------------------------------

    def _look(self) -> list[Progress] | None:
        """How far all are, if nothing has happened since the look before."""
        found = self._ask_all("progress")
        now = {index: one for index, one in found.items() if isinstance(one, Progress)}
        before, self._last_look = self._last_look, now
        if len(now) < len(found) or not nothing_happens(before, now):
            return None
        return list(now.values())

    def is_drained(self) -> bool:
        look = self._look()
        if look is None:
            return False
        if all(one.ended for one in look):
            return True
        if all(one.exhausted for one in look):
            self._tell_all("hurry")
        return False

    def is_idle(self) -> bool:
        look = self._look()
        if look is None:
            return False
        pending = sum(one.pending for one in look)
        if pending and not self._active:
            self._tell_all("hurry")
        return pending == 0

    def finish(self, timeout: float) -> None:
        """After draining: one last tick for each component that has ticks, then close."""
        deadline = time.monotonic() + timeout
        for name in self._spec.topological_order():
            if self._ticks(self._spec.components[name]) and not self.is_done:
                self._tell_all("tick", name)
                while not self.is_idle() and time.monotonic() < deadline and not self.is_done:
                    time.sleep(0.001)
        self.close(max(STOP_S, deadline - time.monotonic()))

    def _ticks(self, spec: ComponentSpec) -> bool:
        return spec.kind == "bolt" and spec.native is None

    def pending(self, most: int = 10) -> list[Any]:
        """Names (tup_ids) of pending tuples: what a wait waits for."""
        found = self._ask_all("pending", most)
        return [name for names in found.values() for name in names or ()][:most]

    # Measuring --------------------------------------------------------------------------------

    @property
    def workers(self) -> int:
        return len(self._wanted)

    @property
    def notices(self) -> list[str]:
        asked = self._ask_all("notices")
        told = [notice for member in self._members for notice in member.notices]
        return told + [notice for found in asked.values() for notice in found or ()]

    def report(self) -> WorkerReport:
        """All figures, those of workers that died as of their last report."""
        if not self._closing:
            for index, found in self._ask_all("report").items():
                if isinstance(found, WorkerReport) and self._members[index].running:
                    self._members[index].reported(found)
        return merged(
            report for member in self._members for report in (*member.past, member.report)
        )

    def emitted(self, components: Iterable[str]) -> int:
        return self.report().emitted(components)

    def processes(self) -> tuple[WorkerStats, ...]:
        """Every worker's process, as of its last report."""
        return tuple(self._process(member) for member in self._wanted)

    def _process(self, member: Member) -> WorkerStats:
        figures = member.figures or NO_PROCESS
        executors = self._layout.executors[member.index]
        return WorkerStats(
            port=member.port,
            pid=member.report.process.pid if member.report.process is not None else None,
            starts=member.starts,
            seconds=round(figures.seconds, 3),
            cpu_s=round(figures.cpu_s, 3),
            rss_mb=round(figures.rss_bytes / 1e6, 1),
            components=tuple(dict.fromkeys(one.component for one in executors)),
        )

    def wait_until_running(self, timeout: float) -> bool:
        """Whether all workers run, in time."""
        deadline = time.monotonic() + timeout
        while not all(member.running for member in self._wanted):
            if time.monotonic() >= deadline or self.is_done:
                return False
            time.sleep(0.002)
        return True
