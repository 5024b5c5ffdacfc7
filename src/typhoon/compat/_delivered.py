"""From our tuples to theirs and back."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from typhoon.compat.pystorm.component import Tuple
from typhoon.topology import Tuple as Original

NO_IDENTIFIER = re.compile(r"\W|^(?=\d)")


class _Delivered(Tuple):
    """A pystorm Tuple that knows the one it stands for; to everyone else it is a plain one.

    ``settled`` is True once it was acked or failed.
    """

    original: Any = None
    settled = False

    def __reduce__(self) -> Any:
        return Tuple, tuple(self)


_Delivered.__name__ = "Tuple"  # what its repr begins with


def delivered(original: Original) -> Tuple:
    """``original`` as pystorm passes it on."""
    make = _values_type(original.component, original.stream, original.fields)
    tup = _Delivered(
        original.id, original.component, original.stream, original.task, make(original.values)
    )
    tup.original = original
    return tup


def anchor(tup: Any) -> Any:
    """What the engine takes for ``tup``, a Tuple or an id; None for one that is settled already,
    which Storm lets pass as an anchor."""
    if isinstance(tup, _Delivered):
        return None if tup.settled else tup.original
    return tup.id if isinstance(tup, Tuple) else tup


def settles(tup: Any, current: list[Any]) -> Any:
    """Note that ``tup``, a Tuple or an id, is being settled; what the engine takes for it.

    ``current`` are the tuples that may be meant by an id. None if it was settled before.
    """
    if not isinstance(tup, _Delivered):
        tup_id = tup.id if isinstance(tup, Tuple) else tup
        known = [one for one in current if isinstance(one, _Delivered) and one.id == tup_id]
        if not known:
            return tup_id
        tup = known[0]
    if tup.settled:
        return None
    tup.settled = True
    return tup.original


@lru_cache(maxsize=1024)
def _values_type(
    component: str, stream: str, fields: tuple[str, ...]
) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """What makes the ``values`` of a stream: a namedtuple's ``_make``, or ``tuple`` where the
    fields' names are none that Python allows as attributes."""
    make_type: Any = namedtuple
    name = "".join(NO_IDENTIFIER.sub("_", part.title()) for part in (component, stream)) + "Tuple"
    try:
        kind = make_type(name, fields)
    except ValueError:
        return tuple
    made: Callable[[tuple[Any, ...]], tuple[Any, ...]] = kind._make
    return made
