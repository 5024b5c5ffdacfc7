"""What ``streamparse.dsl.util`` has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typhoon.compat.streamparse.thrift import JavaObjectArg

KINDS: dict[type, Callable[[Any], JavaObjectArg]] = {
    bool: lambda arg: JavaObjectArg(bool_arg=arg),
    int: lambda arg: JavaObjectArg(long_arg=arg),
    float: lambda arg: JavaObjectArg(double_arg=arg),
    str: lambda arg: JavaObjectArg(string_arg=arg),
    bytes: lambda arg: JavaObjectArg(binary_arg=arg),
}


def to_java_arg(arg: Any) -> JavaObjectArg:
    """An argument of a Java constructor; TypeError unless it is of a basic type."""
    for kind, make in KINDS.items():  # a bool is an int too, so it comes first
        if isinstance(arg, kind):
            return make(arg)
    raise TypeError(f"a Java constructor gets numbers, text, bytes and booleans, not {arg!r}")


def to_python_arg(java_arg: JavaObjectArg) -> Any:
    """The value that ``to_java_arg`` was given."""
    return next((value for value in vars(java_arg).values() if value is not None), None)


def to_python_arg_list(java_arg_list: list[JavaObjectArg]) -> list[Any]:
    """The values that ``to_java_arg`` was given, one by one."""
    return [to_python_arg(java_arg) for java_arg in java_arg_list]
