"""What ``@bolt`` and ``@spout`` make of a function: the part that both have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, ClassVar, Generic, ParamSpec, Self, TypeVar

from typhoon.errors import InvalidTopologyError
from typhoon.topology._emit import Outlet
from typhoon.topology._parameters import Parameters, is_generator

P = ParamSpec("P")
R = TypeVar("R")


class Decorated(Generic[P, R]):
    """A component made of one function, which it may stand for: calling it calls the function.

    Each decorated function has a class of its own, whose only use is this one object; each task
    gets a new object of it. ``options`` is what the decorator was given.
    """

    __slots__ = ()

    __wrapped__: ClassVar[Callable[..., Any]]
    options: ClassVar[Mapping[str, Any]]
    parameters: ClassVar[Parameters]
    outlet: ClassVar[Outlet]
    is_generator: ClassVar[bool]
    remake: ClassVar[Callable[..., Any]]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """As the plain function."""
        answer: R = type(self).__wrapped__(*args, **kwargs)
        return answer

    def __copy__(self) -> Self:
        return type(self)()

    def __deepcopy__(self, memo: Any) -> Self:
        return type(self)()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Travels as its function and the decorator's arguments."""
        function = type(self).__wrapped__
        _let_it_be_found(function, self)
        return type(self).remake, (function, dict(self.options))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {self.outlet.who}>"


def class_body(
    function: Callable[..., Any],
    options: Mapping[str, Any],
    parameters: Parameters,
    remake: Callable[..., Any],
) -> dict[str, Any]:
    """The attributes that the class of every decorated function has."""
    settings = ("outputs", "par", "config", "threaded", "on_error")
    return {
        "__slots__": (),
        "__module__": getattr(function, "__module__", __name__),
        "__doc__": function.__doc__,
        "__name__": name_of(function),
        "__wrapped__": staticmethod(function),
        "_component_name": options["name"],
        "options": dict(options),
        "parameters": parameters,
        "outlet": Outlet(function, options["outputs"]),
        "is_generator": is_generator(function),
        "remake": staticmethod(remake),
        **{setting: options[setting] for setting in settings},
    }


def name_of(function: Callable[..., Any]) -> str:
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def refuse_no_function(decorator: str, thing: Any) -> None:
    """Raise ``InvalidTopologyError`` for what can be no function of a component."""
    if callable(thing) and not isinstance(thing, type) and not isinstance(thing, Decorated):
        return
    base = decorator.capitalize()
    hint = f"a class derives from typhoon.{base}" if isinstance(thing, type) else "write a def"
    shown = f"the class {thing.__name__}" if isinstance(thing, type) else repr(thing)
    mistake = f"@{decorator} stands before a function, not before {shown}\nhint: {hint}"
    raise InvalidTopologyError([mistake])


def _let_it_be_found(function: Callable[..., Any], component: Any) -> None:
    """Where the decorator has put the component in the function's place, pickle must look behind
    it: functions are pickled by their names."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    name = getattr(function, "__qualname__", "")
    try:
        hidden = module is not None and attrgetter(name)(module) is component
    except AttributeError:
        return
    if hidden:
        function.__qualname__ = f"{name}.__wrapped__"
