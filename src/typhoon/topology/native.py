"""Ready-made components of the Rust core: they run without Python's lock.

Each function here gives an object that stands wherever a component class does:

    count = native.count(by="word").spec(inputs=[split], par=4)
    builder.set_bolt("count", native.count(by="word"), 4).fields_grouping("split", ["word"])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from typhoon.topology._declaration import Declaration
from typhoon.topology._stream import Grouping, Stream

if TYPE_CHECKING:
    from typhoon.topology._spec import ComponentKind, OnError


class NativeComponent:
    """A component of the core, named by ``native`` and set up by ``native_args``.

    ``default_grouping`` is how it takes an input for which no grouping is given.
    """

    def __init__(
        self,
        kind: ComponentKind,
        native: str,
        outputs: Sequence[str | Stream] | None,
        default_grouping: Grouping = Grouping.SHUFFLE,
        **native_args: Any,
    ) -> None:
        self.kind: ComponentKind = kind
        self.native = self.__name__ = native
        self.outputs = outputs
        self.default_grouping = default_grouping
        self.native_args = native_args

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.native_args.items())
        return f"native.{self.native}({given})"


class NativeSpout(NativeComponent):
    """A spout of the core."""

    def spec(
        self,
        name: str | None = None,
        par: int | Mapping[str, int] | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        on_error: OnError | None = None,
        tasks: int | None = None,
    ) -> Declaration:
        """As ``Spout.spec``."""
        return Declaration(
            "spout", self, name=name, par=par, config=config, on_error=on_error, tasks=tasks
        )


class NativeBolt(NativeComponent):
    """A bolt of the core."""

    def spec(
        self,
        name: str | None = None,
        inputs: Any = None,
        par: int | Mapping[str, int] | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        on_error: OnError | None = None,
        tasks: int | None = None,
    ) -> Declaration:
        """As ``Bolt.spec``."""
        return Declaration(
            "bolt",
            self,
            name=name,
            inputs=inputs,
            par=par,
            config=config,
            on_error=on_error,
            tasks=tasks,
        )


def const(
    value: Any, outputs: Sequence[str] = ("value",), *, limit: int | None = None
) -> NativeSpout:
    """A spout that emits ``value`` again and again, ``limit`` times per task (None: for ever).

    ``value`` is a str, an int of 64 bits, a float, a bool or None. Every tuple is tracked.
    """
    return NativeSpout("spout", "const", outputs, value=value, limit=limit)


def split(outputs: Sequence[str] = ("word",)) -> NativeBolt:
    """A bolt that emits each word of its input's first value, as ``str.split()`` does."""
    return NativeBolt("bolt", "split", outputs)


def count(by: str) -> NativeBolt:
    """A bolt that counts the texts of field ``by`` and emits each with its ``count`` so far.

    Inputs without a grouping are grouped by that field.
    """
    return NativeBolt("bolt", "count", (by, "count"), Grouping.fields(by), by=by)


def filter(by: str, *, equals: Any, outputs: Sequence[str]) -> NativeBolt:  # noqa: A001 - as in SQL
    """A bolt that passes on, unchanged, the tuples whose field ``by`` equals ``equals``.

    ``outputs`` names the fields of its input.
    """
    return NativeBolt("bolt", "filter", outputs, by=by, equals=equals)


def id(outputs: Sequence[str]) -> NativeBolt:  # noqa: A001 - the identity, as in mathematics
    """A bolt that passes on every tuple unchanged; ``outputs`` names the fields of its input."""
    return NativeBolt("bolt", "id", outputs)


def null() -> NativeBolt:
    """A bolt that acks every tuple and emits nothing."""
    return NativeBolt("bolt", "null", None)
