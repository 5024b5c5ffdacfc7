"""Counts words, as a process that Storm talks to; runs where ``pystorm`` is installed."""

# pystorm is not there where the project is type-checked.
# mypy: disable-error-code="import-not-found, misc"

import json
from pathlib import Path
from typing import Any

from pystorm import Bolt, Tuple


class CountBolt(Bolt):
    """Counts words and emits nothing.

    A tuple of the component ``report`` names a folder: what has been counted so far is in a file of
    it, named by the task, before that tuple is acked.
    """

    def initialize(self, storm_conf: dict[str, Any], context: dict[str, Any]) -> None:
        self.counts: dict[str, int] = {}
        self.task = context["taskid"]

    def process(self, tup: Tuple) -> None:
        if tup.component == "report":
            Path(tup.values[0], f"{self.task}.json").write_text(json.dumps(self.counts))
            return
        word = tup.values[0]
        self.counts[word] = self.counts.get(word, 0) + 1


if __name__ == "__main__":
    CountBolt().run()
