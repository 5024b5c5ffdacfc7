"""``Worker``: runs executors of one topology on the engine, in this process."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from typhoon._core import Engine
from typhoon.config import TopologyOptions
from typhoon.errors import TopologyFailedError, TyphoonInternalError
from typhoon.metrics import BusyWindow, ComponentStats
from typhoon.topology import ComponentSpec, Executor
from typhoon.worker._errors import ErrorBook
from typhoon.worker._plan import TICK, EnginePlan, Planner
from typhoon.worker._surroundings import Surroundings
from typhoon.worker._worker_hooks import WorkerHooks

logger = logging.getLogger("typhoon.worker")

WATCH_S = 0.5
"""How long the watchdog looks before it sees whether its worker still runs."""
RESTARTS = 5
"""So many restarts in a row, none of which lasted ``LASTING_S``, are enough."""
LASTING_S = 60.0
BACK_OFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)
COUNTED = ("acked", "failed", "timed_out", "busy", "timed", "timed_ns")


class Clock(Protocol):
    """A clock that tests move on; engines under it are told by ``attach``."""

    @property
    def now_ns(self) -> int: ...

    def attach(self, engine: Engine) -> None: ...

    def detach(self, engine: Engine) -> None: ...


class Worker:
    """One worker. ``start`` returns at once; what goes wrong later is in ``failure``.

    When a component asks for it (``on_error = "exit"``), the engine is stopped and, after a pause
    that grows, made anew with new instances, as a worker process would be: what was in flight is
    its source's to replay. Counts go on.
    """

    def __init__(
        self, around: Surroundings, options: TopologyOptions, clock: Clock | None = None
    ) -> None:
        self.around = around
        self.options = options
        self.clock = clock
        self.failure: Exception | None = None
        self.notices: list[str] = []
        self.books = {name: self._book(name) for name in around.spec.components}
        self._hooks = WorkerHooks(around)
        self._executors: Sequence[Executor] = ()
        self._plan: EnginePlan | None = None
        self._engine: Engine | None = None
        self._threads: list[threading.Thread] = []
        self._lines: list[threading.Thread] = []
        self._closing = threading.Event()
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._again = False
        self._active = True
        self._restarts = 0
        self._earlier: dict[str, Counter[Any]] = {}
        self._window = BusyWindow(time.monotonic())
        self._began = time.monotonic()

    def _book(self, component: str) -> ErrorBook:
        options = self.options
        interval, most = options.error_throttle_interval_s, options.max_errors_per_interval
        return ErrorBook(component, interval, most, time.monotonic)

    # Life -------------------------------------------------------------------------------------

    def start(self, executors: Sequence[Executor], *, active: bool) -> None:
        """Begin to run ``executors``. Raises what a custom grouping's ``prepare`` raises, and
        ``TopologyFailedError`` where a worker hook raises."""
        self._executors, self._active = executors, active
        self.around.tasks[:] = sorted(task for one in executors for task in one.tasks)
        self._launch()
        keeper = threading.Thread(target=self._keep, name=self._name("keeper"), daemon=True)
        keeper.start()
        self._threads.append(keeper)

    def close(self, timeout: float = 2.0) -> bool:
        """Stop at once, without draining: every component's ``close`` is called. False if a
        component did not come back from a call within ``timeout`` seconds; its thread is left."""
        self._closing.set()
        engine = self._engine
        if engine is not None:
            engine.stop()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        self.around.close()
        left = [thread.name for thread in self._threads if thread.is_alive()]
        if left:
            logger.warning(
                "still in a call after %.1f s, left behind: %s", timeout, ", ".join(left)
            )
        return not left

    def set_active(self, active: bool) -> None:
        self._active = active
        engine = self._engine
        if engine is not None:
            (engine.activate if active else engine.deactivate)()
            if not active:
                self._hurry(engine)

    def _launch(self) -> None:
        planner = Planner(self.around, self.options, self.books, self._stop)
        plan = planner.plan(self._executors, active=self._active)
        engine = Engine(plan.content, None if self.clock is None else self.clock.now_ns)
        self._hooks.start()
        with self._lock:
            self._plan, self._engine, self._again = plan, engine, False
            self._window = BusyWindow(time.monotonic())
        if self.clock is not None:
            self.clock.attach(engine)
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
            if not self._again or self._closing.is_set() or self.failure is not None:
                break
            self._restarts = 0 if time.monotonic() - began > LASTING_S else self._restarts + 1
            if self._restarts > RESTARTS:
                self.failure = TopologyFailedError(
                    f"the worker ended {self._restarts} times in a row: {self._reason}",
                    hint="mend what it raises, or set on_error to 'fail', 'drop' or 'dead-letter'",
                )
                break
            pause = BACK_OFF_S[min(self._restarts, len(BACK_OFF_S)) - 1]
            logger.warning("worker restarts in %.2f s: %s", pause, self._reason)
            self._remember()
            if self._closing.wait(pause):
                break
            try:
                self._launch()
            except TopologyFailedError as error:  # of a worker hook
                self.failure = error
                break
        self.around.close()
        self._done.set()

    def _remember(self) -> None:
        """Keep the counts of the engine that ended."""
        self._earlier = self._counts()

    # Draining ---------------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """The worker has ended, of itself or because it was closed."""
        return self._done.is_set()

    def is_drained(self) -> bool:
        """Nothing to do now, and no spout has more data: seen twice, with nothing in between."""
        engine = self._engine
        if engine is None or self._again:
            return False
        first = engine.quiet()
        if first is None or engine.quiet() != first:
            return False
        if engine.ended():
            return engine.quiet() == first
        if self._has_no_more_data():
            self._hurry(engine)
        return False

    def is_idle(self) -> bool:
        """No tuple is queued and no tree is pending, whether or not spouts have more data."""
        engine = self._engine
        if engine is None or self._again:
            return False
        first = engine.quiet()
        pending = sum(figures["pending"] for figures in engine.figures())
        if first is not None and pending and not self._active:
            self._hurry(engine)
        return first is not None and pending == 0 and engine.quiet() == first

    def _has_no_more_data(self) -> bool:
        spouts = (
            [one for one in self._plan.executors if one.spec.kind == "spout"] if self._plan else []
        )
        return all(one.shell is not None and one.shell.has_ended for one in spouts)

    def _hurry(self, engine: Engine) -> None:
        """Nothing more will come: batches need not wait for their time."""
        for planned in self._plan.executors if self._plan is not None else ():
            if planned.shell is not None and planned.shell.hurry():
                engine.tick(planned.number)

    def finish(self, timeout: float) -> None:
        """After draining: one last tick for each component that has ticks, then close. That a
        source broke, and its data is not complete, is a failure."""
        engine, plan = self._engine, self._plan
        deadline = time.monotonic() + timeout
        if engine is not None and plan is not None and not self._again and not self.is_done:
            for planned in plan.executors:
                if planned.tick is not None:
                    if planned.shell is not None:
                        planned.shell.hurry()
                    engine.tick(planned.number)
                    while not self.is_idle() and time.monotonic() < deadline and not self.is_done:
                        time.sleep(0.001)
        self.close(max(2.0, deadline - time.monotonic()))
        for planned in () if plan is None else plan.executors:
            if planned.shell is not None:
                self.failure = self.failure or planned.shell.broken

    def pending(self, most: int = 10) -> list[Any]:
        """Names (tup_ids) of pending tuples, the oldest first: what a wait waits for."""
        engine, plan = self._engine, self._plan
        if engine is None or plan is None:
            return []
        spouts = [one.number for one in plan.executors if one.spec.kind == "spout" and one.shell]
        return [name for number in spouts for name in engine.pending(number, 1.0)[:most]][:most]

    # Measuring --------------------------------------------------------------------------------

    def _counts(self) -> dict[str, Counter[Any]]:
        """Per component, since the worker began: the engine's counts and those kept earlier.

        By name; what is counted by stream has a tuple for a name.
        """
        engine, plan = self._engine, self._plan
        counts = {name: Counter(kept) for name, kept in self._earlier.items()}
        if engine is None or plan is None:
            return counts
        for planned, figures in zip(plan.executors, engine.figures(), strict=True):
            mine = counts.setdefault(planned.spec.id, Counter())
            mine.update({key: figures[key] for key in COUNTED})
            if planned.spec.kind == "bolt":
                mine["executed"] += figures["calls"]
            if planned.shell is not None:
                mine["replayed"] += sum(one.replayed for one in planned.shell.handles.values())
                mine.update(planned.shell.counts())
        for number, stream, emitted, transferred in engine.streams():
            mine = counts[plan.executors[number].spec.id]
            mine.update(emitted=emitted, transferred=transferred)
            if emitted or not stream.startswith("__"):
                mine.update({("out", stream, "emitted"): emitted})
                mine.update({("out", stream, "transferred"): transferred})
        for planned, inputs in zip(plan.executors, engine.inputs(), strict=True):
            if planned.spec.kind == "bolt":
                names = (*plan.streams, TICK[:2])
                taken = {("in", *name): n for name, n in zip(names, inputs, strict=True) if n}
                counts[planned.spec.id].update(taken)
        return counts

    def components(self) -> tuple[ComponentStats, ...]:
        """Each component of the topology, spouts first and then down-stream."""
        engine, plan, counts = self._engine, self._plan, self._counts()
        now: dict[str, Counter[str]] = {}
        capacity: dict[str, float] = {}
        if engine is not None and plan is not None:
            every = engine.figures()
            shares = self._window.shares(time.monotonic(), [one["busy"] for one in every])
            for planned, figures, share in zip(plan.executors, every, shares, strict=True):
                name = planned.spec.id
                mine = now.setdefault(name, Counter())
                mine.update(pending=figures["pending"], queued=figures["queued"])
                capacity[name] = max(capacity.get(name, 0.0), share)
        spec = self.around.spec
        return tuple(
            self._component(
                spec.components[name],
                counts.get(name, Counter()),
                now.get(name),
                capacity.get(name, 0.0),
            )
            for name in spec.topological_order()
        )

    def _component(
        self,
        spec: ComponentSpec,
        counts: Counter[Any],
        now: Mapping[str, int] | None,
        capacity: float,
    ) -> ComponentStats:
        book = self.books[spec.id]
        names = ("emitted", "transferred", "executed", "acked", "failed", "timed_out")
        own = ("settled_again", "gave_up")
        return ComponentStats(
            id=spec.id,
            kind=spec.kind,
            executors=spec.executors,
            tasks=spec.tasks,
            pending=(now or {}).get("pending", 0),
            queued=(now or {}).get("queued", 0),
            busy_s=counts["busy"] / 1e9,
            errors=book.count,
            last_error=book.last,
            capacity=round(capacity, 4),
            execute_latency_ms=_mean_ms(counts["busy"], counts["executed"]),
            process_latency_ms=_mean_ms(counts["timed_ns"], counts["timed"]),
            inputs=_nested(counts, "in"),
            outputs=_nested(counts, "out"),
            metrics=self.around.metrics[spec.id].values(),
            **{name: counts[name] for name in (*names, *own)},
        )

    def emitted(self, components: Iterable[str]) -> int:
        """How many tuples ``components`` have emitted together; microseconds, from any thread."""
        engine, plan, wanted = self._engine, self._plan, set(components)
        count = sum(self._earlier.get(name, Counter())["emitted"] for name in wanted)
        if engine is None or plan is None:
            return count
        executors = plan.executors
        streams = engine.streams()
        return count + sum(one[2] for one in streams if executors[one[0]].spec.id in wanted)

    def replayed(self) -> int:
        return sum(counts["replayed"] for counts in self._counts().values())

    def latency_ms(self) -> dict[str, float]:
        """Complete latency of all spouts: p50, p99, p999 and max; empty before the first ack."""
        engine, plan = self._engine, self._plan
        if engine is None or plan is None:
            return {}
        spouts = [one.number for one in plan.executors if one.spec.kind == "spout"]
        found = engine.latency(spouts)
        if found is None:
            return {}
        return {name: found[name] / 1e6 for name in ("p50", "p99", "p999", "max")}

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    # The watchdog -----------------------------------------------------------------------------

    def _watch(self, engine: Engine, plan: EnginePlan) -> None:
        port = self.around.worker_port
        while engine is self._engine and any(line.is_alive() for line in self._lines):
            self._window.look(time.monotonic(), [one["busy"] for one in engine.figures()])
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


def _mean_ms(nanoseconds: int, count: int) -> float | None:
    return nanoseconds / count / 1e6 if count else None


def _nested(counts: Mapping[Any, int], kind: str) -> dict[str, dict[str, int]]:
    """(kind, a, b) → count, as a → b → count."""
    found: dict[str, dict[str, int]] = {}
    for name, count in counts.items():
        if isinstance(name, tuple) and name[0] == kind:
            found.setdefault(name[1], {})[name[2]] = count
    return found
