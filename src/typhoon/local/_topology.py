"""``LocalTopology``: a running topology, as the one who submitted it sees it."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from typhoon.cluster.lifecycle import (
    Activate,
    ActivateSpouts,
    DeactivateSpouts,
    DoRebalance,
    Event,
    Inactivate,
    Kill,
    Rebalance,
    Remove,
    Status,
    TopologyState,
    step,
)
from typhoon.errors import NotRunningError
from typhoon.local._orphan import finish_when_drained
from typhoon.local._placement import refuse_too_many
from typhoon.local._wish import refuse_wait, rescaled
from typhoon.metrics import ComponentStats, Stats, WorkerReport, WorkerStats
from typhoon.topology import TopologySpec, assign_tasks
from typhoon.worker import has_handle

if TYPE_CHECKING:
    from typhoon.local._group import WorkerGroup
    from typhoon.worker import Worker

logger = logging.getLogger("typhoon.local")

POLL_S = (0.0005, 0.02)
"""Between two looks at whether a topology has drained: at first, and after a while."""
STUCK_S = 60.0
GIVE_UP_S = 2.0
"""How long spouts may take to hear that what they wait for has failed."""


class LocalTopology:
    """Made by ``LocalCluster.submit``. All methods may be called from any thread."""

    def __init__(
        self,
        name: str,
        topology_id: str,
        conf: Mapping[str, Any],
        worker: Worker | WorkerGroup,
        state: TopologyState,
    ) -> None:
        self.name = name
        self.id = topology_id
        self.conf = conf
        self._worker = worker
        self._state = state
        self._drained = False
        self._stuck_since: float | None = None
        self._progress: tuple[int, ...] = ()
        self._told_stuck = False
        weakref.finalize(self, finish_when_drained, worker).atexit = False

    # What it does -----------------------------------------------------------------------------

    @property
    def spec(self) -> TopologySpec:
        """What runs now: a rebalance changes the numbers of executors."""
        return self._worker.spec

    @property
    def status(self) -> str:
        """Storm's ACTIVE, INACTIVE and KILLED; DRAINED at its natural end, FAILED when it cannot
        run any more, STOPPED when it was closed before it had drained."""
        status = str(self._state.status)
        if status == "GONE":
            return "KILLED"
        if self._worker.failure is not None:
            return "FAILED"
        if self._drained:
            return "DRAINED"
        return "STOPPED" if self._worker.is_done and status != "KILLED" else status

    @property
    def failure(self) -> Exception | None:
        """Why it cannot run any more, if it cannot."""
        return self._worker.failure

    @property
    def is_drained(self) -> bool:
        """It has come to its end: all data processed, every component closed."""
        return self._drained

    @property
    def is_over(self) -> bool:
        """It runs no more: drained, killed, closed or failed. Its name is free again."""
        return self._drained or self._worker.is_done or str(self._state.status) == "GONE"

    @property
    def notices(self) -> list[str]:
        """What the watchdog has said of components that hold up others, newest last."""
        return list(self._worker.notices)

    def stats(self) -> Stats:
        """All figures since it was submitted."""
        worker = self._worker
        report = worker.report()
        components = self._components(report)
        spouts = [one for one in components if one.kind == "spout"]
        return Stats(
            topology=self.name,
            status=self.status,
            seconds=round(worker.seconds, 3),
            workers=worker.workers,
            acked=sum(one.acked for one in spouts),
            failed=sum(one.failed for one in spouts),
            timed_out=sum(one.timed_out for one in spouts),
            failed_by_worker_death=sum(one.failed_by_worker_death for one in spouts),
            replayed=report.replayed(),
            emitted={one.id: one.emitted for one in components},
            executed={one.id: one.executed for one in components if one.kind == "bolt"},
            complete_latency_ms=report.latency_ms(),
            components=components,
            processes=worker.processes(),
        )

    def _components(self, report: WorkerReport) -> tuple[ComponentStats, ...]:
        """Each component of the topology, spouts first and then down-stream."""
        specs = [self.spec.components[name] for name in self.spec.topological_order()]
        return tuple(report.component(one.id, one.kind, one.executors, one.tasks) for one in specs)

    @property
    def processes(self) -> tuple[WorkerStats, ...]:
        """Each worker's process, as it is known without asking: ``pid`` is None where it ended, and
        until its next start has reported. None of them where the topology runs in this one."""
        return self._worker.processes()

    def emitted_by_spouts(self) -> int:
        """How many tuples the spouts have emitted, replays too; quicker to get than ``stats``."""
        return self._worker.emitted(spout.id for spout in self.spec.spouts)

    def oldest_pending(self) -> list[Any]:
        """The ``tup_id``s of at most ten trees that are pending, the oldest first."""
        return self._worker.pending()

    # Its components ---------------------------------------------------------------------------

    def __getitem__(self, component: str) -> Any:
        """The handle of a component: of a ``QueueSpout``, the ``Puts`` to put tuples in.

        Raises ``KeyError`` for a component that does not exist, or has nothing to show.
        """
        spec = self.spec.components.get(component)
        if spec is None:
            raise KeyError(
                f"'{self.name}' has no component {component!r}, but {list(self.spec.components)}"
            )
        if not has_handle(spec):
            shown = [one.id for one in self.spec.components.values() if has_handle(one)]
            raise KeyError(f"{spec.kind} {component!r} is no QueueSpout; of such there are {shown}")
        return self._worker.handle(spec)

    # Without this, Python would take __getitem__ for a sequence's and iterate for ever.
    __iter__ = None

    # Waiting ----------------------------------------------------------------------------------

    def wait_until_running(self, timeout: float = 30.0) -> None:
        """Wait until every worker runs; at once where they run in this process.

        Raises ``TimeoutError`` after ``timeout`` seconds, ``TopologyFailedError`` when a worker
        cannot be started.
        """
        if not self._worker.wait_until_running(timeout):
            if self.failure is not None:
                raise self.failure
            raise TimeoutError(f"not all workers of '{self.name}' run after {timeout} s")

    def wait_until_drained(self, timeout: float | None = None) -> None:
        """Wait until the spouts have no more data and all of it is processed; then each component
        with ticks gets a last one, and all are closed.

        Raises ``TimeoutError`` after ``timeout`` seconds, ``TopologyFailedError`` when a component
        could not start or its worker ended too often.
        """
        if not self.wait(timeout):
            waiting = self.oldest_pending()
            names = f", the oldest are {waiting}" if waiting else ""
            raise TimeoutError(f"'{self.name}' has not drained in {timeout} s{names}")
        if self.failure is not None:
            raise self.failure

    def wait(self, timeout: float | None = None) -> bool:
        """As ``wait_until_drained``, but says by False that time is over, and raises nothing:
        True means drained, killed, or failed (see ``failure``)."""
        if not self._until(self._worker.is_drained, timeout):
            return False
        if not self._worker.is_done:
            self._worker.finish(10.0)
        self._drained = self._worker.failure is None
        return True

    def drain(self, timeout: float = 30.0) -> bool:
        """Ask for no more data, process what is in flight, and close. False if that took
        longer than ``timeout`` seconds: it is closed all the same, and what was left is not acked.
        """
        self._apply(Inactivate())
        clean = self._until(self._worker.is_idle, timeout)
        self._worker.finish(2.0)
        self._drained = clean and self._worker.failure is None
        return clean

    def _until(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        pause, longest = POLL_S
        while not self._worker.is_done:
            if condition():
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._name_what_is_stuck()
            time.sleep(pause)
            pause = min(pause * 1.2, longest)
        return True

    def _name_what_is_stuck(self) -> None:
        """Without time-outs nothing else would tell what a run waits for."""
        now = time.monotonic()
        if self._stuck_since is not None and now - self._stuck_since < STUCK_S:
            return
        rows = self._components(self._worker.report())
        progress = tuple(n for one in rows for n in (one.executed, one.emitted, one.acked))
        if progress != self._progress or self._stuck_since is None:
            self._progress, self._stuck_since, self._told_stuck = progress, now, False
            return
        self._stuck_since = now
        if not self._told_stuck and any(one.pending for one in rows):
            self._told_stuck = True
            names = self.oldest_pending()
            logger.warning("'%s': no progress for %.0f s; pending: %s", self.name, STUCK_S, names)

    # Orders -----------------------------------------------------------------------------------

    def activate(self) -> None:
        """Ask the spouts for data again."""
        self._apply(Activate())

    def deactivate(self) -> None:
        """Ask the spouts for no more data; what is in flight goes on."""
        self._apply(Inactivate())

    def rebalance(
        self,
        wait_secs: float | None = None,
        workers: int | None = None,
        executors: Mapping[str, int] | None = None,
    ) -> list[str]:
        """Deal the executors out anew, over ``workers`` processes and with so many ``executors`` of
        the components named; tasks stay as they are.

        The spouts rest; what is in flight may finish for at most ``wait_secs`` (default: the
        message time-out), and is failed then. Workers whose executors change are started anew, and
        what their bolts kept in memory is gone, as in Storm; others run on. A worker that has a
        spout with something pending or to be replayed stays as it is: what is returned says so.
        Raises ``InvalidTopologyError``, before anything changes, for what cannot be, such as a
        component that there is not, and ``NotRunningError`` for a topology that is over. Whatever
        it raises, its status is as before.
        """
        spec = rescaled(self.spec, wait_secs, workers, executors)
        refuse_too_many(workers or 1, assign_tasks(spec))
        if self.is_over:
            raise NotRunningError(
                f"'{self.name}' is {self.status}: it has no executors to deal out any more",
                hint="submit it anew",
            )
        self._apply(Rebalance(wait_secs, workers, executors or {}))
        try:
            if not self._until(self._worker.is_idle, self._state.wait_s):
                self._worker.give_up()
                self._until(self._worker.is_idle, GIVE_UP_S)
            return self._worker.rebalance(spec, workers)
        finally:
            # Somebody may have killed it meanwhile.
            if self._state.status is Status.REBALANCING:
                self._apply(DoRebalance())

    def kill(self, wait_secs: float | None = None) -> None:
        """Deactivate, let what is in flight finish for at most ``wait_secs`` (default: the message
        time-out), then end it."""
        refuse_wait(wait_secs)
        self._apply(Kill(wait_secs))
        self._until(self._worker.is_idle, self._state.wait_s)
        self.close()
        self._apply(Remove())

    def close(self) -> None:
        """Stop at once without draining; every component's ``close`` is called."""
        self._worker.close()

    def _apply(self, event: Event) -> None:
        after, actions = step(self._state, event)
        self._state = after
        for action in actions:
            if isinstance(action, ActivateSpouts):
                self._worker.set_active(True)
            elif isinstance(action, DeactivateSpouts):
                self._worker.set_active(False)
