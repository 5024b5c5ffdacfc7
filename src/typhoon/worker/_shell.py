"""The Python half of an executor: it makes its instances and decides what an exception means."""

from __future__ import annotations

import copy
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Literal

from typhoon._core import Tuple, must_have_run
from typhoon.errors import TopologyFailedError, TyphoonError, told
from typhoon.topology import (
    DEAD_LETTER,
    ComponentSpec,
    bind_reporter,
    give_acks_back,
    hold_acks,
    hurry,
)
from typhoon.worker._context import Context
from typhoon.worker._copies import Copies
from typhoon.worker._errors import ErrorBook
from typhoon.worker._late import late_fail
from typhoon.worker._sendable import shown
from typhoon.worker._watch import Watch

if TYPE_CHECKING:
    from typhoon._core import Handle
    from typhoon.worker._coroutines import CoroutineCalls

Verdict = Literal["fail", "drop", "exit"]
Starter = Callable[[Tuple], None]


class Shell:
    """Called by the engine on the executor's thread only; ``slot`` numbers the tasks.

    ``stop`` is told why the worker has to end: the exception, and whether starting anew may help.
    ``hooks`` are classes of which each task gets an object. ``on_open`` is called when all tasks
    are initialized; ``blameless`` are deaths that no tuple can have caused.
    """

    def __init__(
        self,
        spec: ComponentSpec,
        conf: Mapping[str, Any],
        contexts: Sequence[Context],
        errors: ErrorBook,
        stop: Callable[[TopologyFailedError, bool], None],
        hooks: Sequence[Callable[[], Any]] = (),
        blameless: Set[int] = frozenset(),
    ) -> None:
        self.hooks = hooks
        self.blameless = blameless
        self.on_open: Callable[[], None] | None = None
        self.watches: dict[int, Watch] = {}
        self.spec = spec
        self.conf = conf
        self.contexts = contexts
        self.errors = errors
        self.stop = stop
        self.instances: list[Any] = []
        self.held_acks: list[Any] = []
        self.done: set[int] = set()
        self.opened = 0
        self.handles: dict[int, Handle] = {}
        self.replays = 0
        self.buried = 0
        self.calls: CoroutineCalls | None = None
        self.broken: TopologyFailedError | None = None

    # What the engine calls, in this order ------------------------------------------------------

    def create(self) -> list[Any]:
        """One instance per task: the class is called, or the instance given is copied."""
        given = self.spec.component
        if isinstance(given, type):
            self.instances = [given() for _ in self.contexts]
        else:
            self.instances = [_copied(given) for _ in self.contexts]
        self.held_acks = [hold_acks(instance) for instance in self.instances]
        return self.instances

    def initialize(self, slot: int, handle: Handle) -> None:
        instance, context = self.instances[slot], self.contexts[slot]
        give_acks_back(instance, self.held_acks[slot])
        bind_reporter(instance, _TaskReporter(self, slot))
        self.handles[slot] = handle
        if self.conf["topology.debug.copy.values"]:
            self._watch(slot)
        context.hook_port.add = lambda hook: self._watch(slot).add(hook)
        try:
            for make in self.hooks:
                context.add_task_hook(make())
            result = instance.initialize(dict(self.conf), context)
        finally:
            context.hook_port.add = None
        if self.calls is None:
            must_have_run("initialize", result)
        else:
            self.calls.initialize(slot, result)
        self.opened = slot + 1
        if self.opened == len(self.contexts) and self.on_open is not None:
            self.on_open()

    def starters(self, slot: int) -> tuple[Starter, Starter]:
        """Of a bolt of coroutines: what is called in place of ``process`` and ``process_tick``."""
        if self.calls is None:
            from typhoon.worker._coroutines import CoroutineCalls  # costs 30 ms: asyncio

            self.calls = CoroutineCalls(self)
        return self.calls.starters(slot)

    def cannot_start(self, error: BaseException) -> None:
        """``create`` or ``initialize`` raised: the topology cannot run."""
        phase, what = (
            ("initialize", "its initialize()") if self.instances else ("create", "making it")
        )
        self.errors.add(phase, error)
        message = f"{self.spec.kind} '{self.spec.id}' could not start: {_text(error)}"
        hint = error.hint if isinstance(error, TyphoonError) else None
        failure = TopologyFailedError(message, hint=hint or f"{what} raised; the log says where")
        failure.__cause__ = error
        self.stop(failure, False)

    def failed(self, slot: int, phase: str, error: BaseException, tup: Any) -> Verdict:
        """A method raised. ``tup`` is what it was processing: a Tuple, a list of them, or None."""
        one = tup if isinstance(tup, Tuple) else None
        self.errors.add(phase, error, one)
        if self.spec.on_error == "exit":
            message = f"{self.spec.kind} '{self.spec.id}' raised in {phase}: {_text(error)}"
            failure = TopologyFailedError(message, hint="on_error = 'exit' restarts its worker")
            failure.__cause__ = error
            self.stop(failure, True)
            return "exit"
        if phase == "next_tuple" and (why := getattr(self.instances[slot], "broken", None)):
            self.broken = TopologyFailedError(
                f"spout '{self.spec.id}' has not given all its data: {why}: {_text(error)}",
                hint="mend what it raises, or catch it in the generator, and run again",
            )
            self.broken.__cause__ = error
        if tup is not None and self.spec.on_error == "dead-letter":
            return self._bury_input(slot, error, [tup] if one is not None else tup)
        return "drop" if self.spec.on_error == "drop" else "fail"

    def lost(self, slot: int, tup_id: Any, death: int) -> None:
        """A worker died, or could not be reached, that may have held a part of the tree. One
        ``death`` may be told several times of a ``tup_id``: by each worker that dropped anything.
        """
        most = int(self.conf["topology.max.worker.deaths"])
        counted = False if death in self.blameless else death
        self.instances[slot].fail_by_worker_death(tup_id, most, counted)

    def unreadable(self, slot: int, source: tuple[str, str, Any], error: BaseException) -> None:
        """A tuple of another worker cannot be decoded; it fails."""
        component, stream, _ = source
        what = f"decoding a tuple of '{component}' (stream '{stream}')"
        self.errors.add(what, error)

    def ended(self, slot: int, fail: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
        """A spout task has no more data. Gives what is called in place of its ``fail`` now."""
        self.done.add(slot)
        logger = logging.getLogger("typhoon.worker")
        context, handle = self.contexts[slot], self.handles[slot]
        text = "spout '%s' task %d has no more data: it emitted %d tuples"
        logger.info(text, self.spec.id, context.task_id, handle.emitted)
        return late_fail(self.instances[slot], fail, context, handle, self.errors)

    def bury(self, slot: int, tup_id: Any, values: tuple[Any, ...], stream: str) -> None:
        """A spout's tuple failed ``topology.max.replays`` times: to the dead letters with it.

        It keeps its name, so the spout's ``ack`` is called once the dead letter was handled.
        """
        letter: Sequence[Any] = values
        if stream != DEAD_LETTER.name:
            self.buried += 1
            limit = self.conf["topology.max.replays"]
            error = f"failed {limit} times (topology.max.replays)"
            self.errors.add("replay", f"tup_id {shown(tup_id)} {error}: dead letter")
            letter = (self.spec.id, stream, values, error, "")
        self.instances[slot].emit(letter, tup_id=tup_id, stream=DEAD_LETTER.name)

    def close(self, slot: int) -> None:
        if slot >= self.opened:
            return
        instance = self.instances[slot]
        for method in ("close", "cleanup"):
            call = getattr(instance, method, None)
            if call is not None:
                try:
                    result = call()
                    if self.calls is None:
                        must_have_run(method, result)
                    else:
                        self.calls.close(method, result)
                except Exception as error:
                    self.errors.add(method, error)
        if slot in self.watches:
            self.watches[slot].close()

    # What the worker asks, from its own threads -------------------------------------------------

    @property
    def has_ended(self) -> bool:
        """Whether every task of this spout has no more data."""
        return len(self.done) == len(self.contexts)

    @property
    def keeps(self) -> bool:
        """Whether a task of this spout keeps tuples that are not acked."""
        return any(getattr(instance, "unacked_tuples", None) for instance in self.instances)

    def counts(self) -> dict[str, int]:
        """What only the tasks themselves count."""
        handles = list(self.handles.values())
        gave_up = (getattr(instance, "gave_up", 0) for instance in self.instances)
        return {
            "settled_again": sum(handle.settled_again for handle in handles),
            "gave_up": sum(count for count in gave_up if isinstance(count, int)),
        }

    def hurry(self) -> bool:
        """Nothing more will come: whether a task holds tuples back, and should be ticked."""
        held = [hurry(instance) for instance in self.instances]
        return any(held)

    # ------------------------------------------------------------------------------------------

    def _watch(self, slot: int) -> Watch:
        """Who is told of all that this task does; the engine pays for it from now on."""
        if slot not in self.watches:
            context = self.contexts[slot]
            copies = Copies(context) if self.conf["topology.debug.copy.values"] else None
            self.watches[slot] = Watch(self.conf, context, self.errors, copies)
            self.handles[slot].watch(self.watches[slot])
        return self.watches[slot]

    def _bury_input(self, slot: int, error: BaseException, tuples: Sequence[Tuple]) -> Verdict:
        trace = "".join(traceback.format_exception(error))
        instance = self.instances[slot]
        try:
            for tup in tuples:
                letter = (tup.component, tup.stream, tup.values, _text(error), trace)
                instance.emit(letter, stream=DEAD_LETTER.name, anchors=[tup])
        except Exception as another:
            self.errors.add("dead letter", another)
            return "fail"
        self.buried += len(tuples)
        return "drop"


class _TaskReporter:
    """Where a task's ``log``, ``report_error`` and ``report_metric`` go, and the batches that it
    could not process."""

    def __init__(self, shell: Shell, slot: int) -> None:
        self.shell = shell
        self.slot = slot
        self.errors = shell.errors
        self.logger = logging.getLogger(f"typhoon.topology.{shell.spec.id}")
        self.metrics = shell.contexts[slot].metrics

    def report_error(self, error: BaseException | str, tup: Tuple | None = None) -> None:
        self.errors.add("reported", error, tup)

    def log(self, message: str, level: int) -> None:
        self.logger.log(level, "%s", message)

    def report_metric(self, name: str, value: Any) -> None:
        self.metrics.report(name, value)

    def ack_failed(self, error: BaseException) -> None:
        self.shell.failed(self.slot, "ack", error, None)

    def batch_failed(self, error: Exception, tups: list[Tuple]) -> Verdict:
        if self.shell.spec.on_error == "exit":
            return "exit"  # the engine will ask, for the tick in which this happened
        return self.shell.failed(self.slot, "process_batch", error, tups)


def _copied(component: Any) -> Any:
    try:
        return copy.deepcopy(component)
    except Exception as error:
        raise TopologyFailedError(
            f"each task gets a copy of the {type(component).__name__} given, which cannot be "
            f"copied: {told(error)}",
            hint="open locks, files and connections in initialize(), not in __init__",
        ) from error


def _text(error: BaseException) -> str:
    if isinstance(error, TopologyFailedError):
        return error.message
    cause = error.message if isinstance(error, TyphoonError) else told(error)
    return f"{type(error).__name__}: {cause}"
