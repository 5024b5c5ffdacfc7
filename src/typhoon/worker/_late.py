"""What a spout's ``fail`` does once its task has no more data: the last chance of a lost tuple."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from typhoon.topology import hears_of_failures
from typhoon.worker._context import Context
from typhoon.worker._errors import ErrorBook

if TYPE_CHECKING:
    from typhoon._core import Handle

logger = logging.getLogger("typhoon.worker")


def late_fail(
    spout: Any,
    fail: Callable[[Any], Any] | None,
    context: Context,
    handle: Handle,
    errors: ErrorBook,
) -> Callable[[Any], Any]:
    """What is called in place of ``fail``, None where it is not written.

    ``next_tuple`` is not called again, so what ``fail`` does not emit nobody will. The first time
    that it neither emits nor reports anything, a warning names the tuple.
    """
    told = hears_of_failures(spout)

    def call(tup_id: Any) -> Any:
        nonlocal told
        before = (handle.emitted, errors.count)
        result = None if fail is None else fail(tup_id)
        if not told and (handle.emitted, errors.count) == before:
            told = True
            logger.warning(
                "spout '%s' task %d has no more data, and its fail() emitted nothing for %r: that "
                "tuple is lost (said once)\nhint: emit it again in fail(), as a ReliableSpout does,"
                " or raise StopIteration only when no tup_id is open",
                context.component_id,
                context.task_id,
                tup_id,
            )
        return result

    return call
