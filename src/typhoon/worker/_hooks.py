"""From the names in ``topology.auto.task.hooks`` to classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from typhoon.errors import InvalidConfigError, told

KEY = "topology.auto.task.hooks"


def hook_classes(names: Sequence[str] | None) -> list[Callable[[], Any]]:
    """What each ``module:Class`` names; ``InvalidConfigError`` lists all that are wrong."""
    mistakes: list[str] = []
    found = [_class(name, mistakes) for name in names or ()]
    if mistakes:
        raise InvalidConfigError(mistakes)
    return [one for one in found if one is not None]


def _class(name: str, mistakes: list[str]) -> Callable[[], Any] | None:
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        mistakes.append(f"{KEY}: {name!r} names no class\nhint: write 'module:Class'")
        return None
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except Exception as error:
        mistakes.append(
            f"{KEY}: {name!r} cannot be loaded: {type(error).__name__}: {told(error)}\n"
            "hint: its module must be importable where the topology runs"
        )
        return None
    if not callable(found):
        mistakes.append(f"{KEY}: {name!r} is no class but {found!r}\nhint: name a TaskHook")
        return None
    made: Callable[[], Any] = found
    return made
