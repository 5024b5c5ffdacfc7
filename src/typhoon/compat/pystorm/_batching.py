"""pystorm's batching bolts, whose habits differ in small ways from ``typhoon.BatchingBolt``'s."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

from typhoon.compat.pystorm._bolt import Bolt
from typhoon.compat.pystorm.component import Tuple


class BatchingBolt(Bolt):
    """Collects tuples; processes them once **more than** ``ticks_between_batches`` ticks came.

    A tick counts on while there is nothing to process, so the first tuple after a quiet time is
    processed at the next tick.
    """

    auto_anchor = True
    auto_ack = True
    auto_fail = True
    ticks_between_batches = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._batches: dict[Hashable, list[Tuple]] = defaultdict(list)
        self._tick_counter = 0
        self._current_key: Hashable = None

    def group_key(self, tup: Tuple) -> Hashable:
        return None

    def process_batch(self, key: Hashable, tups: list[Tuple]) -> None:
        raise NotImplementedError

    def emit(self, tup: Sequence[Any], **kwargs: Any) -> None:  # type: ignore[override]
        """As a bolt's, but it never returns task ids."""
        kwargs["need_task_ids"] = False
        super().emit(tup, **kwargs)

    def process_tick(self, tick_tup: Tuple) -> None:
        self._tick_counter += 1
        if self._tick_counter > self.ticks_between_batches and self._batches:
            self.process_batches()
            self._tick_counter = 0

    def process_batches(self) -> None:
        for key in list(self._batches):
            tups = self._batches[key]
            self._current_key, self._current_tups = key, tups
            self.process_batch(key, tups)
            if self.auto_ack:
                self._settle_open(tups, self.ack)
            # Should a later batch raise, this one is not failed with it.
            self._current_key, self._batches[key] = None, []
        self._batches = defaultdict(list)

    def process(self, tup: Tuple) -> None:
        self._batches[self.group_key(tup)].append(tup)

    # What the host calls -------------------------------------------------------------------------

    def _take(self, tup: Tuple) -> None:
        self._current_tups = [tup]
        self.process(tup)
        self._current_tups = []

    def _give_up(self) -> None:
        """After an exception: fail the batch it was about; all of them, if the worker ends."""
        if self.auto_fail:
            for key, batch in list(self._batches.items()):
                if self.exit_on_exception or key == self._current_key:
                    self._settle_open(batch, self.fail)
            self._settle_open(self._current_tups, self.fail)
        self._batches[self._current_key] = []
        self._current_key = None
        self._current_tups = []

    def _holds(self) -> bool:
        return any(self._batches.values())

    def _make_due(self) -> None:
        """The next tick is the last: it has to process the batches."""
        self._tick_counter = self.ticks_between_batches


class TicklessBatchingBolt(BatchingBolt):
    """Processes its batches every ``secs_between_batches`` seconds, on the executor's thread."""

    auto_anchor = True
    auto_ack = True
    auto_fail = True
    secs_between_batches: float = 2

    def process_tick(self, tick_tup: Tuple) -> None:
        """Ticks are ignored."""

    def _take_tick(self, tup: Tuple) -> None:
        self.process_batches()
        self._current_tups = []
