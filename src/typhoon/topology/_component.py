"""What spouts and bolts have in common: how they are declared, how they report, how they travel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from typhoon.topology._stream import Stream

if TYPE_CHECKING:
    from logging import Logger

    from typhoon._core import Tuple
    from typhoon.topology._spec import OnError

P = ParamSpec("P")
R = TypeVar("R")

ENGINE_SLOTS = frozenset({"_reporter"})
"""Slots that belong to the worker that runs the component; they never travel with it."""

LEVELS = {
    "trace": 5,
    "debug": 10,
    "info": 20,
    "warn": 30,
    "warning": 30,
    "error": 40,
    "critical": 50,
}


class Reporter(Protocol):
    """Where a running component's words go; the worker binds one to each task.

    All methods may be called from any thread.
    """

    def report_error(self, error: BaseException | str, tup: Tuple | None = None) -> None:
        """Show ``error`` with the task's errors; ``tup`` is the tuple it is about, if any."""

    def log(self, message: str, level: int) -> None:
        """Write one line to the topology's log; ``level`` is one of ``logging``'s numbers."""

    def report_metric(self, name: str, value: Any) -> None:
        """Give ``value`` to the component's metric of this name."""

    def batch_failed(self, error: Exception, tups: list[Tuple]) -> str:
        """``process_batch`` raised; ``tups`` are those of the batch that are not settled. Returns
        what the bolt has to do with them: "fail", "drop" (ack them), or "exit" (raise again)."""


class _ClassLogger:
    """``self.logger``: the standard logger named after the component's class.

    Not a property, so that a component may put a logger of its own in its place.
    """

    def __get__(self, instance: object | None, owner: type) -> Logger:
        from logging import getLogger  # costs 7 ms, and most topologies never log

        return getLogger(f"{owner.__module__}.{owner.__qualname__}")


class Component:
    """The Python half of ``Spout`` and ``Bolt``; not meant to be subclassed directly.

    Class attributes, each of which ``spec`` may override for one topology:

    - ``outputs``: a list of field names (of the default stream) and ``Stream``s, one ``Stream``,
      or a NamedTuple or dataclass type.
    - ``par``: how many executors; ``config``: configuration for this component.
    - ``threaded``: each executor is a thread of its own; for what waits.
    - ``on_error``: what becomes of the tuple when the component raises: ``"fail"``, ``"exit"``,
      ``"drop"`` or ``"dead-letter"``.
    """

    __slots__ = ()

    outputs: ClassVar[Iterable[str | Stream] | Stream | type | None] = None
    par: ClassVar[int | Mapping[str, int] | None] = None
    config: ClassVar[Mapping[str, Any] | None] = None
    threaded: ClassVar[bool] = False
    on_error: ClassVar[OnError] = "fail"

    _component_name: ClassVar[str | None] = None
    """The id that it has where ``spec`` gives none, in place of the attribute's name."""

    # Any, since a bolt of coroutines may make a coroutine of it; nothing that is returned is used.
    def initialize(self, conf: Mapping[str, Any], context: Any) -> Any:
        """Called once per task, before anything else and always on the thread that runs it.

        ``conf`` is the whole configuration, ``context`` says where the task stands. What cannot be
        copied or pickled (connections, files) is opened here. Raising ends the topology's start.
        """

    def close(self) -> Any:
        """Called once per task when it ends, on the same thread; not after a crash."""

    logger = _ClassLogger()

    def log(self, message: str, level: str | int | None = None) -> None:
        """Write one line to the topology's log.

        ``level`` is a name ("debug", "info", "warn", "error", "critical") or one of ``logging``'s
        numbers; None means "info". Before the task runs, the line goes to ``logger``.
        """
        number = _level(level)
        reporter = _reporter_of(self)
        if reporter is None:
            self.logger.log(number, "%s", message)
        else:
            reporter.log(message, number)

    def report_metric(self, name: str, value: Any) -> None:
        """Give ``value`` to the metric ``name`` of this component, from any thread.

        A counter of ``context.metrics`` counts it, a gauge is set to it, a histogram notes it; a
        name that is new becomes a histogram for a number, a gauge for anything else. Nothing
        happens before the task runs.
        """
        reporter = _reporter_of(self)
        if reporter is not None:
            reporter.report_metric(name, value)

    def report_error(self, error: BaseException | str) -> None:
        """Count ``error`` and show it with the task's errors. The task goes on."""
        _report(self, error, None)

    def raise_exception(self, error: BaseException | str, tup: Tuple | None = None) -> None:
        """Report ``error`` as raised while working on ``tup``; despite its name it returns.

        pystorm's name, kept for its users. To make a tuple fail, raise, or call ``fail``.
        """
        _report(self, error, tup)

    def __getstate__(self) -> Any:
        """The user's attributes, of ``__dict__`` and ``__slots__``; never the engine's.

        Python's own default refuses, because the engine's base class has fields in C.
        """
        values = getattr(self, "__dict__", None)
        state = None if values is None else dict(values)
        slots = {
            name: getattr(self, name) for name in _user_slots(type(self)) if hasattr(self, name)
        }
        return (state, slots) if slots else state

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle and copy as any object would with protocol 2, the first that knows ``__new__``."""
        return super().__reduce_ex__(max(2, protocol))


def bind_reporter(component: Component, reporter: Reporter | None) -> None:
    """Send what ``component`` logs and reports to ``reporter``; None: back to ``logging``."""
    # A slot of Spout and Bolt; a frozen dataclass lets nobody set anything in the usual way.
    object.__setattr__(component, "_reporter", reporter)


def _level(level: str | int | None) -> int:
    if isinstance(level, int):
        return level
    number = LEVELS.get((level or "info").lower())
    if number is None:
        raise ValueError(f"{level!r} is no log level; known are {list(LEVELS)}")
    return number


def _reporter_of(component: Component) -> Reporter | None:
    return getattr(component, "_reporter", None)


def _report(component: Component, error: BaseException | str, tup: Tuple | None) -> None:
    reporter = _reporter_of(component)
    if reporter is not None:
        reporter.report_error(error, tup)
        return
    about = "" if tup is None else f" (working on {tup!r})"
    trace = error if isinstance(error, BaseException) else None
    component.logger.error("%s%s", error, about, exc_info=trace)


def _user_slots(cls: type) -> Iterable[str]:
    """The names of all slots that Python classes above ``cls`` declare, as attributes name them."""
    for base in cls.__mro__:
        declared = base.__dict__.get("__slots__", ())
        for name in (declared,) if isinstance(declared, str) else declared:
            if name in ENGINE_SLOTS or name in ("__dict__", "__weakref__"):
                continue
            private = name.startswith("__") and not name.endswith("__")
            yield f"_{base.__name__.lstrip('_')}{name}" if private else name


class class_or_instance(Generic[P, R]):  # noqa: N801 - used as a decorator, named like one
    """Binds a function to the instance it is looked up on, or else to the class.

    So ``Split.spec()`` declares the class and ``Split(",").spec()`` that very instance.
    """

    def __init__(self, function: Callable[Concatenate[Any, P], R]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: object | None, owner: type) -> Callable[P, R]:
        bound: Callable[P, R] = MethodType(self._function, owner if instance is None else instance)
        return bound
