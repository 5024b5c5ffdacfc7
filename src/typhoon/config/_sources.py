"""Where configuration comes from besides code: ``typhoon.yaml`` and ``-c key=value``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from typhoon.errors import InvalidConfigError

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "typhoon.yaml"


def load_file(path: Path | None = None) -> dict[str, Any]:
    """The configuration in ``path``; without one, in ``typhoon.yaml`` here if there is one.

    Only the file's form is checked; its keys are when they are merged.
    """
    from pathlib import Path

    file = Path(FILE_NAME) if path is None else path
    if path is None and not file.is_file():
        return {}
    try:
        content = _yaml(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidConfigError([f"{file}: {error}"]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InvalidConfigError([f"{file}: it must hold a mapping of keys to values"])
    return content


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """What a command line's ``-c key=value`` mean; values are YAML, so ``3`` is a number."""
    parsed: dict[str, Any] = {}
    mistakes: list[str] = []
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            mistakes.append(f"{assignment!r} is not of the form key=value")
            continue
        try:
            parsed[name] = _yaml(value)
        except ValueError as error:
            mistakes.append(f"{name}: {error}")
    if mistakes:
        raise InvalidConfigError(mistakes, "the command line's configuration")
    return parsed


def _yaml(text: str) -> Any:
    """``text`` as YAML; what is wrong with it as one line of a ``ValueError``."""
    import yaml  # costs 15 ms, and most processes read no file

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
