"""``TopologyBuilder``: Storm's way of writing, for those who build in a loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from typhoon.topology._declaration import Blueprint, Declaration, Input
from typhoon.topology._stream import DEFAULT_STREAM, Grouping

if TYPE_CHECKING:
    from typhoon.topology._spec import ComponentKind


class TopologyBuilder:
    """Collects components by id; stands wherever a topology is expected.

        builder = TopologyBuilder("word-count")
        builder.set_spout("lines", Lines)
        builder.set_bolt("split", Split(), 2).shuffle_grouping("lines")

    A component is a class, or an instance, which keeps its constructor arguments: each task gets a
    deep copy of it. Nothing is checked before ``topology_spec`` is given the builder.
    """

    def __init__(self, name: str | None = None, config: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.config: Mapping[str, Any] = {} if config is None else config
        self._declarations: list[tuple[Any, Declaration]] = []
        self._worker_hooks: list[Any] = []

    def set_spout(
        self,
        id: str,  # noqa: A002 - the name is a promise
        component: Any,
        parallelism: int = 1,
    ) -> SpoutDeclarer:
        """Add a spout; ``parallelism`` is its number of executors."""
        return SpoutDeclarer(self._add("spout", id, component, parallelism))

    def set_bolt(
        self,
        id: str,  # noqa: A002 - the name is a promise
        component: Any,
        parallelism: int = 1,
    ) -> BoltDeclarer:
        """Add a bolt; the declarer that comes back says what it takes in."""
        return BoltDeclarer(self._add("bolt", id, component, parallelism))

    def add_worker_hook(self, hook: Any) -> None:
        """Have each worker start and shut down ``hook``, a ``WorkerHook`` class or instance."""
        self._worker_hooks.append(hook)

    def blueprint(self) -> Blueprint:
        """What was declared so far."""
        ids = {declaration: name for name, declaration in self._declarations}
        declarations = list(self._declarations)
        return Blueprint(self.name, self.config, declarations, ids, tuple(self._worker_hooks))

    def _add(self, kind: ComponentKind, name: Any, component: Any, parallelism: Any) -> Declaration:
        declaration = Declaration(kind, component, name=name, par=parallelism)
        self._declarations.append((name, declaration))
        return declaration


class SpoutDeclarer:
    """Says more about a component that was just added. All methods return the declarer."""

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration

    def set_num_tasks(self, tasks: int) -> Self:
        """How many tasks the component has for life; default: its parallelism."""
        self._declaration.tasks = tasks
        return self

    def set_config(self, config: Mapping[str, Any]) -> Self:
        """Configuration of this component alone, over what its class says; adds up."""
        self._declaration.config = {**(self._declaration.config or {}), **config}
        return self


class BoltDeclarer(SpoutDeclarer):
    """Says what a bolt takes in: each method adds one subscription and returns the declarer.

    ``component`` is the id of the component that emits, ``stream`` which of its streams.
    """

    def grouping(self, component: str, grouping: Grouping, stream: str = DEFAULT_STREAM) -> Self:
        """Take ``stream`` of ``component``, shared out by ``grouping``."""
        inputs = self._declaration.inputs or ()
        self._declaration.inputs = (*inputs, Input(component, stream, grouping))
        return self

    def shuffle_grouping(self, component: str, stream: str = DEFAULT_STREAM) -> Self:
        """Each task gets an equal share."""
        return self.grouping(component, Grouping.SHUFFLE, stream)

    def local_or_shuffle_grouping(self, component: str, stream: str = DEFAULT_STREAM) -> Self:
        """As shuffle, among the tasks of the same worker if there are any."""
        return self.grouping(component, Grouping.LOCAL_OR_SHUFFLE, stream)

    def fields_grouping(
        self, component: str, fields: Iterable[str], stream: str = DEFAULT_STREAM
    ) -> Self:
        """Equal values of ``fields`` go to the same task."""
        return self.grouping(component, Grouping.fields(*_names(fields)), stream)

    def partial_key_grouping(
        self, component: str, fields: Iterable[str], stream: str = DEFAULT_STREAM
    ) -> Self:
        """Equal values of ``fields`` go to one of the same two tasks."""
        return self.grouping(component, Grouping.partial_key(*_names(fields)), stream)

    def all_grouping(self, component: str, stream: str = DEFAULT_STREAM) -> Self:
        """Every task gets a copy."""
        return self.grouping(component, Grouping.ALL, stream)

    def global_grouping(self, component: str, stream: str = DEFAULT_STREAM) -> Self:
        """The task with the lowest id gets all."""
        return self.grouping(component, Grouping.GLOBAL, stream)

    def none_grouping(self, component: str, stream: str = DEFAULT_STREAM) -> Self:
        """A random task each time."""
        return self.grouping(component, Grouping.NONE, stream)

    def direct_grouping(self, component: str, stream: str = DEFAULT_STREAM) -> Self:
        """The emitter names the task; the stream must be declared direct."""
        return self.grouping(component, Grouping.DIRECT, stream)

    def custom_grouping(self, component: str, object: Any, stream: str = DEFAULT_STREAM) -> Self:  # noqa: A002 - the name is a promise
        """``object.choose_tasks(source_task, values)`` names the tasks."""
        return self.grouping(component, Grouping.custom(object), stream)


def _names(fields: Iterable[str]) -> tuple[str, ...]:
    """One name may stand for a list of one: nothing else could be meant."""
    return (fields,) if isinstance(fields, str) else tuple(fields)
