"""``JsonLines``: each tuple as one line of JSON, for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from typhoon.topology import Bolt, Tuple


class JsonLines(Bolt):
    """Appends one line of JSON per tuple to a file, or writes it to ``sys.stdout``; emits nothing.

    A line is an object of the tuple's fields; with ``fields=False`` a list of its values. What
    JSON has no form for is given to ``default``, which is ``str``. The lines of all tuples that
    wait are written together, before any of them is acked; lines of several tasks do not mix. A
    tuple that cannot be written as JSON fails, with an error.

    ``path`` is opened when the task starts, and made if there is no such file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        default: Callable[[Any], Any] = str,
        fields: bool = True,
    ) -> None:
        self.path = path
        self.default = default
        self.fields = fields

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        # Unbuffered: one write is one append, which the writes of other tasks cannot divide.
        self._file = None
        if self.path is not None:
            self._file = Path(self.path).open("ab", buffering=0)  # noqa: SIM115 - until close

    def process_many(self, tups: Sequence[Tuple]) -> None:
        lines = []
        for tup in tups:
            try:
                lines.append(self._line(tup))
            except Exception as error:
                self.report_error(error)
                self.fail(tup)
        text = "".join(lines)
        if self._file is None:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        left = text.encode()
        while left:
            left = left[self._file.write(left) :]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _line(self, tup: Tuple) -> str:
        values = tup.values
        whole = dict(zip(tup.fields, values, strict=True)) if self.fields else values
        return json.dumps(whole, ensure_ascii=False, default=self.default) + "\n"
