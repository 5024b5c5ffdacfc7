"""What of a topology could not be shipped to a worker in another process."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from typing import Any

from typhoon.errors import InvalidTopologyError, told
from typhoon.topology import TopologySpec


def check_serializable(spec: TopologySpec, conf: Mapping[str, Any]) -> None:
    """Raise ``InvalidTopologyError`` that names each part which cannot be pickled: components,
    custom groupings, and values of the topology's configuration ``conf`` and of components'."""
    mistakes = []
    for what, value in _parts(spec, conf):
        try:
            pickle.dumps(value)
        except Exception as error:
            mistakes.append(
                f"{what} cannot be pickled: {told(error)}\nhint: {_advice(what, error)}"
            )
    if mistakes:
        raise InvalidTopologyError(mistakes)


def _parts(spec: TopologySpec, conf: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for component in spec.components.values():
        who = f"{component.kind} '{component.id}'"
        yield who, component.component
        for one in component.inputs:
            if one.grouping.kind == "custom":
                yield f"{who}: its grouping of '{one.component}'", one.grouping.object
        for key, value in component.config.items():
            yield f"{who}: its configuration {key!r}", value
    for key, value in conf.items():
        yield f"the configuration {key!r}", value


def _advice(what: str, error: Exception) -> str:
    text = told(error)
    if "local object" in text or "attribute lookup" in text or "not the same object" in text:
        return "define it at the top of a module, not inside a function, and by its own name"
    if "grouping" in what:
        return "open locks and connections in prepare(), not in __init__"
    if "configuration" in what:
        return "configuration holds numbers, text, lists and mappings"
    return "open locks, files and connections in initialize(), not in __init__"
