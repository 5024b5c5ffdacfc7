"""Checks what components declare to emit, and what bolts say they take in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args

from typhoon.topology._declaration import Blueprint, Declaration, Input, StreamOf
from typhoon.topology._mistakes import Mistakes, did_you_mean
from typhoon.topology._spec import Subscription
from typhoon.topology._stream import (
    DEAD_LETTER,
    DEFAULT_STREAM,
    Grouping,
    GroupingKind,
    Stream,
    record_fields,
)

KEYED = ("fields", "partial_key")
OUTPUTS_HINT = 'outputs is a list of field names: outputs = ["word"]'


def output_streams(who: str, outputs: Any, mistakes: Mistakes) -> dict[str, Stream] | None:
    """The streams that ``outputs`` declares, by name; None where it cannot be told."""
    parts = _parts(who, outputs, mistakes)
    if parts is None:
        return None
    names = tuple(part for part in parts if not isinstance(part, Stream))
    streams = [part for part in parts if isinstance(part, Stream)]
    if names:
        streams.insert(0, Stream(names))
    found: dict[str, Stream] = {}
    for stream in streams:
        if not _is_sound(who, stream, mistakes):
            return None
        if stream.name in found:
            hint = "one Stream for each name; field names by themselves are the stream 'default'"
            mistakes.add(f"{who} declares stream {stream.name!r} twice", hint)
        found[stream.name] = stream
    return found


def _parts(who: str, outputs: Any, mistakes: Mistakes) -> tuple[Any, ...] | None:
    if outputs is None:
        return ()
    if isinstance(outputs, Stream):
        return (outputs,)
    if isinstance(outputs, list | tuple):
        return tuple(outputs)
    if isinstance(outputs, type) and (fields := record_fields(outputs)):
        return fields
    hint = f'did you mean outputs = ["{outputs}"]?' if isinstance(outputs, str) else OUTPUTS_HINT
    mistakes.add(f"{who}: outputs is {outputs!r}, which is no list of field names", hint)
    return None


def _is_sound(who: str, stream: Stream, mistakes: Mistakes) -> bool:
    before = len(tuple(mistakes))
    name: Any = stream.name
    if not isinstance(name, str) or not name:
        mistakes.add(
            f"{who}: a stream's name must be a str of at least one letter, not {stream.name!r}",
            'name it: Stream(["field"], name="late")',
        )
        return False
    if stream.name.startswith("__"):
        mistakes.add(
            f"{who}: stream {stream.name!r}: names that begin with '__' are typhoon's own",
            f"{stream.name.strip('_') or 'other'!r} is free",
        )
    direct: Any = stream.direct
    if not isinstance(direct, bool):
        hint = "Stream(fields, direct=True), or leave direct out"
        mistakes.add(f"{who}: stream {name!r}: direct must be True or False", hint)
    fields: Any = stream.fields
    if not isinstance(fields, tuple):
        hint = f'did you mean Stream(["{fields}"])?' if isinstance(fields, str) else OUTPUTS_HINT
        mistakes.add(f"{who}: the fields of stream {stream.name!r} are {fields!r}, no list", hint)
        return False
    for field in fields:
        if not isinstance(field, str) or not field:
            mistakes.add(f"{who}: stream {stream.name!r}: {field!r} is no field name", OUTPUTS_HINT)
        elif fields.count(field) > 1:
            mistakes.add(
                f"{who}: stream {stream.name!r} has the field {field!r} more than once",
                "the fields of a stream have names of their own",
            )
    return len(tuple(mistakes)) == before


class Wiring:
    """Resolves the inputs of bolts against the streams of all components of one topology.

    ``streams`` has None for a component whose outputs are themselves a mistake: one mistake is
    told once, not again by everyone who takes from it.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        streams: Mapping[str, Mapping[str, Stream] | None],
        mistakes: Mistakes,
    ) -> None:
        self._ids = blueprint.ids
        self._streams = streams
        self._mistakes = mistakes

    def subscriptions(self, bolt: str, inputs: Any, default: Grouping) -> tuple[Subscription, ...]:
        """What ``bolt`` takes in; mistakes are noted and left out."""
        if not inputs:
            hint = "inputs=[...] in spec(), or a grouping's method of the builder"
            self._mistakes.add(f"bolt {bolt!r} has no inputs, so it would never be called", hint)
            return ()
        found: dict[tuple[str, str], Subscription] = {}
        for source, grouping in self._pairs(bolt, inputs, default):
            place = self._place(bolt, source)
            sound = self._is_grouping(bolt, grouping)
            if place is None or not sound:
                continue
            self._check_fit(bolt, place, grouping)
            if place in found:
                self._mistakes.add(
                    f"bolt {bolt!r} takes stream {place[1]!r} of {place[0]!r} twice",
                    "one grouping per stream; a second bolt can take it another way",
                )
            found[place] = Subscription(*place, grouping)
        return tuple(found.values())

    def with_fields(
        self, inputs: Iterable[Subscription]
    ) -> Iterator[tuple[Subscription, tuple[str, ...]]]:
        """Each of ``inputs`` with the fields of its stream, but for streams that are mistakes."""
        for one in inputs:
            known = self._streams[one.component]
            if one.stream == DEAD_LETTER.name:
                yield one, DEAD_LETTER.fields
            elif known is not None:
                yield one, known[one.stream].fields

    def _pairs(self, bolt: str, inputs: Any, default: Grouping) -> Iterator[tuple[Any, Any]]:
        if isinstance(inputs, Mapping):
            yield from inputs.items()
        elif isinstance(inputs, Input | Declaration | StreamOf | str):
            yield from self._pairs(bolt, (inputs,), default)
        elif isinstance(inputs, list | tuple | set | frozenset):
            for source in inputs:
                grouped = isinstance(source, Input)
                yield (source, source.grouping) if grouped else (source, default)
        else:
            self._mistakes.add(
                f"bolt {bolt!r}: inputs is {_named(inputs)}",
                "inputs is what spec() of another component returned, a list or a dict of such",
            )

    def _place(self, bolt: str, source: Any) -> tuple[str, str] | None:
        """The component and the stream that ``source`` means, if they exist."""
        component, stream = self._meant(source)
        if component is None:
            self._mistakes.add(
                f"bolt {bolt!r} takes from {_named(source)}, which is not in the topology",
                "assign what spec() returns to an attribute of the topology, and name that",
            )
            return None
        if component not in self._streams:
            self._mistakes.add(
                f"bolt {bolt!r} takes from {component!r}, which is not in the topology",
                did_you_mean(component, self._streams),
            )
            return None
        known = self._streams[component]
        if known is not None and stream not in known and stream != DEAD_LETTER.name:
            if known:
                text, hint = f"declares {list(known)}", did_you_mean(stream, known)
            else:
                text, hint = "declares no outputs", f"give {component!r} outputs"
            self._mistakes.add(
                f"bolt {bolt!r} takes stream {stream!r} of {component!r}, which {text}", hint
            )
            return None
        return component, stream

    def _meant(self, source: Any) -> tuple[Any, Any]:
        if isinstance(source, Declaration):
            return self._ids.get(source), DEFAULT_STREAM
        if isinstance(source, StreamOf):
            return self._ids.get(source.declaration), source.stream
        if isinstance(source, Input):
            component, stream = source.component, source.stream
            return self._ids.get(component, component) if _is_key(component) else None, stream
        if isinstance(source, str):
            component, colon, stream = source.rpartition(":")
            if colon and source not in self._streams and component in self._streams:
                return component, stream
            return source, DEFAULT_STREAM
        return None, None

    def _is_grouping(self, bolt: str, grouping: Any) -> bool:
        if isinstance(grouping, Grouping) and grouping.kind in get_args(GroupingKind):
            if grouping.kind == "custom":
                self._check_custom(bolt, grouping.object)
            return True
        hint = _grouping_hint(grouping)
        self._mistakes.add(f"bolt {bolt!r}: {_named(grouping)} is no Grouping", hint)
        return False

    def _check_fit(self, bolt: str, place: tuple[str, str], grouping: Grouping) -> None:
        """Note where a stream and its grouping do not go together."""
        component, name = place
        known = self._streams[component]
        if known is None:
            return
        stream = DEAD_LETTER if name == DEAD_LETTER.name else known[name]
        if stream.direct != (grouping.kind == "direct"):
            self._mistakes.add(
                f"bolt {bolt!r}: stream {name!r} of {component!r} is "
                f"{'' if stream.direct else 'not '}direct, but the grouping is {grouping!r}",
                "use Grouping.DIRECT" if stream.direct else "declare it Stream(..., direct=True)",
            )
        if grouping.kind in KEYED:
            self._check_names(bolt, component, stream, grouping)

    def _check_names(self, bolt: str, component: str, stream: Stream, grouping: Grouping) -> None:
        if not grouping.names:
            self._mistakes.add(
                f"bolt {bolt!r} groups by no field: Grouping.{grouping.kind}() names none",
                f"{component!r} emits {list(stream.fields)}",
            )
        names: tuple[Any, ...] = grouping.names
        for field in names:
            if field not in stream.fields:
                where = "" if stream.name == DEFAULT_STREAM else f" on stream {stream.name!r}"
                example = ", ".join(map(repr, stream.fields[:2]))
                self._mistakes.add(
                    f"bolt {bolt!r} groups by field {field!r}, "
                    f"but {component!r} emits {list(stream.fields)}{where}",
                    did_you_mean(field, stream.fields)
                    if isinstance(field, str)
                    else f"Grouping.{grouping.kind}({example})",
                )

    def _check_custom(self, bolt: str, chooser: Any) -> None:
        if isinstance(chooser, type):
            name = chooser.__name__
            self._mistakes.add(
                f"bolt {bolt!r}: Grouping.custom needs an object", f"Grouping.custom({name}())"
            )
            return
        refusal = getattr(chooser, "refusal", None)
        if isinstance(refusal, str):
            cause, _, hint = refusal.partition("\nhint: ")
            self._mistakes.add(f"bolt {bolt!r}: {cause}", hint)
        for method in ("prepare", "choose_tasks"):
            if not callable(getattr(chooser, method, None)):
                self._mistakes.add(
                    f"bolt {bolt!r}: custom grouping {_named(chooser)} has no method {method!r}",
                    "it needs prepare(context, stream, target_tasks) and "
                    "choose_tasks(source_task, values) -> list of task ids",
                )


def _is_key(value: Any) -> bool:
    return isinstance(value, str | Declaration)


def _named(thing: Any) -> str:
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    return repr(thing)


def _grouping_hint(grouping: Any) -> str:
    unfinished: dict[Callable[..., Grouping], str] = {
        Grouping.fields: "Grouping.fields('word')",
        Grouping.partial_key: "Grouping.partial_key('word')",
        Grouping.custom: "Grouping.custom(object)",
    }
    if isinstance(grouping, str):
        if grouping in KEYED:
            return f"Grouping.{grouping}('word')"
        if grouping in get_args(GroupingKind) and grouping != "custom":
            return f"Grouping.{grouping.upper()}"
        return f"did you mean Grouping.fields({grouping!r})?"
    if callable(grouping) and not isinstance(grouping, type) and grouping in unfinished:
        return f"call it: {unfinished[grouping]}"
    return "one of Grouping.SHUFFLE, Grouping.fields(...), Grouping.GLOBAL, ..."
