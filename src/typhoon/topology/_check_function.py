"""Checks what can only be wrong with a component that is a function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from typhoon.topology._function_bolt import FunctionBolt
from typhoon.topology._function_spout import FunctionSpout
from typhoon.topology._mistakes import Mistakes
from typhoon.topology._parameters import SURROUNDINGS, Parameters, is_async, needs_arguments
from typhoon.topology._spec import Subscription
from typhoon.topology._stream import DEFAULT_STREAM
from typhoon.topology._validate import check_flag


def check_function(
    who: str,
    component: Any,
    inputs: Iterable[tuple[Subscription, Sequence[str]]],
    mistakes: Mistakes,
) -> None:
    """Note what is wrong with ``component`` if it is a function.

    ``inputs`` are its subscriptions, each with the fields of its stream.
    """
    if not isinstance(component, FunctionBolt | FunctionSpout):
        return
    parameters, function = component.parameters, component.__wrapped__
    if is_async(function) and isinstance(component, FunctionSpout):
        mistakes.add(
            f"{who}: the function {parameters.shown} is async, which a spout's cannot be",
            f"write def {parameters.shown}; a spout that waits says threaded=True",
        )
    if not component.outlet.fields and component.outputs is None:
        _check_silence(who, component, mistakes)
    if isinstance(component, FunctionSpout):
        _check_spout(who, component, mistakes)
        return
    _check_state(who, component, mistakes)
    for name in parameters.unmet:
        mistakes.add(
            f"{who}: nothing is passed for {name!r} of {parameters.shown}",
            "what follows a * may be state, conf and context, or has a default",
        )
    for subscription, fields in inputs:
        _check_count(who, parameters, subscription, fields, mistakes)


def _check_silence(who: str, component: Any, mistakes: Mistakes) -> None:
    """Without outputs nothing can be emitted, which only a bolt that returns None may mean."""
    if isinstance(component, FunctionSpout) or component.is_generator:
        decorator = "spout" if isinstance(component, FunctionSpout) else "bolt"
        mistakes.add(
            f"{who}: {component.parameters.shown} emits, but declares no outputs",
            f'name the fields of a tuple: @{decorator}(outputs=["field"])',
        )


def _check_spout(who: str, component: FunctionSpout[..., Any], mistakes: Mistakes) -> None:
    for name in component.parameters.unmet:
        mistakes.add(
            f"{who}: nothing is passed for {name!r} of {component.parameters.shown}",
            f"a spout's function may take {' and '.join(SURROUNDINGS)}: what varies is read there",
        )
    check_flag(who, "reliable", component.reliable, mistakes)
    most: Any = component.max_fails
    if not isinstance(most, int) or isinstance(most, bool) or most < 0:
        mistakes.add(
            f"{who}: max_fails must be a whole number of at least 0, not {most!r}",
            "how often an item is emitted again after it failed, as in max_fails=3",
        )


def _check_state(who: str, component: FunctionBolt[..., Any], mistakes: Mistakes) -> None:
    state: Any = type(component).state
    shown = component.parameters.shown
    if state is None:
        return
    if not callable(state):
        mistakes.add(
            f"{who}: state={state!r} cannot be called, but each task needs an object of its own",
            f"state={type(state).__name__}, or a function that makes one",
        )
    elif needs_arguments(state):
        name = getattr(state, "__name__", repr(state))
        mistakes.add(
            f"{who}: state={name} cannot be called without arguments, as each task does",
            f"state=lambda: {name}(...)",
        )
    if not component.parameters.takes_state:
        mistakes.add(
            f"{who}: {shown} has no parameter 'state' for what state= makes",
            "add the parameter, or leave state= out",
        )


def _check_count(
    who: str,
    parameters: Parameters,
    subscription: Subscription,
    fields: Sequence[str],
    mistakes: Mistakes,
) -> None:
    """A stream's values go in by position: there must be a parameter for each, and no other."""
    if parameters.takes_tuple:
        return
    given, (least, most) = len(fields), (parameters.least, parameters.most)
    if least <= given and (most is None or given <= most):
        return
    stream = subscription.stream
    where = "" if stream == DEFAULT_STREAM else f" on stream {stream!r}"
    names = [name if name.isidentifier() else "_" for name in fields]
    if parameters.takes_state:
        names.append("state")
    function = parameters.shown.partition("(")[0]
    mistakes.add(
        f"{who}: {parameters.shown} takes {_amount(least, most)}, "
        f"but {subscription.component!r} emits {list(fields)}{where}",
        f"one parameter for each field: def {function}({', '.join(names)}); "
        "a single one called tup gets the Tuple",
    )


def _amount(least: int, most: int | None) -> str:
    if most is None:
        return f"{least} or more values"
    if least == most:
        return f"{least} value{'' if least == 1 else 's'}"
    return f"{least} to {most} values"
