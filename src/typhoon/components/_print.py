"""``Print``: each tuple on standard output, for people."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from typhoon.topology import Bolt, Tuple


class Print(Bolt):
    """Writes one line per tuple to ``sys.stdout``, and emits nothing.

    ``format`` is a template, ``Print("{word}: {count}")``, with fields by name or by position, or a
    function of the tuple; without one the values stand side by side, as ``print(*values)`` has
    them. A tuple that cannot be written so fails, with an error.
    """

    def __init__(self, format: str | Callable[[Tuple], str] | None = None) -> None:  # noqa: A002 - as the method of str
        self.format = format

    def process_many(self, tups: Sequence[Tuple]) -> None:
        lines = []
        for tup in tups:
            try:
                lines.append(f"{self._line(tup)}\n")
            except Exception as error:
                self.report_error(error)
                self.fail(tup)
        sys.stdout.write("".join(lines))  # at once: other threads write, too
        sys.stdout.flush()

    def _line(self, tup: Tuple) -> str:
        if self.format is None:
            return " ".join(map(str, tup.values))
        if callable(self.format):
            return self.format(tup)
        return self.format.format(*tup.values, **dict(zip(tup.fields, tup.values, strict=True)))
