"""What streamparse lets a topology declare and typhoon cannot run; each says what to do instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from typhoon.errors import InvalidTopologyError
from typhoon.topology import Bolt, Spout, Stream

INSTEAD = {
    "Java": "runs on the JVM, which typhoon has none of\n"
    "hint: write it as a {base} in Python; typhoon.native has ready-made ones",
    "shell": "is started as a command, which typhoon does not do\n"
    "hint: write it as a {base} in Python that talks to the command",
}


class _Refused:
    """Stands in a topology for a component that cannot run."""

    base: str

    def __init__(self, what: str, outputs: Iterable[Stream]) -> None:
        self.what = what
        vars(self)["outputs"] = list(outputs)

    @property
    def refusal(self) -> str:
        """Why it cannot run, and the next step."""
        return f"a {self.what} component {INSTEAD[self.what].format(base=self.base)}"


class RefusedBolt(_Refused, Bolt):
    """A bolt in Java, or in another language than Python."""

    base = "Bolt"

    def process(self, tup: Any) -> None:
        raise InvalidTopologyError([self.refusal])


class RefusedSpout(_Refused, Spout):
    """A spout in Java, or in another language than Python."""

    base = "Spout"

    def next_tuple(self) -> None:
        raise InvalidTopologyError([self.refusal])


class JavaGrouping:
    """A grouping by a Java class: known by name, refused when the topology is to run."""

    def __init__(self, name: str) -> None:
        self.name = name

    def prepare(self, _context: Any, stream: Any, _target_tasks: Sequence[int]) -> None:
        raise InvalidTopologyError([self.refusal])

    def choose_tasks(self, _source_task: int, _values: Sequence[Any]) -> list[int]:
        raise InvalidTopologyError([self.refusal])

    @property
    def refusal(self) -> str:
        """Why it cannot run, and the next step."""
        return (
            f"the custom grouping {self.name} is Java's, and typhoon has no JVM\n"
            "hint: Grouping.fields(...), or typhoon's Grouping.custom with an object in Python"
        )
