"""``LocalCluster``: Nimbus' and the Supervisor's decisions, and one worker, in this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from typhoon.cluster.lifecycle import Submit, TopologyState, step
from typhoon.config import topology_conf, topology_options
from typhoon.errors import AlreadyAliveError, InvalidTopologyError, NotRunningError
from typhoon.local._origin import NOWHERE, Origin
from typhoon.local._placement import place
from typhoon.local._serializable import check_serializable
from typhoon.local._topology import LocalTopology
from typhoon.topology import TopologySpec, assign_tasks, check_name, topology_spec
from typhoon.worker import MOST_WORKERS, Clock, Surroundings, Worker, has_handle

if TYPE_CHECKING:
    from typhoon.local._group import WorkerGroup

logger = logging.getLogger("typhoon.local")

FIRST_PORT = 6700


class LocalCluster:
    """A cluster without servers: the same deciders and the same worker as in a real one.

    Leaving the ``with`` block stops what still runs, at once and without draining, within two
    seconds, and calls every ``close()``. Nothing of the host process is changed: no signal
    handler, no interpreter setting. Workers in this process pickle nothing, so closures and module
    globals are shared; ``check_serializable`` says what could not be shipped to a real one.
    ``clock`` is a ``typhoon.testing.FakeClock`` for tests of time-outs and ticks.

    ``processes`` gives each of ``topology.workers`` workers a process of its own, which is started
    anew when it dies, and ends when this one does. What is submitted is pickled then, classes of
    ``__main__`` included; ``origin`` says what else a process must import before it can read it.

    Without a ``with`` block, call ``close``. A topology whose cluster and whose own object nobody
    holds any more, as when a cell of a notebook is run again, ends by itself once it has drained.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        check_serializable: bool = False,
        processes: bool = False,
        origin: Origin | None = None,
    ) -> None:
        if processes and clock is not None:
            raise ValueError("a clock of a test cannot be moved on in other processes")
        self._clock = clock
        self._processes = processes
        self._origin = origin or NOWHERE
        self._check_serializable = check_serializable
        self._topologies: dict[str, LocalTopology] = {}
        self._count = 0
        self._closed = False

    def submit(
        self,
        name: str,
        topology: Any,
        config: Mapping[str, Any] | None = None,
        *,
        strict: bool = False,
        environment: str | None = None,
        active: bool = True,
    ) -> LocalTopology:
        """Check ``topology`` (a Topology class or object, a builder, or a spec) and run it.

        ``config`` goes over the topology's own; ``typhoon.yaml`` is not read. Raises
        ``InvalidTopologyError`` or ``InvalidConfigError`` with every mistake, ``AlreadyAliveError``
        for a name in use, ``NotRunningError`` once the cluster is closed; nothing has started then.
        ``strict`` makes warnings about configuration errors.
        """
        if self._closed:
            raise NotRunningError(
                "the cluster is closed: nothing can be submitted to it any more",
                hint="submit inside its with block, or make another LocalCluster",
            )
        check_name(name)
        alive = self._topologies.get(name)
        if alive is not None and not alive.is_over:
            raise AlreadyAliveError(
                f"a topology named '{name}' is running", hint="choose another name"
            )
        spec = topology_spec(topology, environment, config)
        checked = topology_conf(spec.config, config, strict=strict)
        for warning in checked.warnings:
            logger.warning("%s: %s", name, warning)
        if self._processes:
            _refuse_handles(spec)
        if self._check_serializable:
            check_serializable(spec, {**spec.config, **(config or {})})
        self._count += 1
        topology_id = f"{name}-{self._count}-{int(time.time())}"
        conf = {**checked.values, "topology.name": name}
        running = self._start(name, topology_id, spec, conf, active)
        self._topologies[name] = running
        return running

    def _start(
        self, name: str, topology_id: str, spec: TopologySpec, conf: Mapping[str, Any], active: bool
    ) -> LocalTopology:
        options = topology_options(conf)
        plan = assign_tasks(spec)
        workers = options.workers if self._processes else 1
        ports = range(FIRST_PORT, FIRST_PORT + MOST_WORKERS)
        layout = place(topology_id, plan, ports, workers)
        state = TopologyState(name, options.message_timeout_s)
        state, _ = step(state, Submit(active))
        worker: Worker | WorkerGroup
        if self._processes:
            from typhoon.local._group import WorkerGroup  # costs 30 ms: the supervisor

            worker = WorkerGroup(topology_id, spec, conf, layout, FIRST_PORT, self._origin)
        else:
            if options.workers > 1:
                logger.warning(
                    "%s: topology.workers is %d, but this cluster has one worker, in this process; "
                    "LocalCluster(processes=True) or `typhoon run` starts as many processes",
                    name,
                    options.workers,
                )
            around = Surroundings(spec, plan, topology_id, FIRST_PORT, conf)
            worker = Worker(around, options, self._clock, layout)
        worker.start(active=active)
        return LocalTopology(name, topology_id, conf, worker, state)

    def __getitem__(self, name: str) -> LocalTopology:
        return self._topologies[name]

    def close(self) -> None:
        """Stop everything at once, as leaving the ``with`` block does."""
        self._closed = True
        for running in self._topologies.values():
            running.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _refuse_handles(spec: TopologySpec) -> None:
    """What is put in from this process cannot reach a component in another."""
    mistakes = [
        f"{one.kind} '{one.id}' is fed from this process, and runs in another\n"
        "hint: leave out --workers (and processes=True), or give it a source of its own"
        for one in spec.components.values()
        if has_handle(one)
    ]
    if mistakes:
        raise InvalidTopologyError(mistakes)
