"""Prints what `streamparse` and `pystorm` offer, as JSON: run once with theirs and once with ours.

With an argument, that module is imported first and its `activate()` called.
"""

import importlib
import inspect
import io
import json
import sys

MODULES = [
    "pystorm",
    "pystorm.bolt",
    "pystorm.component",
    "pystorm.exceptions",
    "pystorm.spout",
    "pystorm.version",
    "streamparse",
    "streamparse.bolt",
    "streamparse.component",
    "streamparse.dsl",
    "streamparse.dsl.bolt",
    "streamparse.dsl.component",
    "streamparse.dsl.spout",
    "streamparse.dsl.stream",
    "streamparse.dsl.topology",
    "streamparse.dsl.util",
    "streamparse.spout",
    "streamparse.storm",
    "streamparse.storm.bolt",
    "streamparse.storm.component",
    "streamparse.storm.spout",
    "streamparse.version",
]
STRUCTS = [
    "ComponentCommon",
    "ComponentObject",
    "GlobalStreamId",
    "Grouping",
    "JavaObject",
    "JavaObjectArg",
    "NullStruct",
    "ShellComponent",
    "StreamInfo",
]
"""The classes of `streamparse.thrift` that are compared."""
PRIVATE = ("_batches", "_current_key", "_current_tups", "_tick_counter")
"""What is compared although its name says that it is nobody's business."""
OWN = ("pystorm", "streamparse", "typhoon.compat")


def is_own(thing):
    return str(getattr(thing, "__module__", "")).startswith(OWN)


def shown(value):
    """A value as text that is the same in both worlds."""
    plain = value is None or isinstance(value, bool | int | float | str | bytes)
    if plain or isinstance(value, list | tuple | dict):
        return repr(value)
    return repr(value) if "Grouping" in type(value).__name__ else type(value).__name__


def parameters(function):
    try:
        given = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return "(?)"
    return [
        f"{one.kind!s}:{one.name}"
        + ("" if one.default is inspect.Parameter.empty else f"={shown(one.default)}")
        for one in given
    ]


def attributes(cls):
    found = {"()": parameters(cls)}
    for name in dir(cls):
        if name.startswith("_") and name not in PRIVATE:
            continue
        value = inspect.getattr_static(cls, name)
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        found[name] = parameters(value) if inspect.isfunction(value) else shown(value)
    return found


def instance(cls):
    """What an object has once it is made; theirs would take over the process's own streams."""
    streams = [io.TextIOWrapper(io.BytesIO()) for _ in range(2)]
    made = vars(cls(input_stream=streams[0], output_stream=streams[1], rdb_signal=None))
    names = [name for name in made if not name.startswith("_") or name in PRIVATE]
    return {f"self.{name}": shown(made[name]) for name in names if name != "pid"}


def described(value):
    if inspect.isclass(value):
        component = hasattr(value, "exit_on_exception")
        return attributes(value) | (instance(value) if component else {})
    return parameters(value) if inspect.isfunction(value) else shown(value)


def structs():
    """What topologies are described with; theirs are made by thriftpy2, with methods of its own."""
    from streamparse import thrift

    classes = {name: getattr(thrift, name) for name in STRUCTS}
    return {name: [parameters(cls), shown(vars(cls()))] for name, cls in classes.items()}


def dump(name):
    module = importlib.import_module(name)
    return {
        key: described(value)
        for key, value in vars(module).items()
        if not key.startswith("_") and is_own(value) and not inspect.ismodule(value)
    }


if len(sys.argv) > 1:
    importlib.import_module(sys.argv[1]).activate()
modules = {name: dump(name) for name in MODULES}
print(json.dumps({**modules, "streamparse.thrift": structs()}))
