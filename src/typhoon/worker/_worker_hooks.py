"""Runs the hooks that a topology has for each of its workers."""

from __future__ import annotations

import copy
import logging
from typing import Any

from typhoon.errors import TopologyFailedError, told
from typhoon.worker._surroundings import Surroundings
from typhoon.worker._worker_context import WorkerContext

logger = logging.getLogger("typhoon.worker")


class WorkerHooks:
    """The hooks of one worker, from its start to its end; made anew when it starts anew.

    As with components, a class is called, and of an instance each worker gets a copy.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._started: list[Any] = []

    def start(self) -> None:
        """Before any task is made. Raises ``TopologyFailedError`` if a hook raises; those that had
        started are shut down then."""
        context = WorkerContext(self._around)
        for given in self._around.spec.worker_hooks:
            try:
                hook = given() if isinstance(given, type) else copy.deepcopy(given)
                if callable(start := getattr(hook, "start", None)):
                    start(dict(self._around.conf), context)
            except Exception as error:
                self.shutdown()
                self._around.close()
                raise TopologyFailedError(
                    f"a worker could not start: the worker hook {given!r} raised "
                    f"{type(error).__name__}: {told(error)}",
                    hint="mend what its start() raises, or catch it there",
                ) from error
            self._started.append(hook)

    def shutdown(self) -> None:
        """After every component's ``close``: the last that started comes first."""
        while self._started:
            hook = self._started.pop()
            try:
                if callable(shutdown := getattr(hook, "shutdown", None)):
                    shutdown()
            except Exception:
                logger.exception("worker hook %r could not be shut down", hook)
