"""``Slots``: the slots of one machine, and the one thread that keeps their workers alive."""

from __future__ import annotations

import logging
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import inf
from typing import TypeAlias

from typhoon.cluster.supervisor._events import (
    Action,
    Assigned,
    CodeFailed,
    CodeReady,
    Event,
    Exited,
    Fetch,
    Heartbeat,
    Kill,
    Launch,
    Measured,
    Overslept,
    Report,
    SlotAssignment,
    Status,
    Terminate,
    Tick,
)
from typhoon.cluster.supervisor._launcher import Launcher
from typhoon.cluster.supervisor._options import SlotOptions
from typhoon.cluster.supervisor._slot import SlotState, step
from typhoon.cluster.supervisor._waker import Waker
from typhoon.errors import ImpossibleEventError, NotRunningError, told

logger = logging.getLogger(__name__)

MEASURE_S = 1.0
"""How often workers that have a limit are asked for their memory."""
LATE_S = 1.0
"""Who wakes up so much too late was stopped, or starved, and has heard no heartbeats."""
CLOSE_S = 5.0
"""How long the system may take to end what was killed."""

OnChange: TypeAlias = Callable[[int, Status, int, str], None]
"""Told port, status, incarnation and reason (empty if there is none to give)."""


class Slots:
    """Feeds what happens into ``step``, and does by ``launcher`` what comes out, on one thread.

    ``on_change`` is called on that thread for every change of a slot's status and for every reason
    that there is to report, which nobody else tells. It must not wait; it may call ``assign`` and
    ``heartbeat``, but not ``close``. So is ``fetch``, which begins to bring what an assignment
    needs, and is answered by ``fetched``; without it everything is here already. All methods may be
    called on any thread.

    The launcher is closed when the thread ends, for whatever reason: no worker runs unsupervised.
    """

    def __init__(
        self,
        ports: Iterable[int],
        launcher: Launcher,
        options: SlotOptions,
        on_change: OnChange,
        *,
        fetch: Callable[[int, SlotAssignment], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._states = {port: SlotState(f"slot {port}", options) for port in ports}
        self._launcher = launcher
        self._limited = options.memory_limit_bytes is not None
        self._patience = options.shutdown_s + CLOSE_S
        self._on_change = on_change
        self._fetch = fetch
        self._clock = clock
        self._inbox: deque[tuple[int, Event]] = deque()
        self._waker = Waker()
        self._measure_at = clock() + MEASURE_S
        self._empty = threading.Event()
        self._closing = False
        self._ending = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="typhoon-slots", daemon=True)
        self._thread.start()

    def assign(self, port: int, assignment: SlotAssignment | None) -> None:
        """The slot is to run ``assignment``, or nothing; see ``Assigned``."""
        self._send(port, Assigned(assignment))

    def heartbeat(self, port: int, incarnation: int) -> None:
        """The worker of this incarnation lives."""
        self._send(port, Heartbeat(incarnation))

    def fetched(self, port: int, topology_id: str, trouble: str = "") -> None:
        """The answer to ``fetch``: what the topology needs is here, or why it is not."""
        event = CodeFailed(topology_id, trouble) if trouble else CodeReady(topology_id)
        self._send(port, event)

    def state(self, port: int) -> SlotState:
        """Where the slot stands now."""
        return self._states[port]

    def close(self, timeout: float | None = None) -> None:
        """End all workers, in order while ``timeout`` lasts (None: the options' time and a little
        more), then by force. From now on nothing is accepted; closing again does nothing."""
        with self._lock:
            if self._closing:
                return
            self._inbox.extend((port, Assigned(None)) for port in self._states)
            self._closing = True
            self._waker.ring()
        self._empty.wait(self._patience if timeout is None else timeout)
        self._ending = True
        self._waker.ring()
        self._thread.join()
        self._waker.close()

    def _send(self, port: int, event: Event) -> None:
        if port not in self._states:
            raise ValueError(f"there is no slot {port}; there are {sorted(self._states)}")
        with self._lock:
            if self._closing:
                if isinstance(event, Assigned):
                    raise NotRunningError("the slots are closed: nothing can be assigned")
                return
            self._inbox.append((port, event))
            self._waker.ring()

    # On the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._launcher, selectors.EVENT_READ)
                selector.register(self._waker, selectors.EVENT_READ)
                while not self._ending:
                    due = self._due()
                    selector.select(self._wait(due))
                    self._turn(due)
        except Exception as error:
            logger.exception("the supervisor of the slots broke")
            self._break_off(f"its supervisor broke: {error!r}")
        finally:
            try:
                self._launcher.close()
            finally:
                self._empty.set()

    def _turn(self, due: float | None) -> None:
        """All that has happened, then all that is due: a heartbeat in the inbox is not late."""
        if due is not None and self._clock() - due > LATE_S:
            logger.warning("the supervisor of the slots stood still")
            self._feed_timed(Overslept())
        self._waker.hear()
        for death in self._launcher.deaths():
            self._feed(death.port, Exited(death.incarnation, death.reason))
        self._empty_inbox()
        now = self._clock()
        self._feed_timed(Tick(), until=now)
        if self._limited and now >= self._measure_at:
            self._measure_at = now + MEASURE_S
            self._measure()
        self._empty_inbox()
        if self._closing and not self._inbox and not self._live:
            self._empty.set()

    @property
    def _live(self) -> list[int]:
        """The ports that have a process."""
        return [port for port, state in self._states.items() if state.has_process]

    def _due(self) -> float | None:
        """When the next ``Tick`` is wanted."""
        times = (state.due for state in self._states.values() if state.due is not None)
        return min(times, default=None)

    def _wait(self, due: float | None) -> float | None:
        """How long nothing is to be done unless something happens."""
        times = [] if due is None else [due]
        if self._limited and self._live:
            times.append(self._measure_at)
        return max(0.0, min(times) - self._clock()) if times else None

    def _empty_inbox(self) -> None:
        while self._inbox:
            self._feed(*self._inbox.popleft())

    def _feed_timed(self, event: Event, until: float = inf) -> None:
        for port, state in self._states.items():
            if state.due is not None and state.due <= until:
                self._feed(port, event)

    def _measure(self) -> None:
        for port in self._live:
            measured = Measured(self._states[port].incarnation, self._launcher.rss_bytes(port))
            self._feed(port, measured)

    def _feed(self, port: int, event: Event) -> None:
        before = self._states[port]
        try:
            after, actions = step(before, event, self._clock())
        except ImpossibleEventError:
            logger.exception("an event is left out")
            return
        self._states[port] = after
        for action in actions:
            self._perform(port, action)
        reasons = [action.reason for action in actions if isinstance(action, Report)]
        if reasons or after.status is not before.status:
            self._tell(port, after, "".join(reasons))

    def _perform(self, port: int, action: Action) -> None:
        match action:
            case Fetch(assignment):
                self._begin_fetch(port, assignment)
            case Launch(assignment, incarnation):
                self._launch(port, assignment, incarnation)
            case Terminate():
                self._launcher.terminate(port)
            case Kill():
                self._launcher.kill(port)
            case Report(reason):
                logger.debug("slot %d: %s", port, reason)

    def _begin_fetch(self, port: int, assignment: SlotAssignment) -> None:
        if self._fetch is None:
            self._inbox.append((port, CodeReady(assignment.topology_id)))
            return
        try:
            self._fetch(port, assignment)
        except Exception as error:
            logger.exception("slot %d: what %s needs", port, assignment.topology_id)
            self._inbox.append((port, CodeFailed(assignment.topology_id, _text(error))))

    def _launch(self, port: int, assignment: SlotAssignment, incarnation: int) -> None:
        try:
            self._launcher.launch(port, incarnation, assignment.command(port, incarnation))
        except Exception as error:
            reason = f"could not be started: {_text(error)}"
            self._inbox.append((port, Exited(incarnation, reason)))

    def _tell(self, port: int, state: SlotState, reason: str) -> None:
        try:
            self._on_change(port, state.status, state.incarnation, reason)
        except Exception:
            logger.exception("slot %d: who is told of its changes raised", port)

    def _break_off(self, reason: str) -> None:
        for port, state in self._states.items():
            if state.assignment is not None:
                broken = replace(state, status=Status.GIVEN_UP, due=None, reason=reason)
                self._states[port] = broken
                self._tell(port, broken, reason)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {told(error)}"
