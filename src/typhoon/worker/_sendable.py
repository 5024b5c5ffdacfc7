"""``sendable``: values of people's own, for another process to look at."""

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
        return _told(value)
    return value


def _told(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__}: {type(error).__name__} in its repr()>"
