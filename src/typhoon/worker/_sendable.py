"""Values of people's own, for another process to look at, or to be named in words."""

from __future__ import annotations

import pickle
from typing import Any

PLAIN = frozenset({bool, int, float, str, bytes, type(None)})


def sendable(value: Any) -> Any:
    """``value`` if it can be pickled and unpickled, else its ``repr``. Never raises."""
    if type(value) in PLAIN:
        return value
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:
        return shown(value)
    return value


def shown(value: Any) -> str:
    """Its ``repr``. Never raises."""
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__}: {type(error).__name__} in its repr()>"
