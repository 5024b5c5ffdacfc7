"""Collects what is wrong with a topology, in words that name the thing and what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from typhoon.errors import InvalidTopologyError


class Mistakes:
    """All mistakes found so far; nothing is raised before everything has been looked at."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, mistake: str, hint: str) -> None:
        """Note a mistake and the next step."""
        text = f"{mistake}\nhint: {hint}"
        if text not in self._found:
            self._found.append(text)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def raise_any(self, topology: str | None) -> None:
        """Raise one ``InvalidTopologyError`` with all of them, if there are any."""
        if self._found:
            subject = "the topology" if topology is None else f"the topology {topology!r}"
            raise InvalidTopologyError(self._found, subject)


def did_you_mean(value: object, known: Iterable[str]) -> str:
    """A hint that names the known word nearest to ``value``, or all of them if none is near."""
    words = list(known)
    near = get_close_matches(value, words, n=1) if isinstance(value, str) else []
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there is {', '.join(map(repr, words))}" if words else "there is none"
