"""``--tap``: what a stream carries, one JSON line on stdout for each tuple."""

from __future__ import annotations

import difflib
import json
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from typhoon.cli._words import CommandLineError
from typhoon.topology import DEFAULT_STREAM, Bolt, ComponentSpec, Grouping, Subscription

if TYPE_CHECKING:
    from typhoon.metrics import Stats
    from typhoon.topology import TopologySpec, Tuple

TAP = "__tap"
"""The bolt that looks on; no author's component can have this id."""


class Tap(Bolt):
    """Hands each tuple that it takes in to ``write``, as a line; after ``limit`` lines no more.

    ``full`` is set after the last line, or when ``write`` raised: that is in ``error`` then.
    """

    def __init__(self, write: Callable[[str], None], limit: int | None = None) -> None:
        self.write = write
        self.left = math.inf if limit is None else limit
        self.full = threading.Event()
        self.error: OSError | None = None

    def process_many(self, tups: Sequence[Tuple]) -> None:
        shown = tups if len(tups) <= self.left else tups[: int(self.left)]
        self.left -= len(shown)
        try:
            if shown:
                self.write("".join(map(json_line, shown)))
        except OSError as error:  # whoever read our stdout has gone
            self.left, self.error = 0, error
        if self.left <= 0:
            self.full.set()

    def show(self, text: str) -> None:
        """Lines of the tap in another process."""
        if self.full.is_set():
            return
        try:
            self.write(text)
        except OSError as error:
            self.left, self.error = 0, error
        self.left -= text.count("\n")
        if self.left <= 0:
            self.full.set()

    def __reduce__(self) -> Any:
        """In another process it hands its lines to the supervisor, and so to this one."""
        return Tap, (_to_supervisor, None if self.left == math.inf else int(self.left))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tap:
        """Its task is the very object that the run looks at: there is one."""
        return self


def _to_supervisor(text: str) -> None:
    from typhoon.worker import TAPPED, tell_supervisor

    tell_supervisor(TAPPED, text)


def json_line(tup: Tuple) -> str:
    """The tuple as a JSON object by field name; what JSON has no form for, as its ``str``."""
    content = dict(zip(tup.fields, tup.values, strict=True))
    try:
        line = json.dumps(content, ensure_ascii=False, allow_nan=False, default=str)
        line.encode()
    except Exception:  # a key that is no string, NaN, a ring, half a character, a str() that raises
        line = json.dumps({name: _plain(value) for name, value in content.items()})
    return line + "\n"


def _plain(value: Any, depth: int = 20) -> Any:
    """``value`` with everything replaced that JSON lacks, however deep it lies."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth > 0 and isinstance(value, Mapping):
        return {_words(key): _plain(item, depth - 1) for key, item in value.items()}
    if depth > 0 and isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value]
    return _words(value)


def _words(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__}: {type(error).__name__} in its str()>"


def with_tap(spec: TopologySpec, taps: Iterable[str], tap: Tap) -> TopologySpec:
    """``spec`` with ``tap`` at each stream of ``taps``, written ``COMPONENT`` or
    ``COMPONENT:STREAM``. The stream's own bolts get what they get without it."""
    wanted = dict.fromkeys(_stream(spec, one) for one in taps)
    inputs = tuple(Subscription(*stream, Grouping.GLOBAL) for stream in wanted)
    bolt = ComponentSpec(id=TAP, kind="bolt", component=tap, inputs=inputs)
    return replace(spec, components={**spec.components, TAP: bolt})


def without_tap(stats: Stats) -> Stats:
    """The topology's own figures; in ``transferred`` the tap's copies stay counted."""
    return replace(
        stats,
        emitted={name: count for name, count in stats.emitted.items() if name != TAP},
        executed={name: count for name, count in stats.executed.items() if name != TAP},
        components=tuple(one for one in stats.components if one.id != TAP),
        processes=tuple(
            replace(one, components=tuple(name for name in one.components if name != TAP))
            for one in stats.processes
        ),
    )


def _stream(spec: TopologySpec, written: str) -> tuple[str, str]:
    """The component and stream that ``written`` means. An id may have a colon in it, too."""
    name, colon, stream = written.rpartition(":")
    if not colon or written in spec.components:
        name, stream = written, DEFAULT_STREAM
    component = spec.components.get(name)
    if component is None:
        raise CommandLineError(
            f"--tap {written}: there is no component '{name}'", hint=_near(name, spec.components)
        )
    if stream not in component.streams:
        raise CommandLineError(
            f"--tap {written}: '{name}' has no stream '{stream}'",
            hint=_near(stream, component.streams, f"{name}:"),
        )
    if component.streams[stream].direct:
        raise CommandLineError(
            f"--tap {written}: the stream is direct, so only the task that an emit names gets it",
            hint="tap what the bolt that takes it emits",
        )
    return name, stream


def _near(name: str, known: Iterable[str], before: str = "") -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return f"did you mean {before}{near[0]}?"
    return f"there is {', '.join(before + one for one in names)}"
