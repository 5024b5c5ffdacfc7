"""What a rebalance or a kill is asked for, refused before anything changes if it cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from typhoon.config import read_value
from typhoon.errors import InvalidTopologyError
from typhoon.topology import TopologySpec


def refuse_wait(wait_secs: Any) -> None:
    """Raises ``InvalidTopologyError`` unless it is a number of seconds, or None."""
    if mistakes := list(_wrong_wait(wait_secs)):
        raise InvalidTopologyError(mistakes)


def rescaled(
    spec: TopologySpec, wait_secs: Any, workers: Any, executors: Mapping[str, int] | None
) -> TopologySpec:
    """``spec`` with so many ``executors`` of the components named; tasks stay as they are, and no
    component has more executors than tasks. Raises ``InvalidTopologyError`` with all mistakes."""
    mistakes = [*_wrong_wait(wait_secs), *_wrong_workers(workers), *_wrong_numbers(spec, executors)]
    if mistakes:
        raise InvalidTopologyError(mistakes)
    wanted = executors or {}
    components = {
        name: replace(one, executors=min(wanted.get(name, one.executors), one.tasks))
        for name, one in spec.components.items()
    }
    return replace(spec, components=components)


def _wrong_wait(wait_secs: Any) -> Iterator[str]:
    if wait_secs is not None and not (_is_number(wait_secs) and wait_secs >= 0):  # NaN is not
        yield (
            f"wait_secs = {wait_secs!r}: it is a number of seconds, or None\n"
            "hint: wait_secs=5; None waits for the message time-out"
        )


def _wrong_workers(workers: Any) -> Iterator[str]:
    try:
        if workers is not None:
            read_value("topology.workers", workers)
    except ValueError as error:
        rule = str(error).partition(": ")[2]
        yield f"workers = {workers!r}: {rule}\nhint: workers=2; None leaves them as they are"


def _wrong_numbers(spec: TopologySpec, executors: Any) -> Iterator[str]:
    if executors is not None and not isinstance(executors, Mapping):
        name = next(iter(spec.components))
        yield (
            f"executors = {executors!r}: it is a mapping of components to numbers\n"
            f"hint: executors={{{name!r}: 2}}"
        )
        return
    for name, count in (executors or {}).items():
        if name not in spec.components:
            yield f"there is no component {name!r}\nhint: there are {', '.join(spec.components)}"
        elif not _is_count(count):
            yield (
                f"executors of {name!r} = {count!r}: a component has at least one, and a whole "
                f"number of them\nhint: executors={{{name!r}: 1}}"
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
