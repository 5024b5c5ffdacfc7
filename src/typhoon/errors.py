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
    ├── CodecError                            a value that cannot travel to another worker
    │
    │   Whoever operates the cluster, or typed the command, can mend these:
    ├── InvalidConfigError (ValueError)       keys or values that the registry refuses
    ├── AlreadyAliveError                     a topology of that name is running
    ├── TopologyNotAliveError                 no topology of that name is running
    ├── IllegalTransitionError                the topology's status does not allow the action
    ├── CorruptDataError (ValueError)         bytes that hold no tuple's values
    │
    │   We must mend this one:
    └── TyphoonInternalError                  a broken promise of our own; please report it
        └── ImpossibleEventError                  an event that cannot happen in that state, and did

An error says what it is about, the cause and the next step, as ``hint``; ``PAGE`` says more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "AlreadyAliveError",
    "AlreadySettledError",
    "BackPressureError",
    "CodecError",
    "CorruptDataError",
    "EmitError",
    "GroupingKeyError",
    "IllegalTransitionError",
    "ImpossibleEventError",
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


PAGE = "docs/reference/errors.md"
"""Where each error has a heading of its own."""

_HINT = "\nhint: "


class TyphoonError(Exception):
    """The root of the tree: something that typhoon refused or could not do, for a reason it knows.

    ``message`` is the cause; ``hint`` the next step, that of the class where nobody knows a better
    one. ``str()`` gives both, the hint on a line of its own. Every error of the tree can be pickled
    and copied.
    """

    usual_hint: ClassVar[str | None] = None

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message)
        # The core gives one text only; and a cause that brings its own hint knows best.
        self.message, _, told = message.partition(_HINT)
        self.hint = told or hint or self.usual_hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


def told(error: BaseException) -> str:
    """What ``error`` says. Never raises, as people's own errors may when they are asked."""
    try:
        return str(error)
    except Exception as second:
        return f"(its str() raised {type(second).__name__})"


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

    usual_hint = "mend the file and run it again"


class TopologyFailedError(TyphoonError):
    """The author's: a component raised in ``initialize``, or its worker exited too often."""

    usual_hint = "the log has the traceback of what its component raised"


class EmitError(TyphoonError, ValueError):
    """An emit that the topology's declaration does not allow: a wrong number of values, an
    undeclared stream, a task that does not subscribe. Nothing was sent."""

    usual_hint = "emit what the component's outputs declare, or declare what it emits"


class GroupingKeyError(TyphoonError, TypeError):
    """The author's: a fields grouping met a value that has no stable hash.

    Values of built-in types group by value; a type of your own needs a registered hash.
    """

    usual_hint = "group by a field that holds text, numbers, bytes or tuples of such"


class AlreadySettledError(TyphoonError):
    """The author's: an emit names as anchor a tuple that was acked or failed before.

    Its tree may be complete already, so the new tuple could be lost without anybody knowing.
    """

    usual_hint = "emit first, then ack; or pass anchors=[]"


class BackPressureError(TyphoonError):
    """The author's: one call emitted more than ``topology.executor.outbox.hard.limit.bytes``, or
    other threads did while it went on.

    ``on_error`` decides what becomes of the input, as with any other exception of a component.
    """

    usual_hint = "emit less per call, or set topology.max.spout.pending"


class WouldDeadlockError(TyphoonError):
    """The author's: an emit from another thread would have to wait, and must not.

    It asks for task ids while ``process`` is running: the answer can only come from the thread
    that is inside ``process``, which may be waiting for the very thread that asks. Or the other
    thread runs an event loop, which would stand still. Nothing was emitted.
    """

    usual_hint = "emit without need_task_ids"


class NotRunningError(TyphoonError):
    """The author's: a component emits before it was started or after it was closed, or something
    is put into a ``QueueSpout`` that takes nothing any more, or a topology is submitted to a
    cluster that is closed. Nothing was sent."""

    usual_hint = "emit from a method that a running topology calls"


class TupleFailedError(TyphoonError):
    """The author's: a tuple that was put into a ``QueueSpout`` failed, timed out, or was under way
    when its worker ended. Parts of it may have been processed."""

    usual_hint = "the log has the error of the component that failed it"


class CodecError(TyphoonError):
    """The author's: a value that cannot travel to another worker, or cannot be made there.

    Its type is neither carried by the codec nor registered, and pickle refused it or may not be
    asked; or it is registered here and not there; or a registered function raised (``__cause__``).
    """

    usual_hint = "emit plain values, or make the type known by typhoon.register_type"


class InvalidConfigError(_ListedMistakesError, ValueError):
    """The operator's: configuration keys or values that the registry refuses, all of them."""

    headline = "{subject} is not valid: {count}"

    def __init__(self, mistakes: Iterable[str], subject: str | None = None) -> None:
        super().__init__(mistakes, "the configuration" if subject is None else subject)


class AlreadyAliveError(TyphoonError):
    """The operator's: a topology of that name is running; names are unique in a cluster."""

    usual_hint = "choose another name, or kill the one that runs"


class TopologyNotAliveError(TyphoonError):
    """The operator's: no topology of that name is running."""

    usual_hint = "submit it first, or look at how its name is spelt"


class IllegalTransitionError(TyphoonError):
    """The operator's: the status of the topology does not allow the action.

    ``what`` is the topology, ``status`` the status it has, ``event`` what was asked for and
    ``story`` the events that led here, oldest first.
    """

    usual_hint = "what is killed or gone has to be submitted anew; else wait and try again"

    def __init__(self, what: str, status: str, event: str, story: Iterable[str] = ()) -> None:
        self.what = what
        self.status = status
        self.event = event
        self.story: tuple[str, ...] = tuple(story)
        path = " → ".join(self.story) or "nothing yet"
        super().__init__(f"{what} is {status}: {event!r} is not possible now (so far: {path})")
        self.args = (what, status, event, self.story)


class CorruptDataError(TyphoonError, ValueError):
    """The operator's: bytes that hold no tuple's values. They were cut or changed on their way, or
    a worker of another version wrote them."""

    usual_hint = "run the same version of typhoon in all workers"


class TyphoonInternalError(TyphoonError):
    """Ours: typhoon broke a promise of its own. Please report it, with this message."""

    usual_hint = "this is a fault in typhoon itself: please report it"


class ImpossibleEventError(TyphoonInternalError):
    """Ours: a state machine was told of something that cannot happen in the state that it is in.

    ``what`` is the thing, ``status`` the status it has, ``event`` what happened and ``story`` what
    led here, oldest first.
    """

    def __init__(self, what: str, status: str, event: str, story: Iterable[str] = ()) -> None:
        self.what = what
        self.status = status
        self.event = event
        self.story: tuple[str, ...] = tuple(story)
        path = " → ".join(self.story) or "nothing yet"
        super().__init__(f"{what} is {status}: {event!r} cannot happen then (so far: {path})")
        self.args = (what, status, event, self.story)
