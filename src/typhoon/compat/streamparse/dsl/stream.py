"""What ``streamparse.dsl.stream`` has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from typhoon.compat.streamparse import thrift
from typhoon.compat.streamparse.dsl.util import to_java_arg
from typhoon.compat.streamparse.thrift import JavaObject, NullStruct, StreamInfo


class Stream(StreamInfo):
    """An output stream; its mistakes are found when it is made."""

    def __init__(
        self, fields: Sequence[str] | None = None, name: str = "default", direct: bool = False
    ) -> None:
        if fields is not None and not isinstance(fields, list | tuple):
            raise TypeError(f"the fields of a stream are a list, a tuple or None, not {fields!r}")
        for one in fields or ():
            if not isinstance(one, str):
                raise TypeError(f"the name of a field is a str, not {one!r}")
        if not isinstance(name, str):
            raise TypeError(f"the name of a stream is a str, not {name!r}")
        if not isinstance(direct, bool):
            raise TypeError(f"direct is True or False, not {direct!r}")
        super().__init__()
        self.fields = list(fields or ())
        self.name = name
        self.direct = direct


class Grouping:
    """How a stream's tuples are shared out among a bolt's tasks; shuffled where nothing is said."""

    __slots__ = ()

    SHUFFLE: ClassVar = thrift.Grouping(shuffle=NullStruct())
    GLOBAL: ClassVar = thrift.Grouping(fields=[])
    DIRECT: ClassVar = thrift.Grouping(direct=NullStruct())
    ALL: ClassVar = thrift.Grouping(all=NullStruct())
    NONE: ClassVar = thrift.Grouping(none=NullStruct())
    LOCAL_OR_SHUFFLE: ClassVar = thrift.Grouping(local_or_shuffle=NullStruct())

    @classmethod
    def fields(cls, *fields: Any) -> thrift.Grouping:
        """Equal values of these fields, given one by one or as one list, go to one task."""
        names = fields[0] if len(fields) == 1 and isinstance(fields[0], list) else list(fields)
        if not names:
            raise ValueError("Grouping.fields() names no field")
        return thrift.Grouping(fields=names)

    @classmethod
    def custom_object(cls, java_class_name: str, arg_list: Sequence[Any]) -> thrift.Grouping:
        """A Java class chooses the tasks; it can be declared, and not run."""
        args = [to_java_arg(arg) for arg in arg_list]
        return thrift.Grouping(
            custom_object=JavaObject(full_class_name=java_class_name, args_list=args)
        )

    @classmethod
    def custom_serialized(cls, java_serialized: bytes) -> thrift.Grouping:
        """A serialized Java object chooses the tasks; it can be declared, and not run."""
        if not isinstance(java_serialized, bytes):
            raise TypeError(f"a serialized Java object is bytes, not {java_serialized!r}")
        return thrift.Grouping(custom_serialized=java_serialized)
