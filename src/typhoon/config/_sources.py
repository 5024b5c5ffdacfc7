"""Where configuration comes from besides code: ``typhoon.yaml`` and ``-c key=value``."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from typhoon.errors import InvalidConfigError

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "typhoon.yaml"


def find_file(folder: Path | None) -> Path | None:
    """``typhoon.yaml`` of the current folder, else that of ``folder``; None if there is none."""
    from pathlib import Path

    places = [Path(FILE_NAME), *([] if folder is None else [folder / FILE_NAME])]
    return next((place for place in places if place.is_file()), None)


def load_file(file: Path | None) -> dict[str, Any]:
    """The configuration in ``file``; nothing for None.

    Only the file's form is checked; its keys are when they are merged.
    """
    if file is None:
        return {}
    try:
        content = _yaml(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidConfigError([f"{file}: {error}\nhint: {_advice(error)}"]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        mistake = f"{file}: it must hold a mapping of keys to values"
        raise InvalidConfigError([f"{mistake}\nhint: write lines such as topology.debug: true"])
    return content


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """What a command line's ``-c key=value`` mean; values are YAML, so ``3`` is a number."""
    parsed: dict[str, Any] = {}
    mistakes: list[str] = []
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            mistakes.append(
                f"{assignment!r} is not of the form key=value\nhint: write -c key=value"
            )
            continue
        try:
            parsed[name] = _yaml(value)
        except ValueError as error:
            mistakes.append(f"{name}: {error}\nhint: the value is YAML; quotes make it text")
    if mistakes:
        raise InvalidConfigError(mistakes, "the command line's configuration")
    return parsed


def _advice(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "save it as UTF-8"
    if isinstance(error, OSError):
        return "make it a file that you may read"
    return "it is YAML: one 'key: value' in a line, each key once"


@cache
def _loader() -> Any:
    """YAML's safe loader, which refuses a key that stands there twice: one of its values would be
    lost without a word."""
    import yaml

    class Loader(yaml.SafeLoader):
        """As YAML's own standard asks for."""

    def mapping(loader: Any, node: Any) -> Any:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = loader.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                text = f"the key {key!r} stands there twice"
                raise yaml.constructor.ConstructorError(None, None, text, key_node.start_mark)
            if isinstance(key, Hashable):
                seen.add(key)
        return loader.construct_yaml_map(node)

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    return Loader


def _yaml(text: str) -> Any:
    """``text`` as YAML; what is wrong with it as one line of a ``ValueError``."""
    import yaml  # costs 15 ms, and most processes read no file

    try:
        return yaml.load(text, _loader())
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
