"""``Worker``: runs executors of one topology on the engine, in this process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from typhoon._core import Engine
from typhoon.config import TopologyOptions
from typhoon.errors import TopologyFailedError, TyphoonInternalError
from typhoon.metrics import WorkerReport, WorkerStats
from typhoon.topology import ComponentSpec, TopologySpec, assign_tasks
from typhoon.worker._draining import CLOSE_S, Draining
from typhoon.worker._errors import ErrorBook
from typhoon.worker._figures import Figures
from typhoon.worker._layout import Layout, alone
from typhoon.worker._plan import EnginePlan, Planner
from typhoon.worker._progress import Progress, nothing_happens
from typhoon.worker._restarts import Restarts
from typhoon.worker._running import Running
from typhoon.worker._surroundings import Surroundings
from typhoon.worker._worker_hooks import WorkerHooks

logger = logging.getLogger("typhoon.worker")

WATCH_S = 0.5
"""How long the watchdog looks before it sees whether its worker still runs."""
REBALANCE_S = 10.0
"""How long components may take to close while their executors are dealt out anew."""
LOOK_S = 0.05


class Clock(Protocol):
    """A clock that tests move on; engines under it are told by ``attach``."""

    @property
    def now_ns(self) -> int: ...

    def attach(self, engine: Engine) -> None: ...

    def detach(self, engine: Engine) -> None: ...


class Worker(Draining):
    """One worker. ``start`` returns at once; what goes wrong later is in ``failure``.

    When a component asks for it (``on_error = "exit"``), the engine is stopped and, after a pause
    that grows, made anew with new instances, as a worker process would be: what was in flight is
    its source's to replay. Counts go on. ``on_open`` is called when it begins to process: once by
    each of the engine's threads, on that.
    """

    def __init__(
        self,
        around: Surroundings,
        options: TopologyOptions,
        clock: Clock | None = None,
        layout: Layout | None = None,
        restarts: bool = True,
        on_open: Callable[[], None] = lambda: None,
    ) -> None:
        self.around = around
        self.restarts = restarts
        self.on_open = on_open
        self.layout = alone(around.plan.executors) if layout is None else layout
        self.options = options
        self.clock = clock
        self.failure: Exception | None = None
        self.ask_again = False
        """It ended because a component asked for a new start, which ``restarts`` denies."""
        self.notices: list[str] = []
        self.books = {name: self._book(name) for name in around.spec.components}
        self._hooks = WorkerHooks(around)
        self._plan: EnginePlan | None = None
        self._planner: Planner | None = None
        self._engine: Engine | None = None
        self._threads: list[threading.Thread] = []
        self._lines: list[threading.Thread] = []
        self._closing = threading.Event()
        self._done = threading.Event()
        self._made_anew = threading.Event()
        self._rebalancing = False
        self._lock = threading.Lock()
        self._again = False
        self._reason: Exception | None = None
        self._active = True
        self._restarts = Restarts()
        self._figures = Figures(self.books, around.metrics)
        self._began = time.monotonic()

    def _book(self, component: str) -> ErrorBook:
        options = self.options
        interval, most = options.error_throttle_interval_s, options.max_errors_per_interval
        return ErrorBook(component, interval, most, time.monotonic)

    # Life -------------------------------------------------------------------------------------

    def start(self, *, active: bool) -> None:
        """Begin to run its executors. Raises what a custom grouping's ``prepare`` raises, and
        ``TopologyFailedError`` where a worker hook raises."""
        self.prepare(active=active)
        self.go()

    def prepare(self, *, active: bool) -> Engine:
        """Make the engine, of which nothing runs before ``go``. Raises as ``start``."""
        self._active = active
        return self._make()

    def go(self) -> None:
        self._run_lines()
        keeper = threading.Thread(target=self._keep, name=self._name("keeper"), daemon=True)
        keeper.start()
        self._threads.append(keeper)

    def close(self, timeout: float = CLOSE_S) -> bool:
        """A component that does not come back from a call in time leaves its thread behind."""
        self._closing.set()
        engine = self._engine
        if engine is not None:
            engine.stop()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            # One has not begun where the system gave no thread for it.
            if thread is not threading.current_thread() and thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        self.around.close()
        left = [thread.name for thread in self._threads if thread.is_alive()]
        if left:
            logger.warning(
                "still in a call after %.1f s, left behind: %s", timeout, ", ".join(left)
            )
        return not left

    def relayout(self, layout: Layout) -> None:
        """Other workers run other executors from now on; this one's stay as they are."""
        engine, plan = self._engine, self._plan
        if engine is None or plan is None or self._planner is None:
            raise TyphoonInternalError("a worker is given a layout before it is made")
        self.layout = layout
        engine.relayout(*self._planner.relayout(plan.executors, layout))

    def rebalance(self, spec: TopologySpec, workers: int | None) -> list[str]:
        """Give its components the executors that ``spec`` says, with new instances; its spouts are
        at rest. ``workers`` has no effect: there is one. Returns when the new ones are made.

        Raises ``TopologyFailedError`` when they are not: the worker has failed, or a component did
        not come back from a call; they are made then as soon as it does."""
        self.around = replace(self.around, spec=spec, plan=assign_tasks(spec))
        self.layout = alone(self.around.plan.executors)
        self._made_anew.clear()
        self._rebalancing = True
        if self._engine is not None:
            self._engine.stop()
        if not self._until_made_anew(time.monotonic() + REBALANCE_S):
            raise self.failure or TopologyFailedError(
                f"'{spec.name or self.topology_id}' has no new executors after {REBALANCE_S:g} s: "
                "a component has not come back from a call",
                hint="they are made once it does; give a bolt that waits threaded = True",
            )
        return []

    def _until_made_anew(self, deadline: float) -> bool:
        while not self._made_anew.wait(LOOK_S):
            if self.is_done or time.monotonic() >= deadline:
                return False
        return True

    @property
    def spec(self) -> TopologySpec:
        return self.around.spec

    def give_up(self) -> None:
        """Fail what is pending: there is no more time to finish it."""
        if self._engine is not None:
            self._engine.lose_all()

    def excuse(self, worker: int, incarnation: int) -> None:
        """That start of another worker is about to be found dead, and no tuple is to blame."""
        # As the engine calls a death.
        self.around.blameless.add(worker << 32 | incarnation & 0xFFFF_FFFF)

    def unsettled(self) -> list[int]:
        """The first tasks of spout executors that have something pending, or to replay."""
        running = self._running
        return [] if running is None else running.unsettled()

    @property
    def is_active(self) -> bool:
        return self._active

    def set_active(self, active: bool) -> None:
        self._active = active
        running = self._running
        if running is not None:
            (running.engine.activate if active else running.engine.deactivate)()
            if not active:
                running.hurry()

    @property
    def _running(self) -> Running | None:
        engine, plan = self._engine, self._plan
        return None if engine is None or plan is None else Running(engine, plan)

    def _make(self) -> Engine:
        self.around.tasks[:] = sorted(task for one in self.layout.mine for task in one.tasks)
        self._planner = Planner(
            self.around, self.options, self.books, self._stop, self.layout, self.on_open
        )
        plan = self._planner.plan(active=self._active)
        engine = Engine(plan.content, None if self.clock is None else self.clock.now_ns)
        self._hooks.start()
        with self._lock:
            self._plan, self._engine, self._again = plan, engine, False
            self._figures.begin(engine, plan)
        if self.clock is not None:
            self.clock.attach(engine)
        return engine

    def _run_lines(self) -> None:
        engine, plan = self._engine, self._plan
        if engine is None or plan is None:
            raise TyphoonInternalError("a worker runs before it is made")
        lines = [
            threading.Thread(
                target=self._run, args=(engine, plan, n), name=self._name(n), daemon=True
            )
            for n in range(engine.lines)
        ]
        watchdog = threading.Thread(
            target=self._watch, args=(engine, plan), name=self._name("watchdog"), daemon=True
        )
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads += [*lines, watchdog]
        self._lines = lines
        for thread in (*lines, watchdog):
            thread.start()

    def _name(self, part: str | int) -> str:
        return f"typhoon-{self.around.topology_id}-{part}"

    def _run(self, engine: Engine, plan: EnginePlan, line: int) -> None:
        try:
            if line == plan.coroutine_line:
                from typhoon.worker._event_loop import CoroutineLine  # costs 30 ms: asyncio

                shells = [one.shell for one in plan.executors if one.spec.coroutines and one.shell]
                CoroutineLine(engine, line, shells, self._notice).run()
            else:
                engine.run(line)
        except TyphoonInternalError as error:
            logger.exception("the engine failed")
            self._stop(error, False)

    def _stop(self, failure: Exception, again: bool) -> None:
        """The engine has to stop; from any of its threads."""
        with self._lock:
            first = self.failure is None and not self._again
            if not again:
                self.failure = self.failure or failure
            elif first:
                self._again, self._reason = True, failure
        engine = self._engine
        if engine is not None:
            engine.stop()

    def _keep(self) -> None:
        """Wait for the engine's threads to end; start anew if that was asked for."""
        while True:
            began = time.monotonic()
            for line in self._lines:
                line.join()
            self._hooks.shutdown()
            if self.clock is not None and self._engine is not None:
                self.clock.detach(self._engine)
            if self._rebalancing and not self._closing.is_set() and self.failure is None:
                self._remember()
                if not self._begin_anew():
                    break
                continue
            if not self._again or self._closing.is_set() or self.failure is not None:
                break
            if not self.restarts:
                self.failure, self.ask_again = self._reason, True
                break
            pause = self._restarts.pause(time.monotonic() - began)
            if pause is None:
                self.failure = TopologyFailedError(
                    f"the worker ended {self._restarts.short} times in a row: {self._reason}",
                    hint="mend what it raises, or set on_error to 'fail', 'drop' or 'dead-letter'",
                )
                break
            logger.warning("worker restarts in %.2f s: %s", pause, self._reason)
            self._remember()
            if self._closing.wait(pause):
                break
            if not self._begin_anew():
                break
        self.around.close()
        self._done.set()

    def _begin_anew(self) -> bool:
        self._rebalancing = False
        try:
            self._make()
        except Exception as error:  # of a worker hook, or of a custom grouping
            self.failure = error
            return False
        self._run_lines()
        self._made_anew.set()
        return True

    def _remember(self) -> None:
        """Keep the counts of the engine that ended."""
        self._figures.remember()
        self._engine = None

    @property
    def topology_id(self) -> str:
        return self.around.topology_id

    def wait_until_running(self, timeout: float) -> bool:
        """It does since ``start``."""
        return True

    def wait(self) -> None:
        """Until the worker has ended."""
        self._done.wait()

    workers = 1

    def processes(self) -> tuple[WorkerStats, ...]:
        """None: it is in this one."""
        return ()

    def handle(self, spec: ComponentSpec) -> Any:
        """What a component shows to whoever runs the topology."""
        return self.around.handles.of(spec)

    # Draining ---------------------------------------------------------------------------------

    def progress(self) -> Progress:
        """How far it is: two looks at all workers tell whether a topology has drained."""
        running = self._running
        return Progress() if running is None or self._again else running.progress()

    def look(self) -> list[Progress] | None:
        """Two looks, with nothing in between."""
        first = self.progress()
        if first.stamp is None:
            return None
        second = self.progress()
        return [second] if nothing_happens({0: first}, {0: second}) else None

    def hurry(self) -> None:
        running = self._running
        if running is not None:
            running.hurry()

    def ticking(self) -> list[str]:
        running = self._running
        return [] if running is None or self._again else running.ticking()

    def tick(self, component: str) -> None:
        running = self._running
        if running is not None:
            running.tick(component)

    @property
    def broken(self) -> Exception | None:
        """Why a source has not given all its data, if one has not."""
        plan = self._plan
        shells = [one.shell for one in plan.executors if one.shell] if plan is not None else []
        return next((shell.broken for shell in shells if shell.broken is not None), None)

    @property
    def is_done(self) -> bool:
        return self._done.is_set()

    def finish(self, timeout: float) -> None:
        """That a source broke, and its data is not complete, is a failure."""
        super().finish(timeout)
        self.failure = self.failure or self.broken

    def pending(self, most: int = 10) -> list[Any]:
        """Names (tup_ids) of pending tuples, the oldest first: what a wait waits for."""
        running = self._running
        return [] if running is None else running.pending(most)

    # Measuring --------------------------------------------------------------------------------

    def report(self) -> WorkerReport:
        """All figures since the worker began."""
        return self._figures.report()

    def emitted(self, components: Iterable[str]) -> int:
        """How many tuples ``components`` have emitted together; microseconds, from any thread."""
        return self._figures.emitted(components)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    # The watchdog -----------------------------------------------------------------------------

    def _watch(self, engine: Engine, plan: EnginePlan) -> None:
        port = self.around.worker_port
        while engine is self._engine and any(line.is_alive() for line in self._lines):
            self._figures.look()
            for number, _, share, call_s, waiting in engine.watch(WATCH_S):
                spec = plan.executors[number].spec
                what = "waiting" if waiting > 0.5 else "computing"
                advice = "give it threaded = True" if waiting > 0.5 else "give it more workers"
                if call_s is None:
                    held = f"held up worker {port} for {share:.0%} of the last 10 s"
                else:
                    held = f"has held up worker {port} for {call_s:.1f} s with one call"
                self._notice(f"{spec.kind} '{spec.id}' {held}, {what}: {advice}")

    def _notice(self, notice: str) -> None:
        self.notices.append(notice)
        logger.warning("%s", notice)
