"""``Topology``: a class whose attributes are the components."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from typhoon.topology._declaration import Blueprint, Declaration
from typhoon.topology._stream import grouping_by

if TYPE_CHECKING:
    from typhoon.topology._spec import ComponentKind


class Topology:
    """A graph of spouts and bolts, written as a class.

        class WordCount(Topology):
            config = {"topology.workers": 2}
            lines = Lines.spec()
            split = Split.spec(inputs=[lines], par=2)
            count = Count.spec(inputs={split: Grouping.fields("word")}, par=2)

    Each attribute that ``spec()`` made is a component, named after its attribute unless it has a
    ``name``. ``config`` is configuration for the whole topology, ``worker_hooks`` a list of
    ``WorkerHook``s that each of its workers starts. A subclass has the components of
    its bases, replaces those that it assigns anew (also for the bolts that take from them) and
    drops those that it sets to None. An object may add components in ``__init__``.
    """

    config: Mapping[str, Any] = {}
    worker_hooks: Iterable[Any] = ()

    @staticmethod
    def chain(
        *components: Any, name: str | None = None, config: Mapping[str, Any] | None = None
    ) -> Topology:
        """A topology in which each component takes the default stream of the one before it.

            word_count = Topology.chain(lines, split, count)

        A component is a decorated function, a Spout or Bolt (class or instance), or what ``spec``
        of one returned without inputs, as in ``split.spec(par=2)``. It is grouped by its ``by`` if
        it has one, else shuffled, and is called like its function or class; one that stands there
        twice needs a ``spec(name=...)``. ``name`` and ``config`` are the topology's. Nothing is
        checked before the topology is.
        """
        return Chain(components, name, {} if config is None else config)


def read_topology(topology: type[Topology] | Topology) -> Blueprint:
    """What a topology class or object declares, in order: what it inherits first.

    A function, not a method: an attribute of a topology is the name of a component.
    """
    cls = topology if isinstance(topology, type) else type(topology)
    spaces: list[Mapping[str, Any]] = [vars(base) for base in reversed(cls.__mro__)]
    if topology is not cls:
        spaces.append(vars(topology))
    blueprint = _read(cls.__name__, topology.config, spaces)
    return blueprint._replace(worker_hooks=topology.worker_hooks)


def _read(name: str, config: Any, spaces: Iterable[Mapping[str, Any]]) -> Blueprint:
    """Collect the declarations of several name spaces, in which later ones hide earlier ones."""
    found: dict[str, Declaration] = {}
    ids: dict[Declaration, Any] = {}
    for space in spaces:
        for attribute, value in space.items():
            if isinstance(value, Declaration):
                found[attribute] = value
                # Also when it is hidden further on: a base's bolt names its input by this object.
                ids.setdefault(value, _id(value, attribute))
            else:
                found.pop(attribute, None)
    declarations = [(_id(value, attribute), value) for attribute, value in found.items()]
    return Blueprint(name, config, declarations, ids)


def _id(declaration: Declaration, attribute: str) -> Any:
    return attribute if declaration.name is None else declaration.name


class Chain(Topology):
    """What ``Topology.chain`` returns."""

    def __init__(
        self, components: Iterable[Any], name: str | None, config: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.config = config
        self._declarations: list[tuple[Any, Declaration]] = []
        before: Declaration | None = None
        for component in components:
            before = _link(component, before)
            self._declarations.append((before.name, before))

    def blueprint(self) -> Blueprint:
        """The components in order, each with the one before it as its input."""
        ids = {declaration: name for name, declaration in self._declarations}
        return Blueprint(self.name, self.config, list(self._declarations), ids)


def _link(given: Any, before: Declaration | None) -> Declaration:
    """The declaration of a component that takes from ``before``, or begins the chain."""
    kind: ComponentKind = "spout" if before is None else "bolt"
    said = given if isinstance(given, Declaration) else Declaration(kind, given)
    component = said.component
    name = said.name or getattr(component, "_component_name", None)
    inputs = said.inputs
    if before is not None and inputs is None:
        by = getattr(said.component_class, "by", None)
        inputs = [before] if by is None else {before: grouping_by(by)}
    return Declaration(
        kind,
        component,
        in_chain=True,
        name=name or getattr(component, "__name__", said.component_class.__name__),
        inputs=inputs,
        par=said.par,
        config=said.config,
        threaded=said.threaded,
        on_error=said.on_error,
        tasks=said.tasks,
    )
