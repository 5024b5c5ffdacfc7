"""``Emit``, and what the values mean that functions return and yield."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from typhoon.errors import EmitError, GroupingKeyError, TyphoonError
from typhoon.topology._frozen import Frozen
from typhoon.topology._stream import DEFAULT_STREAM, Stream, record_fields

if TYPE_CHECKING:
    from typing import NoReturn

REFUSED = (EmitError, GroupingKeyError)
"""What ``emit`` raises because of the values that it was given."""

BARE = frozenset({bool, bytes, dict, float, frozenset, int, set, str})
"""Types whose objects are a value of their own beyond doubt; others get a closer look."""


class Emit(Frozen):
    """What a function returns or yields where the values do not say it all.

    ``values`` is what could be returned without it; ``stream`` names another stream than the
    default one; ``tup_id`` names the tuple of a spout, in place of a generated id; ``direct_task``
    is the task that gets it, on a direct stream.
    """

    __slots__ = ("values", "stream", "tup_id", "direct_task")  # noqa: RUF023 - constructor's order

    values: Any
    stream: str | None
    tup_id: Hashable
    direct_task: int | None

    def __init__(
        self,
        values: Any,
        stream: str | None = None,
        tup_id: Hashable = None,
        direct_task: int | None = None,
    ) -> None:
        self._set(values=values, stream=stream, tup_id=tup_id, direct_task=direct_task)


class Outlet:
    """Knows which function emits and on which streams, and so what an answer of it means.

    ``bare`` holds the types that may be taken for the only value of a tuple without asking
    ``read``; it is empty where a tuple has several.
    """

    def __init__(self, function: Callable[..., Any], outputs: Any) -> None:
        self.who = _who(function)
        self.fields = declared_fields(outputs)
        one = len(self.fields.get(DEFAULT_STREAM, ())) == 1
        self.bare: frozenset[type] = BARE if one else frozenset()

    def read(self, answer: Any) -> Emit | None:
        """What to emit, its values in a form that ``emit`` takes; None for nothing.

        Raises ``EmitError`` for what is neither values nor nothing.
        """
        if answer is None:
            return None
        if not isinstance(answer, Emit):
            return Emit(self._values(answer, DEFAULT_STREAM))
        values = self._values(answer.values, answer.stream or DEFAULT_STREAM)
        return Emit(values, answer.stream, answer.tup_id, answer.direct_task)

    def name(self, error: TyphoonError) -> NoReturn:
        """Raise ``error`` anew, with the function's name in it."""
        if self.who in error.message:
            raise error
        raise type(error)(f"{self.who}: {error.message}", hint=error.hint) from None

    def _values(self, values: Any, stream: str) -> Any:
        if isinstance(values, list | tuple):
            return values
        if isinstance(values, GeneratorType | CoroutineType | AsyncGeneratorType):
            if isinstance(values, CoroutineType):
                values.close()  # else Python would complain that nobody awaited it
            raise EmitError(
                f"{self.who} gave a {type(values).__name__} to emit, {values!r}",
                hint="decorate the function that yields, or is async, itself",
            )
        if isinstance(values, Iterator):
            raise EmitError(
                f"{self.who} gave an iterator to emit, {values!r}",
                hint="yield from it; or return (it,) if it is itself the value",
            )
        fields = self.fields.get(stream)
        if fields is None:
            if stream == DEFAULT_STREAM:
                raise EmitError(
                    f"{self.who} gave {values!r} to emit, but declares no outputs",
                    hint='name them: outputs=["field"], or return None',
                )
            return (values,)  # emit says which streams there are
        record = record_fields(type(values)) or ()
        if record == fields or (len(fields) > 1 and set(fields) <= set(record)):
            return values
        if len(fields) == 1:
            return (values,)
        raise EmitError(
            f"{self.who} gave {values!r} to emit on stream {stream!r}, "
            f"which has the {len(fields)} fields {list(fields)}",
            hint=f"give a tuple: ({', '.join(map(str, fields))})",
        )


def declared_fields(outputs: Any) -> Mapping[str, tuple[str, ...]]:
    """The fields of each stream that ``outputs`` declares, as far as it is sound."""
    if isinstance(outputs, type):
        fields = record_fields(outputs)
        return {} if fields is None else {DEFAULT_STREAM: fields}
    parts = outputs if isinstance(outputs, list | tuple) else [outputs]
    streams = [part for part in parts if isinstance(part, Stream)]
    names = tuple(part for part in parts if isinstance(part, str))
    if names and not isinstance(outputs, str):
        streams.append(Stream(names))
    sound: list[tuple[str, Any]] = [(stream.name, stream.fields) for stream in streams]
    return {name: fields for name, fields in sound if isinstance(fields, tuple)}


def _who(function: Callable[..., Any]) -> str:
    """The function's name, and where it is written if it is Python's."""
    name = getattr(function, "__name__", None) or repr(function)
    code = getattr(function, "__code__", None)
    if code is None:
        return f"the function {name!r}"
    file = code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"the function {name!r} ({file}:{code.co_firstlineno})"
