"""What a configuration value may be: each kind reads a value or says what it must be.

A kind's ``read`` gives the value in the key's own unit, so that everything behind it computes with
plain numbers; a wrong value is a ``ValueError`` whose text completes "it must be ...".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from math import isnan
from typing import Any, NamedTuple

SECONDS = {
    "us": 1e-6,
    "ms": 1e-3,
    "millis": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
LONGEST = "10000d"
"""No duration is longer: who means "never" says so, in the way of the key."""
LARGEST = 10**9
"""No whole number is larger: it would be a slip, and the engine counts in 32 bits here and
there."""
MOST_BYTES = 10**15
BYTES = {
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}


class Kind(NamedTuple):
    """``description`` completes "it must be ..."; ``read`` checks and converts."""

    description: str
    read: Callable[[Any], Any]


def kind(description: str, accept: Callable[[Any], bool]) -> Kind:
    """Values for which ``accept`` holds, as they are."""

    def read(value: Any) -> Any:
        if not accept(value):
            raise ValueError(description)
        return value

    return Kind(description, read)


def whole(minimum: int = 0, maximum: int | None = None) -> Kind:
    """A whole number between two bounds, both included, and never above ``LARGEST``."""
    most = "" if maximum is None else f" and at most {maximum}"
    description = f"a whole number of at least {minimum}{most}"

    def read(value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise ValueError(description)
        if value > (LARGEST if maximum is None else maximum):
            raise ValueError(description if maximum else f"a whole number of at most {LARGEST}")
        return value

    return Kind(description, read)


def fraction() -> Kind:
    """A number from 0 to 1."""
    return kind("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)


def number(minimum: int = 0) -> Kind:
    """A number that is not less, and not above ``LARGEST``."""
    description = f"a number of at least {minimum}"

    def read(value: Any) -> Any:
        if not _is_number(value) or value < minimum:
            raise ValueError(description)
        if value > LARGEST:
            raise ValueError(f"a number of at most {LARGEST}")
        return value

    return Kind(description, read)


def choice(*values: str) -> Kind:
    """One of a few words."""
    return kind(" or ".join(map(repr, values)), lambda value: value in values)


def duration(unit: str, least: str = "", *, or_zero: bool = False) -> Kind:
    """A number of ``unit``, a timedelta, or text such as "30s", "5m" or "100ms"; not shorter than
    ``least``, but for 0 if ``or_zero`` says so, and never longer than ``LONGEST``."""
    bound = f" of at least {least}{', or 0' if or_zero else ''}" if least else ""
    description = (
        f"a duration{bound}: a number of {unit}, a timedelta, or text such as '30s', '5m', '100ms'"
    )
    shortest = _measure(least, SECONDS, description) / SECONDS[unit] if least else 0.0
    longest = _measure(LONGEST, SECONDS, description) / SECONDS[unit]

    def read(value: Any) -> Any:
        if _is_number(value):
            found = value
        elif isinstance(value, timedelta):
            found = _plain(value.total_seconds() / SECONDS[unit])
        else:
            found = _plain(_measure(value, SECONDS, description) / SECONDS[unit])
        if found < shortest and not (or_zero and found == 0):
            raise ValueError(description)
        if found > longest:
            raise ValueError(f"a duration of at most {LONGEST}")
        return found

    return Kind(description, read)


def read_duration(value: Any) -> float:
    """``value`` in seconds: a number of them, a timedelta, or text such as "30s" or "5m"."""
    try:
        return float(duration("secs").read(value))
    except ValueError as error:
        raise ValueError(f"{value!r} will not do: it must be {error}") from None


def size(minimum: int = 0) -> Kind:
    """A number of bytes, or text such as "256 MiB"."""
    least = f" of at least {minimum} bytes" if minimum else ""
    description = f"a size{least}: a whole number of bytes, or text such as '64MB', '256MiB'"

    def read(value: Any) -> Any:
        found = int(_measure(value, BYTES, description)) if isinstance(value, str) else value
        if not isinstance(found, int) or isinstance(found, bool) or found < minimum:
            raise ValueError(description)
        if found > MOST_BYTES:
            raise ValueError(f"a size of at most {MOST_BYTES} bytes")
        return found

    return Kind(description, read)


def optional(inner: Kind) -> Kind:
    """As ``inner``, or None."""

    def read(value: Any) -> Any:
        try:
            return None if value is None else inner.read(value)
        except ValueError as error:
            raise ValueError(f"{error}, or null") from None

    return Kind(f"{inner.description}, or null", read)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not isnan(value)


def _plain(value: float) -> int | float:
    """30 rather than 30.0, and without the noise that a division leaves in the last digit."""
    value = round(value, 9)
    return int(value) if value.is_integer() else value


def _measure(text: Any, units: Mapping[str, float], description: str) -> float:
    """The number that a text such as "5m" means, in the unit whose factor is 1."""
    if isinstance(text, str):
        digits = text.strip().rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        factor = units.get(text.strip()[len(digits) :].lower())
        if factor is not None and digits.strip().replace(".", "", 1).isdecimal():
            return float(digits) * factor
    raise ValueError(description)


boolean = kind("true or false", lambda value: isinstance(value, bool))
text = kind("text", lambda value: isinstance(value, str))
texts = kind(
    "a list of texts",
    lambda value: isinstance(value, list | tuple) and all(isinstance(part, str) for part in value),
)
ports = kind(
    "a list of port numbers",
    lambda value: (
        isinstance(value, list | tuple)
        and all(isinstance(port, int) and 0 < port < 65536 for port in value)
    ),
)
port = whole(0, 65535)
mapping = kind("a mapping", lambda value: isinstance(value, Mapping))
anything = kind("anything", lambda value: True)
