"""``complete_topology``: one topology to its end, with data of the test's own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

from typhoon.errors import InvalidTopologyError, TopologyFailedError
from typhoon.local import LocalCluster
from typhoon.metrics import Stats
from typhoon.testing._capture import Capture
from typhoon.testing._script import Row, ScriptedSpout, read_steps
from typhoon.topology import (
    DEFAULT_STREAM,
    ComponentSpec,
    Grouping,
    Spout,
    Subscription,
    TopologySpec,
    Tuple,
    topology_spec,
)

if TYPE_CHECKING:
    from typhoon.local import LocalTopology
    from typhoon.testing._clock import FakeClock

Sources: TypeAlias = Mapping[Any, Any]
"""A component, or a pair of a component and a stream → rows, or a spout."""

CAPTURE = "__capture"
"""The bolt that takes every stream; no author's component can have this id."""
LOOK_S = 0.002
"""How long a topology under a fake clock is given before its time goes on."""


@dataclass(frozen=True)
class CompletedTopology:
    """What a topology has done. ``acked``, ``failed`` and ``timed_out`` count trees, as ``stats``.

    What was emitted comes as tuples of values, replays included. Values from one task on one
    stream stand in the order of their emits.
    """

    spec: TopologySpec
    stats: Stats
    sources: Mapping[str, Any]
    """The spouts that stood in for the topology's own: a ``ScriptedSpout`` knows in ``acked`` and
    ``failed`` which rows ended how."""
    captured: Mapping[tuple[str, str], list[Tuple]]

    @property
    def acked(self) -> int:
        return self.stats.acked

    @property
    def failed(self) -> int:
        return self.stats.failed

    @property
    def timed_out(self) -> int:
        return self.stats.timed_out

    def __getitem__(self, component: str) -> list[tuple[Any, ...]]:
        """What ``component`` emitted on its default stream; empty if it has none."""
        if DEFAULT_STREAM not in self._component(component).streams:
            return []
        return self.stream(component, DEFAULT_STREAM)

    # Without this, Python would take __getitem__ for a sequence's and iterate for ever.
    __iter__ = None

    def stream(self, component: str, stream: str) -> list[tuple[Any, ...]]:
        """What ``component`` emitted on ``stream``, which may be ``__dead_letter``.

        Raises ``KeyError`` for one that does not exist, ``ValueError`` for a direct stream.
        """
        return [tup.values for tup in self.tuples(component, stream)]

    def tuples(self, component: str, stream: str = DEFAULT_STREAM) -> list[Tuple]:
        """As ``stream``, but the tuples themselves: with fields, task and id."""
        streams = self._component(component).streams
        if stream not in streams:
            raise KeyError(f"{component!r} has no stream {stream!r}, but {list(streams)}")
        if streams[stream].direct:
            raise ValueError(
                f"stream {stream!r} of {component!r} is direct: only the task that an emit names "
                "gets it\nhint: let a Capture bolt take it by Grouping.DIRECT"
            )
        return self.captured.get((component, stream), [])

    def emitted(self, component: str) -> dict[str, list[tuple[Any, ...]]]:
        """All that ``component`` emitted, by stream; streams without tuples are left out."""
        self._component(component)
        return {
            stream: [tup.values for tup in tuples]
            for (source, stream), tuples in self.captured.items()
            if source == component
        }

    def _component(self, component: str) -> ComponentSpec:
        spec = self.spec.components.get(component)
        if spec is None:
            raise KeyError(f"there is no component {component!r}, but {list(self.spec.components)}")
        return spec


def complete_topology(
    topology: Any,
    mock_sources: Sources | None = None,
    config: Mapping[str, Any] | None = None,
    timeout: float = 30.0,
    *,
    clock: FakeClock | None = None,
) -> CompletedTopology:
    """Run ``topology`` in this process until it has drained, and return what it did.

    ``mock_sources`` gives spouts other data: their id → rows (or the steps of a script, with
    ``PAUSE``, ``EOF``, ``ABORT``), or a pair of id and stream → rows of that stream, or a spout, as
    a class or an instance. Rows are tracked and not replayed. A spout of the topology that is not
    named there runs as it is, and must end by itself.

    Under a ``FakeClock`` time goes on by itself whenever the topology is at rest: time-outs, ticks
    and ``PAUSE(seconds)`` cost hardly any waiting.

    Raises ``InvalidTopologyError`` with every mistake, also those in ``mock_sources``;
    ``TimeoutError`` after ``timeout`` seconds of real time, with what it waited for;
    ``TopologyFailedError`` when a component could not start, or a script says ``ABORT``.
    """
    spec = topology_spec(topology, config=config)
    mocks = _spouts(spec, mock_sources or {})
    capture = Capture()
    whole = _with_capture(_on_clock(_with_spouts(spec, mocks), clock), capture)
    with LocalCluster(clock=clock) as cluster:
        running = cluster.submit(spec.name or "topology", whole, config)
        _run_to_its_end(running, clock, timeout)
        stats = running.stats()
    return CompletedTopology(
        spec, _without_capture(stats), mocks, _by_stream(capture.tuples, spec.components)
    )


# The topology that is really run -------------------------------------------------------------


def _spouts(spec: TopologySpec, sources: Sources) -> dict[str, Any]:
    """The spouts that stand in, by component."""
    mistakes: list[str] = []
    spouts: dict[str, Any] = {}
    rows: dict[str, list[Any]] = {}
    for key, source in sources.items():
        name, stream = (key, None) if isinstance(key, str) else key
        mistake = _misplaced(spec, name, stream)
        if mistake is not None:
            mistakes.append(mistake)
        elif _is_spout(source):
            spouts[name] = source
        else:
            rows.setdefault(name, []).extend(_steps(spec, name, stream, source, mistakes))
    if mistakes:
        raise InvalidTopologyError(mistakes, "the topology with these mock_sources")
    return {**spouts, **{name: ScriptedSpout(script) for name, script in rows.items()}}


def _misplaced(spec: TopologySpec, name: str, stream: str | None) -> str | None:
    """What is wrong with giving ``stream`` of ``name`` other data, if anything is."""
    component = spec.components.get(name)
    if component is None:
        near = get_close_matches(str(name), spec.components, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {_ids(spec.spouts)}"
        return f"mock_sources names {name!r}, which is not in the topology\nhint: {hint}"
    if component.kind != "spout":
        return (
            f"mock_sources names {name!r}, which is a bolt\n"
            f"hint: only spouts are given other data, here {_ids(spec.spouts)}"
        )
    if stream is not None and stream not in component.outputs:
        streams = list(component.outputs)
        return f"mock_sources names stream {stream!r} of {name!r}\nhint: it has {streams}"
    return None


def _ids(components: Iterable[ComponentSpec]) -> list[str]:
    return [component.id for component in components]


def _is_spout(source: Any) -> bool:
    return isinstance(source, Spout) or (isinstance(source, type) and issubclass(source, Spout))


def _steps(
    spec: TopologySpec, name: str, stream: str | None, source: Any, mistakes: list[str]
) -> list[Any]:
    """The steps of ``source``, checked against what ``name`` declares to emit."""
    try:
        steps = read_steps(source)
    except TypeError as error:
        mistakes.append(f"mock_sources of {name!r}: {error}")
        return []
    own = [
        replace(one, stream=stream or one.stream) if isinstance(one, Row) else one for one in steps
    ]
    outputs = spec.components[name].outputs
    for place, row in enumerate(own):
        if not isinstance(row, Row):
            continue
        fields = outputs[row.stream].fields if row.stream in outputs else None
        where = f"mock_sources of {name!r}: row {place}, {row.values!r}"
        if fields is None:
            mistakes.append(f"{where}, is for stream {row.stream!r}\nhint: it has {list(outputs)}")
        elif isinstance(row.values, list | tuple) and len(row.values) != len(fields):
            mistakes.append(
                f"{where}, has {len(row.values)} values\nhint: its fields are {list(fields)}"
            )
    return own


def _with_spouts(spec: TopologySpec, spouts: Mapping[str, Any]) -> TopologySpec:
    components = dict(spec.components)
    for name, spout in spouts.items():
        components[name] = replace(
            components[name],
            component=spout,
            threaded=spout.threaded,
            on_error=spout.on_error,
            native=None,
            native_args={},
        )
    return replace(spec, components=components)


def _on_clock(spec: TopologySpec, clock: FakeClock | None) -> TopologySpec:
    """``spec`` whose scripts begin anew, and go by ``clock`` unless they have one of their own."""
    components = dict(spec.components)
    for name, component in spec.components.items():
        if isinstance(component.component, ScriptedSpout):
            spout = component.component.for_run(clock)
            components[name] = replace(component, component=spout)
    return replace(spec, components=components)


def _with_capture(spec: TopologySpec, capture: Capture) -> TopologySpec:
    """``spec`` with a bolt that takes all of every stream.

    It is added after the topology was checked, since authors may not use such an id. A direct
    stream reaches the task that its emitter names and nobody else, so it is left out.
    """
    inputs = tuple(
        Subscription(component.id, name, Grouping.GLOBAL)
        for component in spec.components.values()
        for name, stream in component.streams.items()
        if not stream.direct
    )
    bolt = ComponentSpec(id=CAPTURE, kind="bolt", component=capture, inputs=inputs)
    return replace(spec, components={**spec.components, CAPTURE: bolt})


def _without_capture(stats: Stats) -> Stats:
    """The topology's own figures. What was sent to the capture stays in ``transferred``."""
    return replace(
        stats,
        emitted={name: count for name, count in stats.emitted.items() if name != CAPTURE},
        executed={name: count for name, count in stats.executed.items() if name != CAPTURE},
        components=tuple(one for one in stats.components if one.id != CAPTURE),
    )


def _by_stream(tuples: Iterable[Tuple], order: Iterable[str]) -> dict[tuple[str, str], list[Tuple]]:
    found: dict[tuple[str, str], list[Tuple]] = {}
    for tup in tuples:
        found.setdefault((tup.component, tup.stream), []).append(tup)
    rank = {component: place for place, component in enumerate(order)}
    return dict(sorted(found.items(), key=lambda item: rank[item[0][0]]))


# Its run -------------------------------------------------------------------------------------


def _run_to_its_end(running: LocalTopology, clock: FakeClock | None, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    try:
        if clock is not None:
            _let_time_pass(running, clock, deadline)
        running.wait_until_drained(max(0.0, deadline - time.monotonic()))
    except TimeoutError as error:
        raise TimeoutError(_late(running, timeout)) from error
    except TopologyFailedError as error:
        for one in running.spec.spouts:
            spout = one.component
            if isinstance(spout, ScriptedSpout) and spout.script.aborted is not None:
                raise TopologyFailedError(spout.script.aborted) from error
        raise


def _let_time_pass(running: LocalTopology, clock: FakeClock, deadline: float) -> None:
    while not running.wait(LOOK_S):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        clock.advance(1.0, timeout=left)


def _late(running: LocalTopology, timeout: float) -> str:
    """What a topology that has not drained waits for."""
    rows = [one for one in running.stats().components if one.id != CAPTURE]
    reasons = [f"{one.pending} trees of '{one.id}' are pending" for one in rows if one.pending]
    reasons += [f"{one.queued} tuples wait for {one.kind} '{one.id}'" for one in rows if one.queued]
    names = running.oldest_pending()
    if names:
        reasons.append(f"the oldest tup_ids are {names}")
    spouts = [one for one in running.spec.spouts if not _has_ended(one)]
    if spouts:
        reasons.append(f"these spouts have not ended: {_ids(spouts)}")
    own = [one for one in spouts if not isinstance(one.component, ScriptedSpout)]
    hint = "give its data by mock_sources, or raise StopIteration" if own else None
    waits = "; ".join(reasons) or "a component is in a call that does not return"
    words = f"'{running.name}' has not drained in {timeout:g} s: {waits}"
    return f"{words}\nhint: {hint}" if hint else words


def _has_ended(spout: ComponentSpec) -> bool:
    """Whether it is known that a spout has no more data."""
    component = spout.component
    return isinstance(component, ScriptedSpout) and len(component.script.ended) == spout.tasks
