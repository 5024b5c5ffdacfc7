"""What flows between components, and how it is shared out: ``Stream`` and ``Grouping``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, TypeAlias

from typhoon.topology._frozen import Frozen

DEFAULT_STREAM = "default"
"""The stream of an emit, an output or a subscription that names none."""

GroupingKind: TypeAlias = Literal[
    "shuffle",
    "local_or_shuffle",
    "fields",
    "partial_key",
    "all",
    "global",
    "none",
    "direct",
    "custom",
]


class Stream(Frozen):
    """A named stream of a component and the names of the fields that its tuples have.

    ``fields`` may also be a ``NamedTuple`` or dataclass type, whose field names are taken. A
    ``direct`` stream reaches the one task that each emit names by ``direct_task``, and only
    subscribers with ``Grouping.DIRECT``.

    Nothing is checked here: ``topology_spec`` finds the mistakes of a whole topology at once.
    """

    __slots__ = ("fields", "name", "direct")  # noqa: RUF023 - in the order of the constructor

    fields: tuple[str, ...]
    name: str
    direct: bool

    def __init__(
        self, fields: Iterable[str] | type, name: str = DEFAULT_STREAM, direct: bool = False
    ) -> None:
        self._set(fields=field_names(fields), name=name, direct=direct)


def field_names(fields: Any) -> Any:
    """The field names that ``fields`` stands for; what stands for none comes back as it is."""
    if isinstance(fields, type):
        return record_fields(fields) or fields
    if isinstance(fields, list | tuple):
        return tuple(fields)
    return fields


def record_fields(kind: type) -> tuple[str, ...] | None:
    """The field names of a NamedTuple or dataclass type, None for any other type."""
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return tuple(kind._fields)
    if not hasattr(kind, "__dataclass_fields__"):
        return None
    from dataclasses import fields  # loaded already, by whoever wrote that dataclass

    return tuple(field.name for field in fields(kind))


DEAD_LETTER = Stream(("component", "stream", "values", "error", "traceback"), "__dead_letter")
"""The stream that every component has without declaring it: the tuples that it gave up."""


class Grouping(Frozen):
    """How a stream's tuples are shared out among the tasks of a bolt that takes it.

    - ``Grouping.SHUFFLE``: each task an equal share; the default.
    - ``Grouping.LOCAL_OR_SHUFFLE``: as shuffle, among the tasks of the same worker if any.
    - ``Grouping.fields("user", ...)``: equal values of these fields go to the same task.
    - ``Grouping.partial_key("user", ...)``: each key is shared by two tasks, the less busy one
      gets the tuple; balances skewed keys, and needs an aggregating bolt after it.
    - ``Grouping.ALL``: every task gets a copy.
    - ``Grouping.GLOBAL``: the task with the lowest id gets all.
    - ``Grouping.NONE``: a random task each time.
    - ``Grouping.DIRECT``: the emitter names the task; the stream must be declared direct.
    - ``Grouping.custom(object)``: ``object.prepare(context, stream, target_tasks)`` is called once,
      then ``object.choose_tasks(source_task, values)`` gives a list of task ids for each tuple; a
      task that it names twice gets the tuple twice, and [] drops the tuple.

    ``kind`` says which, ``names`` are the fields of the two that have some, ``object`` is the one
    of a custom grouping.
    """

    __slots__ = ("kind", "names", "object")

    kind: GroupingKind
    names: tuple[str, ...]
    object: Any

    SHUFFLE: ClassVar[Grouping]
    LOCAL_OR_SHUFFLE: ClassVar[Grouping]
    ALL: ClassVar[Grouping]
    GLOBAL: ClassVar[Grouping]
    NONE: ClassVar[Grouping]
    DIRECT: ClassVar[Grouping]

    def __init__(
        self,
        kind: GroupingKind,
        names: tuple[str, ...] = (),
        object: Any = None,  # noqa: A002 - named as the attribute
    ) -> None:
        self._set(kind=kind, names=names, object=object)

    def __hash__(self) -> int:
        return hash((self.kind, self.names))  # a custom grouping's object need not be hashable

    @staticmethod
    def fields(*names: str) -> Grouping:
        """Equal values of the fields ``names`` go to the same task."""
        return Grouping("fields", names)

    @staticmethod
    def partial_key(*names: str) -> Grouping:
        """Equal values of the fields ``names`` go to one of the same two tasks."""
        return Grouping("partial_key", names)

    @staticmethod
    def custom(object: Any) -> Grouping:  # noqa: A002 - named as the attribute
        """``object`` chooses the tasks; one deep copy of it is made for each emitting task."""
        return Grouping("custom", object=object)

    def __repr__(self) -> str:
        if self.kind == "custom":
            return f"Grouping.custom({self.object!r})"
        if self.kind in ("fields", "partial_key"):
            return f"Grouping.{self.kind}({', '.join(map(repr, self.names))})"
        return f"Grouping.{self.kind.upper()}"


def grouping_by(by: Any) -> Grouping:
    """The fields grouping by one name, or by each of a list of names."""
    return Grouping.fields(*by) if isinstance(by, list | tuple) else Grouping.fields(by)


Grouping.SHUFFLE = Grouping("shuffle")
Grouping.LOCAL_OR_SHUFFLE = Grouping("local_or_shuffle")
Grouping.ALL = Grouping("all")
Grouping.GLOBAL = Grouping("global")
Grouping.NONE = Grouping("none")
Grouping.DIRECT = Grouping("direct")
