"""``Restarts``: how soon a worker that asked for it is made anew, and how often. Pure."""

from __future__ import annotations

LASTING_S = 60.0
"""A worker that ran for so long has lasted: the ends before it are forgotten."""
BACK_OFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)
"""The pauses after ends in a row. One more end is too many."""


class Restarts:
    """``short`` is how many ends there were in a row after less than ``LASTING_S``."""

    def __init__(self) -> None:
        self.short = 0

    def pause(self, lasted_s: float) -> float | None:
        """After an end of a worker that ran for so long: the pause before its next start, in
        seconds; None if there is to be none."""
        self.short = 0 if lasted_s > LASTING_S else self.short + 1
        if self.short > len(BACK_OFF_S):
            return None
        return BACK_OFF_S[max(0, self.short - 1)]
