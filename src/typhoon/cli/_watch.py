"""Which files of a project have changed: by their times and sizes, asked again and again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

NOT_OURS = {"__pycache__", "node_modules", "site-packages"}
CONFIG = ("typhoon.yaml",)

Snapshot = dict[str, tuple[int, int]]
"""Path → time of the last change in nanoseconds, and size."""


def snapshot(folder: Path) -> Snapshot:
    """Every ``.py`` file below ``folder``, and its configuration.

    Hidden folders and virtual environments are left out, links to folders not followed.
    """
    return dict(_files(str(folder)))


def changed(before: Snapshot, after: Snapshot) -> list[str]:
    """The paths that were saved, made or removed in between, in order."""
    return sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )


def _files(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # it has gone, or is not ours to read
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                if _is_ours(entry):
                    yield from _files(entry.path)
            elif entry.name.endswith(".py") or entry.name in CONFIG:
                now = entry.stat()
                yield entry.path, (now.st_mtime_ns, now.st_size)
        except OSError:  # it has gone since
            continue


def _is_ours(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name in NOT_OURS:
        return False
    return not os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))  # noqa: PTH110, PTH118 - hot
