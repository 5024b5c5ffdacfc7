"""What the command line does for those who come with a streamparse project."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typhoon.compat import activate, find_project, globals_assigned, is_used

logger = logging.getLogger("typhoon.compat")


def prepare(file: Path) -> None:
    """Before ``file`` is imported: it may import streamparse, pystorm and its project's ``src``."""
    activate()
    project = find_project(file)
    if project is not None:
        project.put_on_path()


def settings(file: Path, environment: str | None) -> tuple[str | None, dict[str, Any]]:
    """The environment that is meant, and the configuration that ``config.json`` gives it, where
    ``file`` turned out to use streamparse; else ``environment`` and nothing."""
    project = find_project(file) if is_used() else None
    if project is None:
        return environment, {}
    return project.environment(environment), project.options(environment)


def root_of(file: Path) -> Path:
    """The folder of the project that ``file`` belongs to: its own, where there is no other sign."""
    project = find_project(file)
    return file.resolve().parent if project is None else project.root


def warn_about_globals(file: Path) -> None:
    """Name the globals that the imported modules beside ``file`` assign at run time: code written
    for streamparse had a process for each task."""
    if not is_used():
        return
    root = root_of(file)
    for source in sorted(set(_sources(root))):
        for name, function, line in globals_assigned(source):
            logger.warning(
                "%s:%d: %s assigns the global %r, which the tasks of a worker share here; with "
                "streamparse each had its own: make it an attribute of the component",
                source.relative_to(root),
                line,
                function or "the module",
                name,
            )


def _sources(root: Path) -> Iterator[Path]:
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if not name or not name.endswith(".py") or "site-packages" in name:
            continue
        path = Path(name).resolve()
        if path.is_relative_to(root):
            yield path
