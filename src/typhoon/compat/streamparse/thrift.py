"""What ``streamparse.thrift`` has that topologies are written with; nothing here talks Thrift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class NullStruct:
    """Stands for a grouping that has nothing more to say."""


@dataclass
class JavaObjectArg:
    """One argument of a Java constructor: the one of these that is not None."""

    int_arg: int | None = None
    long_arg: int | None = None
    string_arg: str | None = None
    bool_arg: bool | None = None
    binary_arg: bytes | None = None
    double_arg: float | None = None


@dataclass
class JavaObject:
    """A Java class by its name, and what its constructor gets."""

    full_class_name: str | None = None
    args_list: list[JavaObjectArg] | None = None


@dataclass
class StreamInfo:
    """What a component says of one of its streams."""

    output_fields: list[str] | None = None
    direct: bool | None = None


@dataclass
class GlobalStreamId:
    """A stream of a component; the component is its spec until the topology gives it a name."""

    componentId: Any = None  # noqa: N815 - Thrift's name
    streamId: str | None = None  # noqa: N815 - Thrift's name

    def __hash__(self) -> int:
        return hash(self.componentId) ^ hash(self.streamId)


@dataclass(repr=False)
class Grouping:
    """How tuples are shared out: the one of these that is not None."""

    fields: Sequence[str] | None = None
    shuffle: NullStruct | None = None
    all: NullStruct | None = None
    none: NullStruct | None = None
    direct: NullStruct | None = None
    custom_object: JavaObject | None = None
    custom_serialized: bytes | None = None
    local_or_shuffle: NullStruct | None = None

    def __repr__(self) -> str:
        for name, value in vars(self).items():
            if value is not None:
                return name.upper() if isinstance(value, NullStruct) else f"{name}({value!r})"
        return "Grouping()"


@dataclass
class ShellComponent:
    """A component that is started as a command."""

    execution_command: str | None = None
    script: str | None = None


@dataclass
class ComponentObject:
    """What runs: the one of these that is not None."""

    serialized_java: bytes | None = None
    shell: ShellComponent | None = None
    java_object: JavaObject | None = None


@dataclass
class ComponentCommon:
    """What Storm keeps of every component."""

    inputs: Any = None
    streams: Any = None
    parallelism_hint: Any = None
    json_conf: str | None = None
