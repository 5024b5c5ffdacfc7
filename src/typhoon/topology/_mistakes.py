"""Collects what is wrong with a topology, in words that name the thing and what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from typhoon.errors import InvalidTopologyError


class Mistakes:
    """All mistakes found so far; nothing is raised before everything has been looked at."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, mistake: str, hint: str | None = None) -> None:
        """Note a mistake and, if it can be guessed, the next step."""
        text = mistake if hint is None else f"{mistake}\nhint: {hint}"
        if text not in self._found:
            self._found.append(text)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def raise_any(self, topology: str | None) -> None:
        """Raise one ``InvalidTopologyError`` with all of them, if there are any."""
        if self._found:
            subject = "the topology" if topology is None else f"the topology {topology!r}"
            raise InvalidTopologyError(self._found, subject)


def did_you_mean(value: object, known: Iterable[str]) -> str | None:
    """A hint that names the known word nearest to ``value``, if one is near."""
    near = get_close_matches(value, list(known), n=1) if isinstance(value, str) else []
    return f"did you mean {near[0]!r}?" if near else None
