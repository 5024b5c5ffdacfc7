"""Why a worker has no link with a peer: while it waits for all of them, and later."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

logger = logging.getLogger("typhoon.worker")

LOOK_S = 0.5
PATIENCE_S = 3.0
"""A peer that listens for so long, and has no link with this one, is spoken of."""


class Linked(Protocol):
    """What of an engine is needed here."""

    def wait_connected(self, workers: Sequence[int], timeout: float) -> bool: ...

    def take_troubles(self) -> list[tuple[int | None, str]]: ...


class Linking:
    """``peers`` are indices; ``first_port`` is the port of worker 0, by which people know them.

    ``listens`` is told when it becomes known where one listens, from any thread.
    """

    def __init__(self, engine: Linked, peers: Sequence[int], first_port: int) -> None:
        self._engine = engine
        self._peers = peers
        self._first_port = first_port
        self._known: dict[int, tuple[str, float]] = {}
        self._refused: dict[int | None, str] = {}
        self._told: dict[int | None, str] = {}

    def listens(self, peer: int, address: str) -> None:
        before, _ = self._known.get(peer, ("", 0.0))
        if address != before:
            self._known[peer] = address, time.monotonic()

    def wait(self, over: threading.Event) -> bool:
        """Whether there is a link with each now; False when ``over`` was set before."""
        while not self._engine.wait_connected(self._peers, LOOK_S):
            if over.is_set():
                return False
            self._refused.update(self._engine.take_troubles())
            reasons: dict[int | None, str] = {}
            reasons.update(self._silent())
            reasons.update(self._refused)
            for peer, why in reasons.items():
                self._tell(peer, why)
        return True

    def watch(self, over: threading.Event) -> None:
        """Say which links are lost, or cannot be made again, until ``over`` is set."""
        while not over.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        """Say what has become known since the last look."""
        for peer, why in self._engine.take_troubles():
            self._tell(peer, why)
        for peer in [one for one in self._told if one is not None]:
            if self._engine.wait_connected([peer], 0.0):
                del self._told[peer]

    def _silent(self) -> Iterator[tuple[int, str]]:
        """Those that should have been reached by now."""
        for peer, (address, since) in list(self._known.items()):
            late = peer in self._peers and time.monotonic() - since >= PATIENCE_S
            if late and not self._engine.wait_connected([peer], 0.0):
                yield peer, f"it listens at {address}, and there is no answer"

    def _tell(self, peer: int | None, why: str) -> None:
        """Once for each reason."""
        if self._told.get(peer) != why:
            self._told[peer] = why
            who = "somebody" if peer is None else f"worker {self._first_port + peer}"
            logger.warning("no link with %s: %s", who, why)
