"""``Running``: one engine of a worker and its plan, as they are asked and told while it runs."""

from __future__ import annotations

from typing import Any, NamedTuple

from typhoon._core import Engine
from typhoon.worker._plan import EnginePlan
from typhoon.worker._progress import Progress


class Running(NamedTuple):
    """All of it may be called from any thread."""

    engine: Engine
    plan: EnginePlan

    def progress(self) -> Progress:
        """How far it is; nothing is looked up while it is at work."""
        engine = self.engine
        stamp = engine.quiet()
        if stamp is None:
            return Progress()
        ended = engine.ended()
        exhausted = all(one.shell is not None and one.shell.has_ended for one in self.plan.spouts)
        pending = sum(figures["pending"] for figures in engine.figures())
        return Progress(stamp, ended, exhausted, pending, tuple(engine.counts()))

    def hurry(self) -> None:
        """Nothing more will come: batches need not wait for their time."""
        for planned in self.plan.executors:
            if planned.shell is not None and planned.shell.hurry():
                self.engine.tick(planned.number)

    def ticking(self) -> list[str]:
        """The components that have ticks, down-stream."""
        ticking = [one.spec.id for one in self.plan.executors if one.tick is not None]
        return list(dict.fromkeys(ticking))

    def tick(self, component: str) -> None:
        """One last tick for the tasks of ``component``, if it has any here."""
        for planned in self.plan.of(component):
            if planned.tick is not None:
                if planned.shell is not None:
                    planned.shell.hurry()
                self.engine.tick(planned.number)

    def pending(self, most: int) -> list[Any]:
        """Names (tup_ids) of pending tuples, the oldest first."""
        spouts = [one for one in self.plan.spouts if one.shell is not None]
        names = [name for one in spouts for name in self.engine.pending(one.number, 1.0)[:most]]
        return names[:most]

    def unsettled(self) -> list[int]:
        """The first tasks of spout executors that have something pending, or to replay."""
        every = self.engine.figures()
        return [
            one.executor.first
            for one in self.plan.spouts
            if one.shell is not None and (every[one.number]["pending"] or one.shell.keeps)
        ]
