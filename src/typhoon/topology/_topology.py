"""``Topology``: a class whose attributes are the components."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from typhoon.topology._declaration import Blueprint, Declaration


class Topology:
    """A graph of spouts and bolts, written as a class.

        class WordCount(Topology):
            config = {"topology.workers": 2}
            lines = Lines.spec()
            split = Split.spec(inputs=[lines], par=2)
            count = Count.spec(inputs={split: Grouping.fields("word")}, par=2)

    Each attribute that ``spec()`` made is a component, named after its attribute unless it has a
    ``name``. ``config`` is configuration for the whole topology. A subclass has the components of
    its bases, replaces those that it assigns anew (also for the bolts that take from them) and
    drops those that it sets to None. An object may add components in ``__init__``.
    """

    config: Mapping[str, Any] = {}


def read_topology(topology: type[Topology] | Topology) -> Blueprint:
    """What a topology class or object declares, in order: what it inherits first.

    A function, not a method: an attribute of a topology is the name of a component.
    """
    cls = topology if isinstance(topology, type) else type(topology)
    spaces: list[Mapping[str, Any]] = [vars(base) for base in reversed(cls.__mro__)]
    if topology is not cls:
        spaces.append(vars(topology))
    return _read(cls.__name__, topology.config, spaces)


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
