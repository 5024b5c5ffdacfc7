"""A streamparse project: where its sources are, and what its ``config.json`` says."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typhoon.errors import InvalidConfigError

LOG_LEVEL = "pystorm.log.level"


@dataclass(frozen=True)
class Project:
    """``root`` is the folder of ``config.json``; ``environments`` is its ``envs``."""

    root: Path
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def sources(self) -> Path:
        return self.root / "src"

    def put_on_path(self) -> None:
        """Let the project's own modules be imported, as ``sparse`` does."""
        if str(self.sources) not in sys.path:
            sys.path.insert(0, str(self.sources))

    def environment(self, name: str | None) -> str | None:
        """The environment called ``name``; without a name the only one there is, if it is so.

        Raises ``InvalidConfigError`` for a name that ``config.json`` does not have.
        """
        if name is None:
            return next(iter(self.environments)) if len(self.environments) == 1 else None
        if self.environments and name not in self.environments:
            known = ", ".join(self.environments)
            hint = f"it has {known}: --environment {next(iter(self.environments))}"
            raise InvalidConfigError(
                [f"{self.root / 'config.json'} has no environment {name!r}\nhint: {hint}"]
            )
        return name

    def options(self, name: str | None) -> dict[str, Any]:
        """The configuration that the environment gives; a topology's own goes over it."""
        chosen = self.environment(name)
        environment = self.environments.get(chosen, {}) if chosen is not None else {}
        options = dict(_mapping(environment.get("options")))
        level = _mapping(environment.get("log")).get("level")
        if isinstance(level, str):
            options[LOG_LEVEL] = level.lower()
        return options


def find_project(file: Path) -> Project | None:
    """The streamparse project that ``file`` lies in: the nearest folder above it with
    ``config.json``, ``src/`` and the folder of its topologies. None if there is none."""
    for folder in file.resolve().parents:
        config = folder / "config.json"
        if config.is_file() and (folder / "src").is_dir():
            content = _read(config)
            topologies = content.get("topology_specs", "topologies/")
            if isinstance(topologies, str) and (folder / topologies).is_dir():
                environments = _mapping(content.get("envs"))
                return Project(folder, {name: _mapping(one) for name, one in environments.items()})
    return None


def _read(config: Path) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(config.read_text(encoding="utf-8")))
    except ValueError as error:
        if not (config.parent / "topologies").is_dir():
            return {}  # somebody else's file
        mistake = f"{config} is no JSON: {error}\nhint: mend it where the error says"
        raise InvalidConfigError([mistake]) from error


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
