"""``@spout``: a spout that is one function."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import partial
from itertools import repeat, starmap
from types import GeneratorType
from typing import TYPE_CHECKING, Any, ClassVar, overload

from typhoon._core import SpoutBase
from typhoon.topology._emit import REFUSED, Emit, Outlet
from typhoon.topology._functions import Decorated, P, R, class_body, name_of, refuse_no_function
from typhoon.topology._parameters import is_generator, spout_parameters
from typhoon.topology._spout import Emitted, ReliableSpout
from typhoon.topology._stream import Stream

if TYPE_CHECKING:
    from typhoon.topology._spec import OnError


class FunctionSpout(Decorated[P, R], ReliableSpout):
    """A spout that emits what a generator yields, or what a function returns each time.

    Reliable ones name each tuple by the function and a running number, as ``("lines", 17)``.
    """

    __slots__ = ("_items", "_source")

    reliable: ClassVar[bool]

    unacked_tuples: dict[Hashable, Any]
    """Also bare values, to be emitted again on the default stream."""

    _items: Iterator[tuple[int, Any]]
    _source: Any

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        """Begin the generator; nothing of its body runs yet."""
        given = {"conf": conf, "context": context}
        named = {name: given[name] for name in self.parameters.keywords}
        call = partial(type(self).__wrapped__, **named)
        self._source = call() if self.is_generator else starmap(call, repeat(()))
        self._items = enumerate(self._source, start=1)

    def close(self) -> None:
        """Close the generator, so that what it opened is closed."""
        if isinstance(self._source, GeneratorType):
            self._source.close()

    @property
    def broken(self) -> str | None:
        """Why this task cannot have given all its data. A function that raised is called again, a
        generator cannot be."""
        if not isinstance(self._source, GeneratorType) or self._source.gi_frame is not None:
            return None
        return f"{self.outlet.who} raised, and a generator that raised is over"

    def _replay(self, tup_id: Hashable, count: int, limit: int, story: str) -> None:
        kept = self.unacked_tuples[tup_id]
        if not isinstance(kept, Emitted):
            self.unacked_tuples[tup_id] = Emitted(kept)
        super()._replay(tup_id, count, limit, story)

    def _send(self, wanted: Emit, number: int) -> None:
        """Emit what says more than its values."""
        tup_id = wanted.tup_id
        if self.reliable:
            tup_id = (type(self).__name__, number) if tup_id is None else tup_id
            self.emit(wanted.values, tup_id, wanted.stream, wanted.direct_task)
        else:
            SpoutBase.emit(self, wanted.values, tup_id, wanted.stream, wanted.direct_task)


@overload  # a type is callable too, but is given by name: outputs=WordCount
def spout(  # type: ignore[overload-overlap]
    outputs: Callable[P, R], /
) -> FunctionSpout[P, R]: ...


@overload
def spout(
    outputs: Iterable[str | Stream] | Stream | type | None = None,
    name: str | None = None,
    par: int | Mapping[str, int] = 1,
    config: Mapping[str, Any] | None = None,
    reliable: bool = True,
    max_fails: int = 3,
    threaded: bool = False,
    on_error: OnError = "fail",
) -> Callable[[Callable[P, R]], FunctionSpout[P, R]]: ...


def spout(
    outputs: Any = None,
    name: str | None = None,
    par: int | Mapping[str, int] = 1,
    config: Mapping[str, Any] | None = None,
    reliable: bool = True,
    max_fails: int = 3,
    threaded: bool = False,
    on_error: OnError = "fail",
) -> Any:
    """Make a spout of the function that follows.

        @spout(outputs=["line"])
        def lines(conf):
            with open(conf["input.path"], encoding="utf-8") as text:
                yield from text

    A generator is begun once per task, and asked for one item at a time; its end means that the
    task has no more data. Any other function is called for each item, again and again until it
    raises ``StopIteration``: to emit what a list holds, once, ``yield from`` it. Parameters called
    ``conf`` and ``context`` get those of ``Spout.initialize``.

    An item is one tuple: a tuple or a list of values, an object of the type given as ``outputs``,
    for a stream of one field any other object as its value, or an ``Emit``. None means that there
    is nothing just now: the spout is asked again soon.

    Each item is kept until it is fully processed, and emitted again up to ``max_fails`` times when
    it fails, as by ``ReliableSpout``; with ``reliable=False`` it is sent and forgotten. ``name`` is
    the component's id where ``spec`` gives none; ``par``, ``config``, ``threaded`` and ``on_error``
    are as the attributes of a ``Spout``. What comes back has ``spec`` as a Spout, and called it is
    the plain function. Mistakes are found when the topology is checked.
    """
    options = {
        "outputs": outputs,
        "name": name,
        "par": par,
        "config": config,
        "reliable": reliable,
        "max_fails": max_fails,
        "threaded": threaded,
        "on_error": on_error,
    }
    if callable(outputs) and not isinstance(outputs, type):
        return make_spout(outputs, {**options, "outputs": None})
    return partial(_decorate, options)


def _decorate(options: Mapping[str, Any], function: Any) -> Any:
    return make_spout(function, options)


def make_spout(function: Any, options: Mapping[str, Any]) -> Any:
    """The component that stands for ``function``; ``options`` are the arguments of ``spout``."""
    refuse_no_function("spout", function)
    body = class_body(function, options, spout_parameters(function), make_spout)
    body["is_generator"] = is_generator(function, hidden=True)
    body["reliable"] = options["reliable"]
    body["max_fails"] = options["max_fails"]
    name, outlet = name_of(function), body["outlet"]
    body["next_tuple"] = _tracked(name, outlet) if options["reliable"] else _untracked(outlet)
    return type(name, (FunctionSpout,), body)()


def _tracked(named: str, outlet: Outlet) -> Callable[[Any], None]:
    bare, read, name, emit = outlet.bare, outlet.read, outlet.name, SpoutBase.emit

    def next_tuple(self: FunctionSpout[..., Any]) -> None:
        number, item = next(self._items)
        try:
            if type(item) in bare:
                values: Any = (item,)
            elif type(item) is tuple:
                values = item
            else:
                wanted = read(item)
                if wanted is not None:
                    self._send(wanted, number)
                return
            # As ReliableSpout.emit, without what only a look at the arguments tells.
            tup_id = (named, number)
            kept = self.unacked_tuples
            kept[tup_id] = values
            try:
                emit(self, values, tup_id=tup_id)
            except BaseException:
                kept.pop(tup_id, None)
                raise
        except REFUSED as error:
            name(error)

    return next_tuple


def _untracked(outlet: Outlet) -> Callable[[Any], None]:
    bare, read, name, emit = outlet.bare, outlet.read, outlet.name, SpoutBase.emit

    def next_tuple(self: FunctionSpout[..., Any]) -> None:
        number, item = next(self._items)
        try:
            if type(item) in bare:
                emit(self, (item,))
            elif type(item) is tuple:
                emit(self, item)
            elif (wanted := read(item)) is not None:
                self._send(wanted, number)
        except REFUSED as error:
            name(error)

    return next_tuple
