"""Puts layers of configuration on top of each other, and says what is odd about them.

Storm's precedence, from the weakest: defaults, ``typhoon.yaml``, the topology's own ``config``,
what a component's class says of itself, what its declaration says over that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from typhoon.config._key import Key
from typhoon.config._registry import REGISTRY, defaults, is_ours, nearest
from typhoon.errors import InvalidConfigError

PAGE = "docs/reference/config.md"
"""Where each key is told of."""


class CheckedConf(NamedTuple):
    """``values`` has every key, each in its own unit; ``warnings`` are sentences for the log."""

    values: dict[str, Any]
    warnings: tuple[str, ...]


def topology_conf(*layers: Mapping[str, Any] | None, strict: bool = False) -> CheckedConf:
    """The configuration of a topology: the defaults with ``layers`` over them, the last on top.

    Raises one ``InvalidConfigError`` for all refused values; with ``strict``, for unknown keys
    too.
    """
    given = _flatten(layers)
    checked = check(given, strict=strict)
    values = {**defaults(), **checked.values}
    _refuse_contradictions(values)
    return CheckedConf(values, checked.warnings)


def _refuse_contradictions(values: Mapping[str, Any]) -> None:
    """Values that each may be, and not together."""
    beats, silent = "worker.heartbeat.frequency.secs", "supervisor.worker.timeout.secs"
    if values[beats] >= values[silent]:
        raise InvalidConfigError(
            f"{beats} is {values[beats]:g} and {silent} is {values[silent]:g}: every worker would "
            f"be killed as silent between two heartbeats\n"
            f"hint: let {silent} be several times {beats}"
        )


def component_conf(
    topology: Mapping[str, Any],
    component: Mapping[str, Any],
    who: str = "a component",
    *,
    strict: bool = False,
) -> CheckedConf:
    """What a component's tasks see: the checked ``topology`` with ``component`` over it.

    Storm lets a component override a few of its keys only, and drops the others without a word;
    here they are dropped with a warning. Keys of the user's own all pass.
    """
    checked = check(component, who, strict=strict)
    values, warnings = dict(topology), list(checked.warnings)
    for name, value in checked.values.items():
        key = REGISTRY.get(name)
        if key is not None and not key.per_component:
            warnings.append(f"{who}: {name} has no effect on one component; set it on the topology")
            continue
        values[name] = value
    return CheckedConf(values, tuple(warnings))


def check(
    given: Mapping[Any, Any], where: str | None = None, *, strict: bool = False
) -> CheckedConf:
    """``given`` with each known value read by its key's kind, and what is odd about it."""
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    warnings: list[str] = []
    prefix = f"{where}: " if where else ""
    for name, value in given.items():
        if not isinstance(name, str):
            mistakes.append(f"{prefix}a key must be text, not {name!r}\nhint: put it in quotes")
            continue
        try:
            values[name] = read_value(name, value)
        except ValueError as error:
            mistakes.append(f"{prefix}{error}\nhint: {PAGE} has every key and what it takes")
        for oddity, hint in _oddities(name, value):
            if strict and name not in REGISTRY:
                mistakes.append(f"{prefix}{oddity}\nhint: {hint}")
            else:
                warnings.append(f"{prefix}{oddity}; {hint}" if hint else f"{prefix}{oddity}")
    if mistakes:
        raise InvalidConfigError(mistakes)
    return CheckedConf(values, tuple(warnings))


def read_value(name: str, value: Any) -> Any:
    """``value`` in the unit of key ``name``; unchanged for a key that the registry has not."""
    key = REGISTRY.get(name)
    if key is None:
        return value
    try:
        return key.kind.read(value)
    except ValueError as error:
        raise ValueError(f"{name} is {value!r}: it must be {error}") from None


def _oddities(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """What is odd about a key and its value, and what may have been meant."""
    key: Key | None = REGISTRY.get(name)
    if key is not None:
        if not key.has_effect and value != key.default:
            yield f"{name} is {key.effect}", ""
    elif is_ours(name):
        yield f"{name} is not a known key", nearest(name)
    elif isinstance(value, Mapping) and (inner := _nested_key(name, value)):
        yield (
            f"{name} is a mapping, and taken for a key of your own",
            f"typhoon's keys are written in one line: {inner}",
        )


def _nested_key(name: str, value: Mapping[Any, Any]) -> str | None:
    """A key of ours that was written as YAML nests them, if ``value`` holds one."""
    for key, inner in value.items():
        full = f"{name}.{key}"
        if full in REGISTRY:
            return full
        if isinstance(inner, Mapping) and (found := _nested_key(full, inner)):
            return found
    return None


def no_mapping(given: Any) -> str:
    """The mistake of whoever gives ``given`` for a configuration."""
    return (
        f"configuration is {given!r}, which is no mapping of keys to values\n"
        'hint: write a dict: {"topology.debug": True}'
    )


def _flatten(layers: tuple[Mapping[str, Any] | None, ...]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        if layer is None:
            continue
        if not isinstance(layer, Mapping):
            raise InvalidConfigError([no_mapping(layer)])
        merged.update(layer)
    return merged
