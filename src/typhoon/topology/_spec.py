"""What a checked topology is, whichever way it was written: immutable, and safe to ship."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from typhoon.topology import _graph
from typhoon.topology._stream import DEAD_LETTER, Grouping, Stream

ComponentKind: TypeAlias = Literal["spout", "bolt"]
OnError: TypeAlias = Literal["fail", "exit", "drop", "dead-letter"]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One input of a bolt: a stream of a component, and how its tuples are shared out."""

    component: str
    stream: str
    grouping: Grouping


@dataclass(frozen=True, slots=True)
class Coroutines:
    """How a bolt runs whose ``process`` is a coroutine; per executor, times in seconds."""

    max_in_flight: int = 100
    ordered: bool = False
    timeout_secs: float | None = None


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """One spout or bolt of a topology, with everything about it decided.

    ``component`` is a class, of which each task gets an instance by calling it without arguments,
    or an instance, of which each task gets a deep copy. ``native`` is the name of a ready-made
    component of the core, with its parameters in ``native_args``; None means Python.
    ``coroutines`` is set where ``process`` is one. ``executors`` is never more than ``tasks``.
    ``config`` holds what the class says of itself with what the declaration says over it.
    """

    id: str
    kind: ComponentKind
    component: Any
    outputs: Mapping[str, Stream] = field(default_factory=dict)
    inputs: tuple[Subscription, ...] = ()
    executors: int = 1
    tasks: int = 1
    config: Mapping[str, Any] = field(default_factory=dict)
    threaded: bool = False
    on_error: OnError = "fail"
    tick_freq_secs: float | None = None
    native: str | None = None
    native_args: Mapping[str, Any] = field(default_factory=dict)
    coroutines: Coroutines | None = None

    @property
    def streams(self) -> dict[str, Stream]:
        """The declared outputs and ``__dead_letter``: all that can be subscribed to."""
        return {**self.outputs, DEAD_LETTER.name: DEAD_LETTER}


@dataclass(frozen=True, slots=True)
class TopologySpec:
    """A whole topology, checked. ``components`` and ``config`` keep the order of declaration.

    ``name`` is what the author called it; the name it runs under is given when it is submitted.
    ``worker_hooks`` are classes or instances that each worker starts and shuts down.
    """

    name: str | None
    components: Mapping[str, ComponentSpec]
    config: Mapping[str, Any] = field(default_factory=dict)
    worker_hooks: tuple[Any, ...] = ()

    @property
    def spouts(self) -> tuple[ComponentSpec, ...]:
        return tuple(spec for spec in self.components.values() if spec.kind == "spout")

    @property
    def bolts(self) -> tuple[ComponentSpec, ...]:
        return tuple(spec for spec in self.components.values() if spec.kind == "bolt")

    def subscribers(self, component: str) -> Iterator[tuple[str, Subscription]]:
        """Who takes what ``component`` emits: pairs of a bolt's id and its subscription."""
        for bolt in self.components.values():
            for subscription in bolt.inputs:
                if subscription.component == component:
                    yield bolt.id, subscription

    def topological_order(self) -> tuple[str, ...]:
        """Every component id: spouts first, each bolt after all that it takes from.

        The members of a loop stand together in order of declaration.
        """
        return _graph.topological_order(self._graph(), first=(spout.id for spout in self.spouts))

    def cycles(self) -> tuple[frozenset[str], ...]:
        """The loops: sets of components that reach each other, or one that takes from itself."""
        return _graph.loops(self._graph())

    def _graph(self) -> dict[str, list[str]]:
        arrows: dict[str, list[str]] = {component: [] for component in self.components}
        for bolt in self.components.values():
            for subscription in bolt.inputs:
                arrows[subscription.component].append(bolt.id)
        return arrows
