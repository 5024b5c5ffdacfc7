"""``WorkerGroup``: the workers of a topology as processes of this machine, supervised from here."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from typhoon.errors import TopologyFailedError
from typhoon.local._crew import STOP_S, Crew
from typhoon.local._member import Member
from typhoon.local._origin import NOWHERE, Origin
from typhoon.local._placement import place
from typhoon.metrics import ProcessFigures, WorkerReport, WorkerStats, merged
from typhoon.topology import ComponentSpec, TopologySpec, assign_tasks
from typhoon.worker import Draining, Layout, Progress, nothing_happens

NO_PROCESS = ProcessFigures(0, 0.0, 0.0, 0)


class WorkerGroup(Draining):
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
    ) -> None:
        self.topology_id = topology_id
        self.spec = spec
        self._start_timeout_s = float(conf["supervisor.worker.start.timeout.secs"])
        self._crew = Crew(topology_id, spec, conf, layout, first_port, origin)
        self._began = time.monotonic()
        self._last_look: dict[int, Progress] = {}

    # Life -------------------------------------------------------------------------------------

    def start(self, *, active: bool) -> None:
        """Start every worker's process; the topology begins when all are connected."""
        self._crew.active = active
        try:
            self._crew.start()
        except BaseException:
            self._crew.close()
            raise

    def close(self, timeout: float = STOP_S) -> bool:
        self._crew.close(timeout)
        return True

    def wait_until_running(self, timeout: float) -> bool:
        """Whether all workers run, in time."""
        return self._crew.wait_until_running(timeout)

    @property
    def failure(self) -> Exception | None:
        """Why it cannot run any more, if it cannot."""
        return self._crew.failure

    @property
    def is_active(self) -> bool:
        return self._crew.active

    def set_active(self, active: bool) -> None:
        self._crew.active = active
        self._crew.tell_all("active", active)

    @property
    def is_done(self) -> bool:
        return self._crew.done.is_set()

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
        self._crew.tell_all("give_up")

    def rebalance(self, spec: TopologySpec, workers: int | None) -> list[str]:
        """Deal the executors of ``spec`` out anew, spouts at rest. Workers that keep theirs run on;
        those that have a spout with something to replay keep theirs whatever was asked for, and
        are named in what is returned."""
        plan = assign_tasks(spec)
        unsettled = self._crew.ask_all("unsettled")
        frozen = frozenset(index for index, found in unsettled.items() if found)
        number = self.workers if workers is None else workers
        ports = [member.port for member in self._crew.members]
        layout = place(self.topology_id, plan, ports, number, self._crew.layout, frozen)
        self._crew.move(layout, spec)
        self.spec = spec
        if not self._crew.wait_until_running(self._start_timeout_s):
            raise self.failure or TopologyFailedError(
                f"not all workers run again {self._start_timeout_s:g} s after a rebalance",
                hint="logs of its workers tell more; those that hang are started anew",
            )
        return [
            f"worker {self._crew.members[index].port} stays as it is: spout tasks "
            f"{unsettled[index]} have tuples that are pending or to be replayed"
            for index in sorted(frozen)
        ]

    # Draining ---------------------------------------------------------------------------------

    def look(self) -> list[Progress] | None:
        found = self._crew.ask_all("progress")
        now = {index: one for index, one in found.items() if isinstance(one, Progress)}
        before, self._last_look = self._last_look, now
        if len(now) < len(found) or not nothing_happens(before, now) or not self._crew.is_silent:
            return None
        return list(now.values())

    def hurry(self) -> None:
        self._crew.tell_all("hurry")

    def ticking(self) -> list[str]:
        return [
            name for name in self.spec.topological_order() if _ticks(self.spec.components[name])
        ]

    def tick(self, component: str) -> None:
        self._crew.tell_all("tick", component)

    def pending(self, most: int = 10) -> list[Any]:
        """Names (tup_ids) of pending tuples: what a wait waits for."""
        found = self._crew.ask_all("pending", most)
        return [name for names in found.values() for name in names or ()][:most]

    # Measuring --------------------------------------------------------------------------------

    @property
    def workers(self) -> int:
        return len(self._crew.wanted)

    @property
    def notices(self) -> list[str]:
        asked = self._crew.ask_all("notices")
        told = [notice for member in self._crew.members for notice in member.notices]
        return told + [notice for found in asked.values() for notice in found or ()]

    def report(self) -> WorkerReport:
        """All figures, those of workers that died as of their last report."""
        if not self._crew.closing:
            for index, found in self._crew.ask_all("report").items():
                if isinstance(found, WorkerReport) and self._crew.members[index].running:
                    self._crew.members[index].reported(found)
        return merged(
            report for member in self._crew.members for report in (*member.past, member.report)
        )

    def emitted(self, components: Iterable[str]) -> int:
        return self.report().emitted(components)

    def processes(self) -> tuple[WorkerStats, ...]:
        """Every worker's process, as of its last report."""
        return tuple(self._process(member) for member in self._crew.wanted)

    def _process(self, member: Member) -> WorkerStats:
        figures = member.figures or NO_PROCESS
        executors = self._crew.layout.executors[member.index]
        return WorkerStats(
            port=member.port,
            pid=member.report.process.pid if member.report.process is not None else None,
            starts=member.starts,
            seconds=round(figures.seconds, 3),
            cpu_s=round(figures.cpu_s, 3),
            rss_mb=round(figures.rss_bytes / 1e6, 1),
            components=tuple(dict.fromkeys(one.component for one in executors)),
        )


def _ticks(spec: ComponentSpec) -> bool:
    return spec.kind == "bolt" and spec.native is None
