"""Apache Storm's architecture, native in Python: spouts, bolts, and every tuple accounted for.

A topology's author needs the names below and nothing else:

    from typhoon import Bolt, Emit, Grouping, Spout, Topology, bolt, run, spout

The house behind them has one room per concept, and imports flow one way:

    errors      the exception tree
    config      the registry of configuration keys, and the options that the engine reads
    topology    what authors write → one checked, immutable TopologySpec
    components  ready-made spouts and bolts
    metrics     counts, rates and latencies
    worker      a worker from inside: tasks, executors, its links to other workers
    cluster     scheduling and lifecycle decide, purely; the others act on what they decide
    local       LocalCluster and run: a whole cluster inside this process
    cli         the command line
    testing     what topologies are tested with, our own and yours

``_core``, written in Rust, carries the tuples; only topology, metrics, worker and testing touch it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typhoon.errors import (
    AlreadyAliveError,
    AlreadySettledError,
    BackPressureError,
    CodecError,
    CorruptDataError,
    EmitError,
    GroupingKeyError,
    IllegalTransitionError,
    InvalidConfigError,
    InvalidTopologyError,
    NotRunningError,
    TopologyFailedError,
    TopologyFileError,
    TopologyNotAliveError,
    TupleFailedError,
    TyphoonError,
    TyphoonInternalError,
    WouldDeadlockError,
)
from typhoon.topology import (
    AsyncBolt,
    BatchingBolt,
    Bolt,
    Grouping,
    ReliableSpout,
    Spout,
    Stream,
    TicklessBatchingBolt,
    Topology,
    TopologyBuilder,
    Tuple,
    native,
)

if TYPE_CHECKING:
    from typhoon.local import LocalCluster, run
    from typhoon.topology import (
        Emit,
        TaskHook,
        TopologySpec,
        WorkerHook,
        bolt,
        spout,
        topology_spec,
    )
    from typhoon.worker import register_type

__all__ = [
    "AlreadyAliveError",
    "AlreadySettledError",
    "AsyncBolt",
    "BackPressureError",
    "BatchingBolt",
    "Bolt",
    "CodecError",
    "CorruptDataError",
    "Emit",
    "EmitError",
    "Grouping",
    "GroupingKeyError",
    "IllegalTransitionError",
    "InvalidConfigError",
    "InvalidTopologyError",
    "LocalCluster",
    "NotRunningError",
    "ReliableSpout",
    "Spout",
    "Stream",
    "TaskHook",
    "TicklessBatchingBolt",
    "Topology",
    "TopologyBuilder",
    "TopologyFailedError",
    "TopologyFileError",
    "TopologyNotAliveError",
    "TopologySpec",
    "Tuple",
    "TupleFailedError",
    "TyphoonError",
    "TyphoonInternalError",
    "WorkerHook",
    "WouldDeadlockError",
    "bolt",
    "native",
    "register_type",
    "run",
    "spout",
    "topology_spec",
]


LATER = ("Emit", "TaskHook", "TopologySpec", "WorkerHook", "bolt", "spout", "topology_spec")


def __getattr__(name: str) -> Any:
    """Load what checks or runs a topology, or decorates functions, when it is first asked for: who
    only writes classes need not wait for it."""
    if name in ("LocalCluster", "run"):
        import typhoon.local

        return getattr(typhoon.local, name)
    if name in LATER:
        import typhoon.topology

        return getattr(typhoon.topology, name)
    if name == "register_type":
        import typhoon.worker

        return typhoon.worker.register_type
    raise AttributeError(f"module 'typhoon' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
