"""Every error that typhoon raises on purpose, and whose fault each one is.

    TyphoonError                          catch this to catch them all
    │
    │   The topology's author can mend these:
    ├── InvalidTopologyError (ValueError)     the topology cannot run; lists every mistake found
    ├── TopologyFileError                     a file that holds no topology, or does not import
    ├── TopologyFailedError                   a component raised while starting, or exited too often
    ├── EmitError (ValueError)                an emit that the declared streams do not allow
    ├── GroupingKeyError (TypeError)          a fields grouping met a value that it cannot hash
    ├── AlreadySettledError                   an emit anchors to a tuple that is settled already
    ├── BackPressureError                     one executor holds more unsent output than it may
    ├── WouldDeadlockError                    an emit from a foreign thread would wait for itself
    ├── NotRunningError                       emit on a component that is not started, or is closed
    ├── TupleFailedError                      what was put into a QueueSpout was not fully processed
    │
    │   Whoever operates the cluster, or typed the command, can mend these:
    ├── InvalidConfigError (ValueError)       keys or values that the registry refuses
    ├── AlreadyAliveError                     a topology of that name is running
    ├── TopologyNotAliveError                 no topology of that name is running
    ├── IllegalTransitionError                the topology's status does not allow the action
    │
    │   We must mend this one:
    └── TyphoonInternalError                  a broken promise of our own; please report it

An error says what it is about, the cause and, where there is one, the next step as ``hint``.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "AlreadyAliveError",
    "AlreadySettledError",
    "BackPressureError",
    "EmitError",
    "GroupingKeyError",
    "IllegalTransitionError",
    "InvalidConfigError",
    "InvalidTopologyError",
    "NotRunningError",
    "TopologyFailedError",
    "TopologyFileError",
    "TopologyNotAliveError",
    "TupleFailedError",
    "TyphoonError",
    "TyphoonInternalError",
    "WouldDeadlockError",
]


class TyphoonError(Exception):
    """The root of the tree: something that typhoon refused or could not do, for a reason it knows.

    ``message`` is the cause; ``hint`` the next step, or None. ``str()`` gives both, the hint on a
    line of its own. Every error of the tree can be pickled and copied.
    """

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class _ListedMistakesError(TyphoonError):
    """An error that lists all that is wrong at once, so that nobody mends one and meets the next.

    Each of ``mistakes`` is one string; a line of it that begins with ``hint:`` is advice.
    """

    headline = "{subject} is wrong: {count}"

    def __init__(self, mistakes: Iterable[str], subject: str | None = None) -> None:
        self.mistakes: tuple[str, ...] = _as_mistakes(mistakes)
        self.subject = subject
        super().__init__(self._render())
        self.args = (self.mistakes, subject)  # what pickle and copy call the class with

    def _render(self) -> str:
        count = len(self.mistakes)
        words = "1 mistake" if count == 1 else f"{count} mistakes"
        lines = [self.headline.format(subject=self.subject, count=words)]
        for number, mistake in enumerate(self.mistakes, start=1):
            first, *rest = mistake.splitlines() or [""]
            lines.append(f"  {number}. {first}")
            lines.extend(f"     {line}" for line in rest)
        return "\n".join(lines)


def _as_mistakes(mistakes: Iterable[str]) -> tuple[str, ...]:
    return (mistakes,) if isinstance(mistakes, str) else tuple(mistakes)


class InvalidTopologyError(_ListedMistakesError, ValueError):
    """The author's: the topology, as it is described, cannot run. Nothing was started.

    ``mistakes`` has every mistake found, each with the component, the value, the rule and, where
    it can be guessed, what was meant.
    """

    headline = "{subject} cannot run: {count}"

    def __init__(self, mistakes: Iterable[str], subject: str | None = None) -> None:
        super().__init__(mistakes, "the topology" if subject is None else subject)


class TopologyFileError(TyphoonError):
    """The author's: a file does not import, or has no topology, or has more than one."""


class TopologyFailedError(TyphoonError):
    """The author's: a component raised in ``initialize``, or its worker exited too often."""


class EmitError(TyphoonError, ValueError):
    """An emit that the topology's declaration does not allow: a wrong number of values, an
    undeclared stream, a task that does not subscribe. Nothing was sent."""


class GroupingKeyError(TyphoonError, TypeError):
    """The author's: a fields grouping met a value that has no stable hash.

    Values of built-in types group by value; a type of your own needs a registered hash.
    """


class AlreadySettledError(TyphoonError):
    """The author's: an emit names as anchor a tuple that was acked or failed before.

    Its tree may be complete already, so the new tuple could be lost without anybody knowing.
    """


class BackPressureError(TyphoonError):
    """The author's: one call emitted more than ``topology.executor.outbox.hard.limit.bytes``, or
    other threads did while it went on.

    ``on_error`` decides what becomes of the input, as with any other exception of a component.
    """


class WouldDeadlockError(TyphoonError):
    """The author's: an emit from another thread would have to wait, and must not.

    It asks for task ids while ``process`` is running: the answer can only come from the thread
    that is inside ``process``, which may be waiting for the very thread that asks. Or the other
    thread runs an event loop, which would stand still. Nothing was emitted.
    """


class NotRunningError(TyphoonError):
    """The author's: a component emits before it was started or after it was closed, or something
    is put into a ``QueueSpout`` that takes nothing any more. Nothing was sent."""


class TupleFailedError(TyphoonError):
    """The author's: a tuple that was put into a ``QueueSpout`` failed, timed out, or was under way
    when its worker ended. Parts of it may have been processed."""


class InvalidConfigError(_ListedMistakesError, ValueError):
    """The operator's: configuration keys or values that the registry refuses, all of them."""

    headline = "{subject} is not valid: {count}"

    def __init__(self, mistakes: Iterable[str], subject: str | None = None) -> None:
        super().__init__(mistakes, "the configuration" if subject is None else subject)


class AlreadyAliveError(TyphoonError):
    """The operator's: a topology of that name is running; names are unique in a cluster."""


class TopologyNotAliveError(TyphoonError):
    """The operator's: no topology of that name is running."""


class IllegalTransitionError(TyphoonError):
    """The operator's: the status of the topology does not allow the action.

    ``what`` is the topology, ``status`` the status it has, ``event`` what was asked for and
    ``story`` the events that led here, oldest first.
    """

    def __init__(self, what: str, status: str, event: str, story: Iterable[str] = ()) -> None:
        self.what = what
        self.status = status
        self.event = event
        self.story: tuple[str, ...] = tuple(story)
        path = " → ".join(self.story) or "nothing yet"
        super().__init__(f"{what} is {status}: {event!r} is not possible now (so far: {path})")
        self.args = (what, status, event, self.story)


class TyphoonInternalError(TyphoonError):
    """Ours: typhoon broke a promise of its own. Please report it, with this message."""

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(
            message, hint=hint or "this is a fault in typhoon itself: please report it"
        )
