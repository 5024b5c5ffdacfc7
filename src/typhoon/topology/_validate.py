"""Checks one component by itself: its class, its methods, its numbers and words."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any, get_args

from typhoon.topology._batching import BatchingBolt
from typhoon.topology._bolt import Bolt
from typhoon.topology._declaration import Declaration
from typhoon.topology._mistakes import Mistakes, did_you_mean
from typhoon.topology._spec import Coroutines, OnError
from typhoon.topology._spout import Spout
from typhoon.topology.native import NativeComponent

BASES: dict[str, type] = {"spout": Spout, "bolt": Bolt}
NEEDED = {"spout": ("next_tuple",), "bolt": ("process", "process_many")}
SIGNATURES = {
    "spout": {
        "initialize": ("conf", "context"),
        "next_tuple": (),
        "ack": ("tup_id",),
        "fail": ("tup_id",),
        "activate": (),
        "deactivate": (),
        "close": (),
    },
    "bolt": {
        "initialize": ("conf", "context"),
        "process": ("tup",),
        "process_many": ("tups",),
        "process_tick": ("tup",),
        "close": (),
    },
}
"""The methods that the engine calls, and what it passes by position."""
BATCHING = {"group_key": ("tup",), "process_batch": ("key", "tups"), "process_batches": ()}
"""The same of those that a ``BatchingBolt`` calls."""
MOST_TASKS = 100_000
"""A component with more would not be described by intent; each costs a few kilobytes."""
SECS_BETWEEN_BATCHES = (0.001, 864_000_000)
"""As ``topology.tick.tuple.freq.secs``, but without 0."""


def check_id(name: Any, kind: str, mistakes: Mistakes) -> bool:
    """Whether ``name`` can name a component."""
    if not isinstance(name, str) or not name:
        mistakes.add(
            f"{kind} {name!r}: an id must be a str of at least one letter",
            f'give it a name: "{kind}-1"',
        )
    elif name.startswith("__"):
        mistakes.add(
            f"{kind} {name!r}: ids that begin with '__' are typhoon's own",
            f"{name.strip('_') or kind!r} is free",
        )
    else:
        return True
    return False


def check_component(who: str, declaration: Declaration, mistakes: Mistakes) -> bool:
    """Whether ``declaration`` names a spout or bolt at all; notes what is wrong with it."""
    kind, cls = declaration.kind, declaration.component_class
    if isinstance(declaration.component, NativeComponent):
        if declaration.component.kind != kind:
            other = declaration.component.kind
            mistakes.add(
                f"{who}: {declaration.component!r} is a {other}", f"declare it as a {other}"
            )
        return True
    if not issubclass(cls, BASES[kind]):
        mistakes.add(*_wrong_kind(who, declaration))
        return False
    refusal = getattr(declaration.component, "refusal", None)
    if isinstance(refusal, str):
        cause, _, hint = refusal.partition("\nhint: ")
        mistakes.add(f"{who}: {cause}", hint)
    _check_instances(who, declaration.component, mistakes)
    if not any(callable(getattr(cls, name, None)) for name in NEEDED[kind]):
        wanted = " or ".join(_signature(name, SIGNATURES[kind][name]) for name in NEEDED[kind])
        mistakes.add(f"{who}: {cls.__name__} has no method {NEEDED[kind][0]}", f"define {wanted}")
    for name, arguments in SIGNATURES[kind].items():
        _check_method(who, cls, name, arguments, mistakes)
    if kind == "bolt":
        _check_pairs(who, cls, mistakes)
    if issubclass(cls, BatchingBolt):
        _check_batching(who, cls, declaration.component, mistakes)
    return True


def check_count(who: str, what: str, value: Any, mistakes: Mistakes) -> int:
    """``value`` as a number of executors or tasks; 1, and a mistake, if it cannot be one."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        if value <= MOST_TASKS:
            return value
        mistakes.add(
            f"{who}: {what} is {value}: a component has at most {MOST_TASKS} tasks",
            "an executor processes one tuple at a time: a few for each core are enough",
        )
        return 1
    mistakes.add(
        f"{who}: {what} must be a whole number of at least 1, not {value!r}",
        "write 1 or more, without quotes, or leave it out",
    )
    return 1


def check_flag(who: str, what: str, value: Any, mistakes: Mistakes) -> bool:
    """``value`` as True or False; False, and a mistake, if it is neither."""
    if not isinstance(value, bool):
        hint = "write True or False, without quotes"
        mistakes.add(f"{who}: {what} must be True or False, not {value!r}", hint)
        return False
    return value


def check_worker_hooks(given: Any, mistakes: Mistakes) -> tuple[Any, ...]:
    """``given`` as worker hooks; none, and a mistake, if it cannot be a list of such."""
    if not isinstance(given, list | tuple):
        mistakes.add(
            f"worker_hooks is {given!r}, no list of hooks", "worker_hooks = [MyHook]: a WorkerHook"
        )
        return ()
    for hook in given:
        methods = [getattr(hook, name, None) for name in ("start", "shutdown")]
        if not any(map(callable, methods)):
            mistakes.add(
                f"worker hook {hook!r} has neither start nor shutdown",
                "derive it from typhoon.WorkerHook, and give the class or an instance",
            )
    return tuple(given)


def check_on_error(who: str, value: Any, mistakes: Mistakes) -> OnError:
    """``value`` as one of the four; "fail", and a mistake, if it is none of them."""
    known: tuple[OnError, ...] = get_args(OnError)
    for word in known:
        if value == word:
            return word
    near = did_you_mean(value.replace("_", "-") if isinstance(value, str) else value, known)
    mistakes.add(f"{who}: on_error must be one of {list(known)}, not {value!r}", near)
    return "fail"


def _wrong_kind(who: str, declaration: Declaration) -> tuple[str, str]:
    kind, component = declaration.kind, declaration.component
    other = "bolt" if kind == "spout" else "spout"
    cls = component if isinstance(component, type) else type(component)
    if issubclass(cls, BASES[other]):
        hint = f"declare it as a {other}"
        if declaration.in_chain:
            hint = "a chain begins with its only spout, and goes on with bolts"
        return f"{who}: {cls.__name__} is a {other}", hint
    if isinstance(component, Declaration):
        return f"{who}: {component!r} was given", "give the class or an instance, without spec()"
    shown = cls.__name__ if isinstance(component, type) else repr(component)
    if isinstance(component, FunctionType):
        return (
            f"{who}: the function {component.__name__} is no {kind}",
            f"write @{kind}(...) in the line before it",
        )
    name = BASES[kind].__name__
    return f"{who}: {shown} is no {kind}", f"its class must be a subclass of typhoon.{name}"


def _check_instances(who: str, component: Any, mistakes: Mistakes) -> None:
    """A class must be callable without arguments: that is how each task gets its instance."""
    if not isinstance(component, type):
        return
    if missing := sorted(getattr(component, "__abstractmethods__", ())):
        mistakes.add(
            f"{who}: {component.__name__} is abstract: it lacks {', '.join(missing)}",
            "define that in it, or in a class derived from it",
        )
    init = inspect.getattr_static(component, "__init__", None)
    if isinstance(init, FunctionType) and not _accepts(init, ("self",)):
        mistakes.add(
            f"{who}: {component.__name__}() cannot be called without arguments",
            f"give an instance, {component.__name__}(...), or read them from conf in initialize",
        )


def _check_batching(who: str, cls: type[BatchingBolt], component: Any, mistakes: Mistakes) -> None:
    own = (cls.process_batch, cls.process_batches)
    if own == (BatchingBolt.process_batch, BatchingBolt.process_batches):
        mistakes.add(
            f"{who}: {cls.__name__} has no method process_batch",
            "define process_batch(self, key, tups)",
        )
    ticks = getattr(component, "ticks_between_batches", 1)
    if not _is_number(ticks) or not ticks > 0:
        hint = "write ticks_between_batches = 1, without quotes, or leave it out"
        mistakes.add(f"{who}: ticks_between_batches must be a number above 0, not {ticks!r}", hint)
    seconds = getattr(component, "secs_between_batches", 1)
    least, most = SECS_BETWEEN_BATCHES
    if not _is_number(seconds) or not least <= seconds <= most:
        wanted = f"a number from {least:g} to {most:,.0f}, not {seconds!r}"
        hint = "write secs_between_batches = 2, without quotes, or leave it out"
        mistakes.add(f"{who}: secs_between_batches must be {wanted}", hint)
    for name, arguments in BATCHING.items():
        _check_method(who, cls, name, arguments, mistakes)


def _check_method(
    who: str, cls: type, name: str, passed: tuple[str, ...], mistakes: Mistakes
) -> None:
    method: Any = inspect.getattr_static(cls, name, None)
    if method is None:
        return
    wrapped = isinstance(method, staticmethod | classmethod)
    function: Any = method.__func__ if wrapped else method
    bound = () if isinstance(method, staticmethod) else ("self",)
    arguments: tuple[str, ...] = (*bound, *passed)
    if not callable(function) and not isinstance(function, property):
        hint = f"define {_signature(name, passed)}"
        mistakes.add(f"{who}: {cls.__name__}.{name} is {function!r}, no method", hint)
    elif _is_coroutine(function) and not _may_be_coroutine(cls, name, function):
        hint = f"write def {name}; a component that waits says threaded = True"
        if name == "process_many":
            hint = "write async def process: up to max_in_flight of them run at once"
        mistakes.add(
            f"{who}: {cls.__name__}.{name} is async: called as it is, it would do nothing", hint
        )
    elif inspect.isgeneratorfunction(function):
        mistakes.add(
            f"{who}: {cls.__name__}.{name} contains yield: called as it is, it would do nothing",
            "emit with self.emit([...]) in place of yield",
        )
    elif isinstance(function, FunctionType) and not _accepts(function, arguments):
        mistakes.add(
            f"{who}: {cls.__name__}.{name} cannot be called the way it will be",
            f"define {_signature(name, passed)}",
        )


def check_coroutines(who: str, cls: type, threaded: bool, mistakes: Mistakes) -> Coroutines | None:
    """How a bolt runs whose ``process`` is a coroutine; None for all others."""
    if not _runs_coroutines(cls):
        return None
    if threaded:
        mistakes.add(
            f"{who}: {cls.__name__}.process is async, and threaded is True",
            "leave threaded out: coroutines wait without a thread of their own",
        )
    if getattr(cls, "process_many", None) is not None:
        mistakes.add(f"{who}: {cls.__name__} has process_many and an async process", "keep one")
    timeout = getattr(cls, "timeout_secs", None)
    if timeout is not None and not (_is_number(timeout) and timeout > 0):
        mistakes.add(
            f"{who}: timeout_secs must be a number above 0 or None, not {timeout!r}",
            "write seconds, as in timeout_secs = 2.5",
        )
        timeout = None
    return Coroutines(
        check_count(who, "max_in_flight", getattr(cls, "max_in_flight", 100), mistakes),
        check_flag(who, "ordered", getattr(cls, "ordered", False), mistakes),
        timeout,
    )


ASYNC_ONLY = ("max_in_flight", "ordered", "timeout_secs")


def _check_pairs(who: str, cls: type, mistakes: Mistakes) -> None:
    """Note what a bolt says that another thing it says leaves without effect."""
    if _runs_coroutines(cls):
        return
    one, many = (_definer(cls, name) for name in ("process", "process_many"))
    if one is not None and many is not None and issubclass(one, many):
        mistakes.add(
            f"{who}: {one.__name__} has process_many, so its process would never be called",
            "keep one: process_many gets what waits, process one tuple at a time",
        )
    for name in ASYNC_ONLY:
        value = getattr(cls, name, None)
        if value != getattr(Bolt, name):
            mistakes.add(
                f"{who}: {name} is {value!r}, but process is not async, so it has no effect",
                f"write async def process, or leave {name} out; one of your own needs another name",
            )


def _definer(cls: type, name: str) -> type | None:
    """The class in whose body the method that ``cls`` has is written."""
    return next((base for base in cls.__mro__ if name in vars(base)), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _runs_coroutines(cls: type) -> bool:
    return issubclass(cls, Bolt) and inspect.iscoroutinefunction(
        inspect.getattr_static(cls, "process", None)
    )


def _may_be_coroutine(cls: type, name: str, function: Any) -> bool:
    allowed = name in ("process", "process_tick", "initialize", "close")
    return allowed and inspect.iscoroutinefunction(function) and _runs_coroutines(cls)


def _is_coroutine(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _accepts(function: FunctionType, arguments: tuple[str, ...]) -> bool:
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    return True


def _signature(name: str, arguments: tuple[str, ...]) -> str:
    return f"{name}({', '.join(('self', *arguments))})"
