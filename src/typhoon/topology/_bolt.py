"""``Bolt``: what takes tuples in, and may emit others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from typhoon._core import BoltBase
from typhoon.topology._component import Component, class_or_instance
from typhoon.topology._declaration import Declaration

if TYPE_CHECKING:
    from typhoon._core import Tuple
    from typhoon.topology._spec import OnError


class Bolt(Component, BoltBase):
    """Takes tuples in by ``process(tup)``, or many at once by ``process_many(tups)``; write one.

    ``process(self, tup)`` is called for each tuple; ``process_many(self, tups)`` gets a list of
    what is waiting and never waits for more. Both run on the executor's thread. With the defaults
    below, what they emit is anchored to the input, which is acked when they return and failed when
    they raise. What a bolt keeps in its attributes dies with its worker.

    ``process`` may be a coroutine (``async def``): up to ``max_in_flight`` of an executor run at
    once, on the event loop that all such bolts of a worker share; the tuple is acked when the
    coroutine ends, and what it emits is anchored to its own tuple, also from tasks it makes.
    ``initialize``, ``process_tick`` and ``close`` may be coroutines then, too.

    From the engine every bolt has ``emit``, ``emit_many``, ``ack``, ``fail`` and
    ``reset_timeout``. ``cleanup()`` is called after ``close()`` where it is defined.
    """

    __slots__ = ("_reporter",)

    auto_anchor: ClassVar[bool] = True
    """An emit without ``anchors=`` is anchored to the tuple being processed."""
    auto_ack: ClassVar[bool] = True
    """A tuple is acked when ``process`` returns, unless it was settled already."""
    auto_fail: ClassVar[bool] = True
    """A tuple is failed when ``process`` raises; else it stays open until it times out."""
    tick_freq_secs: ClassVar[float | None] = None
    """How often ``process_tick`` is called; None for never."""
    max_in_flight: ClassVar[int] = 100
    """Coroutines: how many inputs an executor works on at once."""
    ordered: ClassVar[bool] = False
    """Coroutines: emits leave, and tuples are acked, in the order of the input."""
    timeout_secs: ClassVar[float | None] = None
    """Coroutines: one that takes longer is cancelled, and its tuple fails; None: no limit."""

    def process_tick(self, tup: Tuple) -> Any:
        """Called every ``tick_freq_secs``, between tuples; the tick itself needs no ack."""

    @class_or_instance
    def spec(
        component: Any,  # noqa: N805 - the class or an instance of it
        name: str | None = None,
        inputs: Any = None,
        par: int | Mapping[str, int] | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        threaded: bool | None = None,
        on_error: OnError | None = None,
        tasks: int | None = None,
    ) -> Declaration:
        """Declare this bolt as a component of a topology.

        ``name`` is the component's id (default: the attribute it is assigned to). ``inputs`` is
        what ``spec`` of another component returned, a list of such, or a dict from such to
        ``Grouping``; without a grouping tuples are shuffled; the id of a component will do where
        there is no spec yet, as in a loop. ``par`` is the number of executors, or one number per
        environment. ``tasks`` (default: ``par``) never changes while the topology lives. Nothing is
        checked before the topology is.
        """
        return Declaration(
            "bolt",
            component,
            name=component._component_name if name is None else name,
            inputs=inputs,
            par=par,
            config=config,
            threaded=threaded,
            on_error=on_error,
            tasks=tasks,
        )


AsyncBolt = Bolt
"""A bolt whose ``process`` is a coroutine needs no class of its own; the name says what it is."""
