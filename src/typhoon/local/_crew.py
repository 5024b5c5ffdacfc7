"""``Crew``: the processes of a topology's workers, and what is said to and heard from them."""

from __future__ import annotations

import logging
import pickle
import secrets
import selectors
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeAlias

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
from typhoon.local._links import link_tls, refuse_long_path
from typhoon.local._member import Member, Questions
from typhoon.local._origin import Origin
from typhoon.local._outlet import Outlet
from typhoon.local._pickled import pickled
from typhoon.metrics import WorkerReport
from typhoon.topology import TopologySpec
from typhoon.worker import LOGGED, MOST_WORKERS, PRINTED, TAPPED, Channel, Layout, WorkerOrder

logger = logging.getLogger("typhoon.local")

ANSWER_S = 1.0
"""How long a worker may take to answer before its last report stands for it."""
STOP_S = 2.0
"""How long components may take to close."""
KILL_S = 1.0
"""How long processes may take to end when their components are closed."""
SPOKEN = frozenset({TAPPED, PRINTED, LOGGED})
"""Messages that are for people."""


Ear: TypeAlias = tuple[Member, int, Channel]
"""What one start of a worker is heard by."""


class Crew:
    """Starts a process for each worker that has executors, and starts it anew when it dies.

    Worker ``index`` has port ``first_port + index``. ``failure`` is why the topology cannot run, if
    it cannot; then everything has been closed, or soon is. Four threads meet here: that of the
    slots, which makes and buries processes; one that listens to all of them; that of the outlet,
    which says what they say to people; and whoever asks.
    """

    def __init__(
        self,
        topology_id: str,
        spec: TopologySpec,
        conf: Mapping[str, Any],
        layout: Layout,
        first_port: int,
        origin: Origin,
    ) -> None:
        self.failure: Exception | None = None
        self.layout = layout
        self.active = True
        self.closing = False
        self.done = threading.Event()
        self.members = [Member(index, first_port + index) for index in range(MOST_WORKERS)]
        self._topology_id = topology_id
        self._pickled = pickled(spec)
        self._conf = dict(conf)
        self._tls = link_tls(conf)
        self._origin = origin
        self._secret = secrets.token_bytes(32)
        self._by_port = {member.port: member for member in self.members}
        self._questions = Questions()
        self._beat_s = float(conf["worker.heartbeat.frequency.secs"])
        self._lock = threading.RLock()
        self._ended = threading.Condition(self._lock)
        self._folder = RunFolder()
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._new: list[Ear] = []
        self._held: list[Ear] = []
        self._slots_are_closed = False
        self._ends = ExitStack()

    # Life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start every worker's process; the topology begins when all are connected. What it raises
        leaves something to ``close``."""
        refuse_long_path(self._conf, self._folder.path)
        name = f"typhoon-{self._topology_id}"
        launcher = ProcessLauncher(self._folder.path, log_options(self._conf))
        self._ends.callback(launcher.close)
        self._outlet = Outlet(f"{name}-outlet", self._ring)
        self._ends.callback(self._outlet.close, ANSWER_S)
        self._listener = threading.Thread(target=self._listen, name=f"{name}-group", daemon=True)
        self._listener.start()
        self._ends.callback(self._end_listener)
        options = slot_options(self._conf)
        self._slots = Slots(list(self._by_port), launcher, options, self._on_change)
        self._ends.callback(self._slots.close, KILL_S)
        for member in self.wanted:
            self._assign(member)

    @property
    def wanted(self) -> list[Member]:
        """Those that have anything to run."""
        return [self.members[index] for index, held in enumerate(self.layout.executors) if held]

    def _assign(self, member: Member) -> None:
        held = self.layout.executors[member.index]
        executors = frozenset((one.first, one.last) for one in held)
        assignment = SlotAssignment(self._topology_id, executors, self._command)
        self._slots.assign(member.port, assignment if held else None)

    def close(self, timeout: float = STOP_S) -> None:
        """Stop at once: every component's ``close`` is called. Whoever comes second waits for the
        first, and ``done`` is set whatever happens."""
        with self._lock:
            first, self.closing = not self.closing, True
        if not first:
            self.done.wait()
            return
        with ExitStack() as ends:
            ends.callback(self.done.set)
            ends.callback(self._leave_folder)
            ends.callback(self._end_processes)
            self._close_components(timeout)

    def _close_components(self, timeout: float) -> None:
        with self._lock:
            asked = [(one, one.incarnation) for one in self.members if one.running]
            for member, _ in asked:
                self._send(member, "stop", timeout)
            self._ended.wait_for(
                lambda: all(one.is_over(incarnation) for one, incarnation in asked),
                timeout + ANSWER_S,
            )

    def _end_processes(self) -> None:
        self._ends.close()
        self._selector.close()
        self._wake.close()
        self._woken.close()
        for member in self.members:
            if member.channel is not None:
                member.channel.close()

    def _leave_folder(self) -> None:
        died = any(member.notices for member in self.members)
        self._folder.close(keep_logs=died or self.failure is not None)

    def _end_listener(self) -> None:
        self._slots_are_closed = True
        self._ring()
        self._listener.join()

    def _fail(self, error: Exception) -> None:
        with self._lock:
            if self.failure is None and not self.closing:
                self.failure = error
                threading.Thread(target=self.close, name="typhoon-group-end", daemon=True).start()

    def move(self, layout: Layout, spec: TopologySpec) -> None:
        """Give every worker the executors that ``layout`` says: those whose executors change are
        started anew, the others hear where everything is now."""
        content = pickled(spec)
        with self._lock:
            before, self.layout, self._pickled = self.layout, layout, content
            for member in self.members[: layout.workers]:
                had = before.executors[member.index] if member.index < before.workers else ()
                if layout.executors[member.index] != had:
                    member.running, member.moved = False, True
                    self._assign(member)
                elif had:
                    seen = layout.seen_from(member.index, member.incarnation)
                    self._send(member, "layout", seen)

    @property
    def is_silent(self) -> bool:
        """Everything has been said that workers have said to people."""
        return self._outlet.is_empty

    def wait_until_running(self, timeout: float) -> bool:
        """Whether all workers run, in time."""
        deadline = time.monotonic() + timeout
        while not all(member.running for member in self.wanted):
            if time.monotonic() >= deadline or self.done.is_set():
                return False
            time.sleep(0.002)
        return True

    # On the thread of the slots -----------------------------------------------------------------

    def _command(self, port: int, incarnation: int) -> Command:
        member = self._by_port[port]
        with self._lock:
            self._down(member)
            order = pickle.dumps(self._order(member, incarnation))
            # In a file: nobody reads the channel yet, and it does not hold a large topology.
            path = self._folder.write_order(member.index, incarnation, order)
            ours, theirs = socket.socketpair()
            channel = Channel(ours)
            member.begin(incarnation, channel, path)
            self._new.append((member, incarnation, channel))
        self._ring()
        fd = theirs.detach()
        # -P: files of the current folder may hide modules; the order brings the whole path.
        argv = (sys.executable, "-P", "-m", "typhoon.worker", str(fd), str(path))
        return Command(argv, pass_fds=(fd,))

    def _order(self, member: Member, incarnation: int) -> WorkerOrder:
        return WorkerOrder(
            topology_id=self._topology_id,
            port=member.port,
            layout=self.layout.seen_from(member.index, incarnation),
            conf=self._conf,
            spec=self._pickled,
            secret=self._secret,
            listen=self._listen_at(member, incarnation),
            tls=self._tls,
            active=self.active,
            path=tuple(sys.path),
            before=self._origin.before,
            modules=self._origin.modules,
            log_level=logging.getLevelName(self._conf["worker.log.level"]),
            heard_level=logging.getLogger("typhoon").getEffectiveLevel(),
            heartbeat_s=self._beat_s,
        )

    def _listen_at(self, member: Member, incarnation: int) -> str:
        if self._conf["worker.link.transport"] == "tcp":
            return "tcp:127.0.0.1:0"
        return self._folder.socket(member.index, incarnation)

    def _on_change(self, port: int, status: Status, incarnation: int, reason: str) -> None:
        member = self._by_port[port]
        if status is Status.KILL:
            with self._lock:
                self._send(member, "end")
        if status not in (Status.WAITING_FOR_WORKER_START, Status.RUNNING, Status.KILL):
            with self._lock:
                self._down(member)
        if not reason:  # none is given for what was ordered
            return
        told = f"{member.why} ({reason})" if member.why else reason
        failure = TopologyFailedError(
            f"worker {port}: {told}", hint=f"its log is {self._folder.log(port)}"
        )
        member.notices.append(str(failure))
        if status is Status.GIVEN_UP:
            self._fail(failure)
        else:
            logger.warning("%s", failure)

    def _down(self, member: Member) -> None:
        """The process of the last start is gone: all others have to know."""
        if not member.alive:
            return
        blameless = member.is_blameless
        member.die()
        self._questions.drop(member)
        for other in self.members:
            if other is not member:
                self._send(other, "down", member.index, member.incarnation, blameless)
        self._ended.notify_all()

    # On the thread that listens -----------------------------------------------------------------

    def _listen(self) -> None:
        while not self._slots_are_closed:
            for key, _ in self._selector.select(self._beat_s if self._held else None):
                if key.data is None:
                    self._take_in_new()
                else:
                    self._hear(key.data)
            self._look_after_held()
        ears = [key.data for key in self._selector.get_map().values() if key.data is not None]
        for _, _, channel in (*ears, *self._held):
            channel.close()

    def _take_in_new(self) -> None:
        self._woken.recv(4096)
        with self._lock:
            new, self._new = self._new, []
        for ear in new:
            self._selector.register(ear[2], selectors.EVENT_READ, ear)

    def _hear(self, ear: Ear) -> None:
        member, incarnation, channel = ear
        names = set()
        try:
            open_still = channel.read()
            for name, *rest in channel.waiting():
                names.add(name)
                # What one that has gone has said to people is still worth hearing.
                if member.incarnation == incarnation or name in SPOKEN:
                    getattr(self, f"_on_{name}")(member, *rest)
        except Exception:
            # It ends when it finds its channel closed, and its slot starts it anew.
            logger.exception("worker %d said what cannot be read", member.port)
            open_still = False
        if not open_still:
            self._selector.unregister(channel)
            channel.close()
        elif self._outlet.is_full and not names.isdisjoint(SPOKEN):
            self._selector.unregister(channel)
            self._held.append(ear)
            member.held = member.incarnation == incarnation

    def _look_after_held(self) -> None:
        """While the outlet is full nothing is read of workers that speak, so that they are held up
        as they would be by a standard output of their own. Their heartbeats are not heard then, and
        who does not listen may not blame: they count as having come."""
        if self._outlet.is_full:
            for member, incarnation, _ in self._held:
                self._slots.heartbeat(member.port, incarnation)
            return
        held, self._held = self._held, []
        for ear in held:
            self._selector.register(ear[2], selectors.EVENT_READ, ear)
            ear[0].held = False

    def _on_listening(self, member: Member, address: str) -> None:
        with self._lock:
            member.address = address
            known = {
                one.index: (one.incarnation, one.address)
                for one in self.members
                if one.alive and one.address is not None
            }
            for other in self.members:
                self._send(other, "peers", known)

    def _on_running(self, member: Member) -> None:
        with self._lock:
            member.running = True
            self._send(member, "active", self.active)

    def _on_heartbeat(self, member: Member) -> None:
        self._slots.heartbeat(member.port, member.incarnation)

    def _on_tapped(self, member: Member, text: str) -> None:
        if self._origin.on_tapped is not None:
            self._outlet.put(self._origin.on_tapped, text)

    def _on_printed(self, member: Member, text: str) -> None:
        self._outlet.put(self._outlet.print, text)

    def _on_logged(self, member: Member, level: int, name: str, text: str) -> None:
        log = partial(logging.getLogger(name).log, level, "worker %d: %s", member.port)
        self._outlet.put(log, text)

    def _on_answer(self, member: Member, number: int, value: Any) -> None:
        self._questions.answer(number, value)

    def _on_failed(self, member: Member, message: str, hint: str | None, again: bool) -> None:
        if again:
            member.why = message
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

    def tell_all(self, *message: Any) -> None:
        with self._lock:
            for member in self.members:
                self._send(member, *message)

    def ask_all(self, what: str, *arguments: Any) -> dict[int, Any]:
        """Each worker's answer by index; None where there is none."""
        asked = [(one.index, self._questions.ask(one, what, *arguments)) for one in self.wanted]
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
