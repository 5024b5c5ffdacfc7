"""pystorm's plain bolt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from typhoon.compat.pystorm.component import Component, Tuple


class Bolt(Component):
    """A bolt as pystorm has it: one tuple at a time, anchored, acked and failed by itself."""

    auto_anchor = True
    auto_ack = True
    auto_fail = True

    # Of the class, as theirs is; it is replaced and never changed.
    _current_tups: list[Tuple] = []  # noqa: RUF012

    @staticmethod
    def is_tick(tup: Tuple) -> bool:
        return tup.component == "__system" and tup.stream == "__tick"

    def process(self, tup: Tuple) -> None:
        raise NotImplementedError

    def process_tick(self, tup: Tuple) -> None:
        """Called at each tick; a plain bolt does nothing."""

    def emit(  # type: ignore[override]  # a bolt's has no tup_id
        self,
        tup: Sequence[Any],
        stream: str | None = None,
        anchors: Iterable[Any] | None = None,
        direct_task: int | None = None,
        need_task_ids: bool = False,
    ) -> list[int] | None:
        if anchors is None:
            anchors = self._current_tups if self.auto_anchor else []
        return super().emit(
            tup,
            stream=stream,
            anchors=anchors,
            direct_task=direct_task,
            need_task_ids=need_task_ids,
        )

    def ack(self, tup: Tuple | str) -> None:
        self._hosted("ack").settle(tup, "ack")

    def fail(self, tup: Tuple | str) -> None:
        self._hosted("fail").settle(tup, "fail")

    # What the host calls -------------------------------------------------------------------------

    def _take(self, tup: Tuple) -> None:
        self._current_tups = [tup]
        self.process(tup)
        if self.auto_ack:
            self._settle_open([tup], self.ack)
        self._current_tups = []

    def _take_tick(self, tup: Tuple) -> None:
        self._current_tups = [tup]
        self.process_tick(tup)
        self._current_tups = []

    def _give_up(self) -> None:
        """After an exception: fail what it was about, and forget it."""
        if self.auto_fail:
            self._settle_open(self._current_tups, self.fail)
        self._current_tups = []

    def _settle_open(self, tups: Iterable[Tuple], settle: Any) -> None:
        for tup in tups:
            if not getattr(tup, "settled", False):
                settle(tup)
