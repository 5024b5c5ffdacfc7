"""The console of the live table, which the threads of components print to."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console

if TYPE_CHECKING:
    from threading import RLock


class SharedConsole(Console):
    """One thread at a time, from where it looks how high the table is to where all is written:
    else a line is written into a table that another has drawn meanwhile.

    Whoever calls ``rich.live.Live`` holds ``turn`` already, because that has a lock of its own.
    """

    def __init__(self, turn: RLock) -> None:
        super().__init__(stderr=True)
        self._turn = turn

    def __enter__(self) -> Self:
        self._turn.acquire()
        super().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._turn.release()
