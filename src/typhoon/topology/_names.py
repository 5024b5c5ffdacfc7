"""What a topology may be called: its name stands in ids, paths, logs and addresses."""

from __future__ import annotations

from typing import Any

from typhoon.errors import InvalidTopologyError

MOST = 200
REFUSED = '/\\:*?"<>|'


def check_name(name: Any) -> None:
    """Raise ``InvalidTopologyError`` if no topology can run under ``name``."""
    why = _refusal(name)
    if why is not None:
        mistake = f"a topology cannot be called {name!r}: {why}"
        raise InvalidTopologyError(
            [f"{mistake}\nhint: a name is a word or two, as in 'word-count'"]
        )


def _refusal(name: Any) -> str | None:
    if not isinstance(name, str):
        return "a name is text"
    if not name.strip():
        return "it is empty"
    if name != name.strip():
        return "it begins or ends with a blank"
    if name.startswith("__"):
        return "names that begin with '__' are typhoon's own"
    if len(name) > MOST:
        return f"it is longer than {MOST} characters"
    if odd := [one for one in name if one in REFUSED or not one.isprintable()]:
        return f"it has {odd[0]!r} in it"
    return None
