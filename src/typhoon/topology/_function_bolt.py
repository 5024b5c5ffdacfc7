"""``@bolt``: a bolt that is one function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import GeneratorType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from typhoon.errors import EmitError
from typhoon.topology._bolt import Bolt
from typhoon.topology._emit import REFUSED, Outlet
from typhoon.topology._functions import Decorated, P, R, class_body, name_of, refuse_no_function
from typhoon.topology._parameters import Parameters, bolt_parameters
from typhoon.topology._stream import Grouping, Stream, grouping_by

if TYPE_CHECKING:
    from typhoon._core import Tuple
    from typhoon.topology._spec import OnError

F = TypeVar("F", bound=Callable[..., Any])


class FunctionBolt(Decorated[P, R], Bolt):
    """A bolt that calls a function for each tuple, and emits what that returns or yields."""

    __slots__ = ("_call", "_state")

    state: ClassVar[Any]
    by: ClassVar[str | Sequence[str] | None]

    _call: Callable[..., Any]
    _state: Any

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        """Make the state of this task, and give the function what it takes by name."""
        cls = type(self)
        self._state = None if cls.state is None else cls.state()
        given = {"conf": conf, "context": context, "state": self._state}
        named = {name: given[name] for name in self.parameters.keywords}
        self._call = partial(cls.__wrapped__, **named) if named else cls.__wrapped__
        if self.parameters.state_at is not None:
            self._call = _inserting(self._call, self.parameters.state_at, self._state)

    def close(self) -> None:
        """Close the state, if that is something to be closed."""
        close = getattr(self._state, "close", None)
        if callable(close):
            close()

    @property
    def default_grouping(self) -> Grouping:
        """How it takes an input for which no grouping is given."""
        return Grouping.SHUFFLE if self.by is None else grouping_by(self.by)


@overload  # a type is callable too, but is given by name: outputs=WordCount
def bolt(  # type: ignore[overload-overlap]
    outputs: Callable[P, R], /
) -> FunctionBolt[P, R]: ...


@overload
def bolt(
    outputs: Iterable[str | Stream] | Stream | type | None = None,
    name: str | None = None,
    par: int | Mapping[str, int] = 1,
    config: Mapping[str, Any] | None = None,
    threaded: bool = False,
    on_error: OnError = "fail",
    state: Callable[[], Any] | None = None,
    by: str | Sequence[str] | None = None,
    *,
    max_in_flight: int = 100,
    ordered: bool = False,
    timeout_secs: float | None = None,
) -> Callable[[Callable[P, R]], FunctionBolt[P, R]]: ...


def bolt(
    outputs: Any = None,
    name: str | None = None,
    par: int | Mapping[str, int] = 1,
    config: Mapping[str, Any] | None = None,
    threaded: bool = False,
    on_error: OnError = "fail",
    state: Callable[[], Any] | None = None,
    by: str | Sequence[str] | None = None,
    *,
    max_in_flight: int = 100,
    ordered: bool = False,
    timeout_secs: float | None = None,
) -> Any:
    """Make a bolt of the function that follows; without arguments, one that emits nothing.

        @bolt(outputs=["word", "n"], state=Counter, by="word")
        def count(word, state):
            state[word] += 1
            return word, state[word]

    The function's parameters are the fields of the stream that it takes, by position; a single
    parameter called ``tup`` gets the Tuple. ``state`` is called once per task, and what it returns
    is passed as the parameter ``state``, and closed with the task if it has a ``close()``.
    Keyword-only parameters ``conf`` and ``context`` get those of ``Bolt.initialize``.

    What is returned is one tuple: a tuple or a list of values, an object of the type given as
    ``outputs``, for a stream of one field any other object as its value, or an ``Emit``. A
    generator yields such. None is nothing. All of it is anchored to the input, which is acked when
    the function is through and failed when it raises. The function may be ``async``; then
    ``max_in_flight``, ``ordered`` and ``timeout_secs`` are as the attributes of a ``Bolt``.

    ``by`` names the fields by which an input is grouped that is given no grouping. ``name`` is the
    component's id where ``spec`` gives none; ``par``, ``config``, ``threaded`` and ``on_error`` are
    as the attributes of a ``Bolt``. What comes back has ``spec`` as a Bolt, and called it is the
    plain function. Mistakes are found when the topology is checked.
    """
    options = {
        "outputs": outputs,
        "name": name,
        "par": par,
        "config": config,
        "threaded": threaded,
        "on_error": on_error,
        "state": state,
        "by": by,
        "max_in_flight": max_in_flight,
        "ordered": ordered,
        "timeout_secs": timeout_secs,
    }
    if callable(outputs) and not isinstance(outputs, type):
        return make_bolt(outputs, {**options, "outputs": None})
    return partial(_decorate, options)


def _decorate(options: Mapping[str, Any], function: Any) -> Any:
    return make_bolt(function, options)


def make_bolt(function: Any, options: Mapping[str, Any]) -> Any:
    """The component that stands for ``function``; ``options`` are the arguments of ``bolt``."""
    refuse_no_function("bolt", function)
    parameters = bolt_parameters(function, has_state=options["state"] is not None)
    body = class_body(function, options, parameters, make_bolt)
    state = options["state"]
    body["state"] = staticmethod(state) if callable(state) else state
    body["by"] = options["by"]
    for name in ("max_in_flight", "ordered", "timeout_secs"):
        body[name] = options[name]
    body["process"] = _process(function, parameters, body["outlet"], body["is_generator"])
    if options["ordered"]:
        body.pop("__slots__", None)  # the worker replaces emit in each instance
    return type(name_of(function), (FunctionBolt,), body)()


# One of these is chosen when the function is decorated, so that nothing is asked twice ------------


def _process(
    function: Callable[..., Any], parameters: Parameters, outlet: Outlet, yields: bool
) -> Callable[[Any, Tuple], Any]:
    if inspect.iscoroutinefunction(function):
        return _awaited(_caller(function, parameters), outlet)
    if inspect.isasyncgenfunction(function):
        return _each_awaited(_caller(function, parameters), outlet)
    if yields:
        return _each_of(_caller(function, parameters), outlet)
    if parameters.takes_one and not parameters.keywords and parameters.state_at is None:
        return _one_of_one(function, outlet)
    if parameters.takes_one and parameters.state_ends:
        return _one_of_one_with_state(function, outlet)
    return _one_of(_caller(function, parameters), outlet)


def _caller(
    function: Callable[..., Any], parameters: Parameters
) -> Callable[[FunctionBolt[..., Any], Tuple], Any]:
    """Calls ``function`` for a tuple, by the shortest way that its parameters allow."""
    if parameters.state_ends:
        if parameters.takes_tuple:
            return lambda self, tup: function(tup, self._state)
        if parameters.takes_one:
            return lambda self, tup: function(tup.values[0], self._state)
        return lambda self, tup: function(*tup.values, self._state)
    if parameters.keywords or parameters.state_at is not None:
        if parameters.takes_tuple:
            return lambda self, tup: self._call(tup)
        return lambda self, tup: self._call(*tup.values)
    if parameters.takes_tuple:
        return lambda self, tup: function(tup)
    if parameters.takes_one:
        return lambda self, tup: function(tup.values[0])
    return lambda self, tup: function(*tup.values)


def _each_of(
    call: Callable[[FunctionBolt[..., Any], Tuple], Any], outlet: Outlet
) -> Callable[[Any, Tuple], None]:
    bare, send, name = outlet.bare, _sender(outlet), outlet.name

    def process(self: FunctionBolt[..., Any], tup: Tuple) -> None:
        emit = self.emit
        for answer in call(self, tup):
            try:
                if type(answer) in bare:
                    emit((answer,))
                elif type(answer) is tuple:
                    emit(answer)
                else:
                    send(self, answer)
            except REFUSED as error:
                name(error)

    return process


def _one_of(
    call: Callable[[FunctionBolt[..., Any], Tuple], Any], outlet: Outlet
) -> Callable[[Any, Tuple], None]:
    bare, send, name = outlet.bare, _sender(outlet), outlet.name

    def process(self: FunctionBolt[..., Any], tup: Tuple) -> None:
        answer = call(self, tup)
        try:
            if type(answer) is tuple:
                self.emit(answer)
            elif type(answer) in bare:
                self.emit((answer,))
            elif answer is not None:
                send(self, answer)
        except REFUSED as error:
            name(error)

    return process


# The two below are `_one_of` with the call written out, which saves a tenth of the bolt's time.


def _one_of_one(function: Callable[..., Any], outlet: Outlet) -> Callable[[Any, Tuple], None]:
    bare, send, name = outlet.bare, _sender(outlet), outlet.name

    def process(self: FunctionBolt[..., Any], tup: Tuple) -> None:
        answer = function(tup.values[0])
        try:
            if type(answer) is tuple:
                self.emit(answer)
            elif type(answer) in bare:
                self.emit((answer,))
            elif answer is not None:
                send(self, answer)
        except REFUSED as error:
            name(error)

    return process


def _one_of_one_with_state(
    function: Callable[..., Any], outlet: Outlet
) -> Callable[[Any, Tuple], None]:
    bare, send, name = outlet.bare, _sender(outlet), outlet.name

    def process(self: FunctionBolt[..., Any], tup: Tuple) -> None:
        answer = function(tup.values[0], self._state)
        try:
            if type(answer) is tuple:
                self.emit(answer)
            elif type(answer) in bare:
                self.emit((answer,))
            elif answer is not None:
                send(self, answer)
        except REFUSED as error:
            name(error)

    return process


def _awaited(
    call: Callable[[FunctionBolt[..., Any], Tuple], Any], outlet: Outlet
) -> Callable[[Any, Tuple], Any]:
    send, name = _sender(outlet), outlet.name

    async def process(self: FunctionBolt[..., Any], tup: Tuple) -> None:
        answer = await call(self, tup)
        try:
            send(self, answer)
        except REFUSED as error:
            name(error)

    return process


def _each_awaited(
    call: Callable[[FunctionBolt[..., Any], Tuple], Any], outlet: Outlet
) -> Callable[[Any, Tuple], Any]:
    send, name = _sender(outlet), outlet.name

    async def process(self: FunctionBolt[..., Any], tup: Tuple) -> None:
        async for answer in call(self, tup):
            try:
                send(self, answer)
            except REFUSED as error:
                name(error)

    return process


def _sender(outlet: Outlet) -> Callable[[FunctionBolt[..., Any], Any], None]:
    """Emits an answer that needs a closer look."""

    def send(self: FunctionBolt[..., Any], answer: Any) -> None:
        if isinstance(answer, GeneratorType):  # of a function that a decorator hides
            for part in answer:
                send(self, part)
            return
        wanted = outlet.read(answer)
        if wanted is None:
            return
        if wanted.tup_id is not None:
            raise EmitError(
                f"{outlet.who} gave a tup_id, {wanted.tup_id!r}, to what a bolt emits",
                hint="only the tuples of a spout have one; a bolt's belong to its input",
            )
        self.emit(wanted.values, wanted.stream, None, wanted.direct_task)

    return send


def _inserting(function: Callable[..., Any], place: int, state: Any) -> Callable[..., Any]:
    return lambda *values: function(*values[:place], state, *values[place:])
