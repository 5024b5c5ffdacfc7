"""Python's debugger, holding the run while it talks."""

from __future__ import annotations

import pdb  # noqa: T100 - this is the place that is meant for it
import sys
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typhoon.cli._pause import Pause


class Debugger(pdb.Pdb):
    """``pdb`` on a component's thread. ``quit`` ends the run, and not only the call."""

    def __init__(self, pause: Pause) -> None:
        listen, talk = _terminal()
        super().__init__(stdin=listen, stdout=talk, nosigint=True)
        self._pause = pause

    def interaction(self, *args: Any, **kwargs: Any) -> None:
        with self._pause.held():
            if self.use_rawinput:  # a live table had taken the place of stdout
                self.stdout = sys.stdout
            super().interaction(*args, **kwargs)

    def set_quit(self) -> None:
        super().set_quit()
        self._pause.quit = True


@cache
def _terminal() -> tuple[IO[str] | None, IO[str] | None]:
    """Where to talk if standard input is no terminal (but data, say); None: as usual."""
    if sys.stdin is not None and sys.stdin.isatty():
        return None, None
    try:
        tty = Path("/dev/tty")
        return tty.open(encoding="utf-8"), tty.open("w", encoding="utf-8")
    except OSError:  # there is no terminal at all
        return None, None
