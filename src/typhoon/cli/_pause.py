"""What ``breakpoint()`` stops while a person looks around: the table, the time, the watchdog."""

from __future__ import annotations

import ast
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typhoon.cli._view import View

OURS = {"", "pdb.set_trace"}
"""What ``PYTHONBREAKPOINT`` says where Python's own debugger is meant."""
NOT_OURS = {"site-packages", "node_modules", "__pycache__"}


class Pause:
    """One for each run. A debugger calls ``held`` on the thread of the component that it stopped;
    one debugger at a time has the terminal."""

    def __init__(self) -> None:
        self.view: View | None = None
        self.standing = False
        self.quit = False
        """The person wants no more of the run."""
        self._held_s = 0.0
        self._since = 0.0
        self._terminal = threading.Lock()

    @property
    def held_s(self) -> float:
        """How long debuggers have stood so far, in seconds."""
        return self._held_s + (time.monotonic() - self._since if self.standing else 0.0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Until the block ends a debugger talks to the person."""
        with self._terminal:
            self._since, self.standing = time.monotonic(), True
            if self.view is not None:
                self.view.pause()
            try:
                yield
            finally:
                self._held_s, self.standing = self.held_s, False
                if self.view is not None:
                    self.view.resume()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """In the block, ``breakpoint()`` on any thread opens a debugger that holds the run.

        A debugger chosen by ``PYTHONBREAKPOINT`` is left alone, and holds nothing.
        """
        if _chosen() not in OURS:
            yield
            return
        watchdog, before = logging.getLogger("typhoon.worker"), sys.breakpointhook
        terminal = terminal_settings()
        watchdog.addFilter(self._is_worth_saying)
        sys.breakpointhook = self._hook
        try:
            yield
        finally:
            sys.breakpointhook = before
            watchdog.removeFilter(self._is_worth_saying)
            if self.standing:  # we end under the debugger's hands: its line editor cannot tidy up
                restore_terminal(terminal)

    def _hook(self, *_: Any, **__: Any) -> None:
        if self.quit:
            return
        from typhoon.cli._debugger import Debugger  # costs 40 ms: pdb

        Debugger(self).set_trace(sys._getframe(1))

    def _is_worth_saying(self, record: logging.LogRecord) -> bool:
        """A component under a debugger does hold up the others; its owner knows."""
        return not (self.standing and str(record.threadName).endswith("-watchdog"))


def foreign_debugger() -> bool:
    """Whether ``breakpoint()`` opens another debugger than Python's own."""
    return _chosen() not in {*OURS, "0"}


def _chosen() -> str:
    return os.environ.get("PYTHONBREAKPOINT", "")


def terminal_settings() -> Any:
    """How the terminal on standard input is set, for ``restore_terminal``; None if it is none."""
    import termios

    try:
        return termios.tcgetattr(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError, termios.error):  # no terminal there
        return None


def restore_terminal(settings: Any) -> None:
    """As it was before a line editor took it and ended without tidying up."""
    if settings is not None:
        import termios

        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, settings)


def breakpoint_in(folder: Path) -> str | None:
    """Where a loaded module of ``folder`` opens our debugger: ``FILE:LINE``, or None."""
    if _chosen() not in OURS:
        return None
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is None or not file.endswith(".py"):
            continue
        path = Path(file)
        if not path.is_relative_to(folder) or NOT_OURS.intersection(path.parts):
            continue
        line = _breakpoint_line(path)
        if line is not None:
            return f"{path.relative_to(folder)}:{line}"
    return None


def _breakpoint_line(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="utf-8")
        nodes = ast.walk(ast.parse(text)) if "breakpoint(" in text else iter(())
    except (OSError, ValueError, SyntaxError):  # it changed since it was loaded
        return None
    for node in nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "breakpoint":
            return node.lineno
    return None
