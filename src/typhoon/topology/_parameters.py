"""What a decorated function takes, read from its signature once, when it is decorated."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, NamedTuple

SURROUNDINGS = ("conf", "context")
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Parameters(NamedTuple):
    """``least`` to ``most`` values go in by position; ``most`` is None for any number.

    ``takes_tuple``: one parameter, called ``tup``, gets the Tuple instead. ``keywords`` are those
    of state, conf and context that it takes by name. ``state_at`` is the position of ``state``
    where values follow it, so that it cannot go in by name; ``state_ends`` says that it closes a
    row of parameters which are all needed. ``unmet`` are parameters that nobody gives a value.
    """

    shown: str
    least: int
    most: int | None
    takes_tuple: bool
    keywords: tuple[str, ...]
    state_at: int | None
    state_ends: bool
    unmet: tuple[str, ...]

    @property
    def takes_one(self) -> bool:
        """Exactly one value, and it is needed."""
        return not self.takes_tuple and self.least == 1 and self.most == 1

    @property
    def takes_state(self) -> bool:
        return "state" in self.keywords or self.state_at is not None


def bolt_parameters(function: Callable[..., Any], *, has_state: bool) -> Parameters:
    """The fields by position; ``state`` by its name where there is one; conf, context by keyword.

    A positional ``conf`` or ``context`` is a field like any other.
    """
    shown, every = _parameters(function)
    state = next((one for one in every if has_state and one.name == "state"), None)
    row = [one for one in every if one.kind in POSITIONAL]
    values = [one for one in row if one is not state]
    rest = any(one.kind is Parameter.VAR_POSITIONAL for one in every)
    only = [one for one in every if one.kind is Parameter.KEYWORD_ONLY and one is not state]
    keywords = tuple(one.name for one in only if one.name in SURROUNDINGS)
    least = sum(one.default is Parameter.empty for one in values)
    state_at = state_ends = None
    if state is not None and state in row:
        before = row.index(state)
        by_place = before < len(values) or rest or state.kind is Parameter.POSITIONAL_ONLY
        state_at = before if by_place else None
        state_ends = not by_place and least == len(values) and not keywords
    if state is not None and state_at is None:
        keywords = (*keywords, "state")
    return Parameters(
        shown=shown,
        least=least,
        most=None if rest else len(values),
        takes_tuple=[one.name for one in values] == ["tup"] and not rest,
        keywords=keywords,
        state_at=state_at,
        state_ends=bool(state_ends),
        unmet=_unmet(one for one in only if one.name not in SURROUNDINGS),
    )


def spout_parameters(function: Callable[..., Any]) -> Parameters:
    """``conf`` and ``context`` by their names; nothing else is passed."""
    shown, every = _parameters(function)
    named = [one for one in every if one.kind in (*POSITIONAL, Parameter.KEYWORD_ONLY)]
    given = [
        one
        for one in named
        if one.name in SURROUNDINGS and one.kind is not Parameter.POSITIONAL_ONLY
    ]
    return Parameters(
        shown=shown,
        least=0,
        most=0,
        takes_tuple=False,
        keywords=tuple(one.name for one in given),
        state_at=None,
        state_ends=False,
        unmet=_unmet(one for one in named if one not in given),
    )


def is_generator(function: Callable[..., Any], *, hidden: bool = False) -> bool:
    """Whether calling it gives a generator; ``hidden``: also where another function stands before
    it, as a decorator's with ``functools.wraps``."""
    return inspect.isgeneratorfunction(inspect.unwrap(function) if hidden else function)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine, or an asynchronous generator."""
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def needs_arguments(factory: Callable[..., Any]) -> bool:
    """Whether it is known that ``factory()`` cannot work."""
    try:
        inspect.signature(factory).bind()
    except TypeError:
        return True
    except ValueError:  # written in C, and silent about it
        return False
    return False


def _parameters(function: Callable[..., Any]) -> tuple[str, list[Parameter]]:
    name = getattr(function, "__name__", type(function).__name__)
    try:
        signature = inspect.signature(function)
    except ValueError:  # written in C, and silent about it: it will have to take what comes
        return f"{name}(...)", [Parameter("values", Parameter.VAR_POSITIONAL)]
    parameters = list(signature.parameters.values())
    bare = [one.replace(annotation=Parameter.empty) for one in parameters]
    return f"{name}{inspect.Signature(bare)}", parameters


def _unmet(parameters: Any) -> tuple[str, ...]:
    return tuple(one.name for one in parameters if one.default is Parameter.empty)
