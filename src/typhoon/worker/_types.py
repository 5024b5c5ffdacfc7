"""User types for the codec: what ``typhoon.register_type`` checks before the core believes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from typhoon._core import register_codec_type

__all__ = ["register_type"]

C = TypeVar("C", bound=type)

_LONGEST_NAME = 255


def register_type(
    cls: C,
    encode: Callable[[Any], Any] | None = None,
    decode: Callable[[Any], Any] | None = None,
    name: str | None = None,
) -> C:
    """Let values of ``cls`` travel between workers without pickle. Returns ``cls``, so that it can
    decorate a class.

    A dataclass or NamedTuple needs nothing else: its fields travel, and what else an object has in
    its ``__dict__``. It is restored as ``copy`` and ``pickle`` do it, without a call of
    ``__init__`` or ``__post_init__``. For any other class, ``encode`` gives a value that the codec
    carries, and ``decode`` makes of that an object again; they run on the worker's thread.

    ``name`` stands in the bytes, by default ``module:qualname``. The receiving worker must have
    registered it, too: a call at the end of the module that defines the class sees to it. Objects
    of exactly this class are meant, and no subclass. A second registration takes the place of the
    first. Raises TypeError for a class that cannot be registered so, and ValueError for a name that
    another class has.
    """
    if not isinstance(cls, type):
        raise TypeError(f"register_type takes a class, not {cls!r}")
    if (encode is None) != (decode is None):
        missing = "decode" if decode is None else "encode"
        raise TypeError(f"register_type({cls.__qualname__}) lacks {missing}: give both, or neither")
    name = f"{cls.__module__}:{cls.__qualname__}" if name is None else name
    if not name or len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        raise ValueError(f"the name of a type has 1 to {_LONGEST_NAME} bytes: {name!r}")
    fields = _fields(cls) if encode is None else None
    try:
        register_codec_type(cls, name, fields, encode, decode)
    except TypeError as error:
        raise TypeError(
            f"register_type({cls.__qualname__}): {error}"
            + ("" if fields is None else "\nhint: give encode and decode")
        ) from error
    return cls


def _fields(cls: type[Any]) -> tuple[str, ...]:
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls))
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return tuple(cls._fields)
    raise TypeError(
        f"register_type({cls.__qualname__}): neither a dataclass nor a NamedTuple\n"
        "hint: give encode, which makes a plain value of an object, and decode, its reverse"
    )
