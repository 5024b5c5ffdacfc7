"""``Origin``: where a topology comes from, for processes that have to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """What a process does before it can read a pickled topology: it calls functions
    (``module:function``), then imports ``modules`` from files, by name. ``on_tapped`` hears here
    what a component there has told its supervisor."""

    modules: tuple[tuple[str, str], ...] = ()
    before: tuple[str, ...] = ()
    on_tapped: Callable[[str], None] | None = None


NOWHERE = Origin()
