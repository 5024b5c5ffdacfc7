"""Small components that the tests put together, and a journal of what they saw."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from typhoon import Bolt, Spout, TopologyBuilder


class Journal:
    """What a topology did. Instances of components in this process share what they close over."""

    def __init__(self) -> None:
        self.acked: list[Any] = []
        self.failed: list[Any] = []
        self.seen: list[Any] = []
        self.errors: list[BaseException] = []
        self.closed: list[Any] = []

    def source(self, items: Iterable[Any], **body: Any) -> type[Spout]:
        """A spout whose every task emits each of ``items``, named by itself."""
        return type("Source", (_source(self, list(items)),), body)

    def bolt(self, process: Callable[[Any, Any], Any] | None = None, **body: Any) -> type[Bolt]:
        """A bolt with this ``process``; without one it notes the values that it sees."""
        journal = self

        def note(self: Bolt, tup: Any) -> None:
            journal.seen.append(tup.values[0])

        def close(self: Bolt) -> None:
            journal.closed.append(type(self).__name__)

        given = {} if "process_many" in body else {"process": process or note}
        return type("Probe", (Bolt,), {"outputs": ["n"], "close": close, **given, **body})

    def catching(self, process: Callable[[Any, Any], Any], **body: Any) -> type[Bolt]:
        """As ``bolt``; what ``process`` raises is noted before it goes on."""

        def noting(bolt: Bolt, tup: Any) -> None:
            try:
                process(bolt, tup)
            except Exception as error:
                self.errors.append(error)
                raise

        return self.bolt(noting, **body)


def _source(journal: Journal, items: list[Any]) -> type[Spout]:
    class Source(Spout):
        outputs = ("n",)

        def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
            self.items = iter(items)

        def next_tuple(self) -> None:
            item = next(self.items)
            self.emit([item], tup_id=item)

        def ack(self, tup_id: Any) -> None:
            journal.acked.append(tup_id)

        def fail(self, tup_id: Any) -> None:
            journal.failed.append(tup_id)

    return Source


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture(scope="session")
def chain() -> Callable[..., TopologyBuilder]:
    """A function that makes a topology: ``source`` → ``b1`` → ``b2`` ..., shuffled."""

    def make(spout: Any, *bolts: Any, par: int = 1) -> TopologyBuilder:
        builder = TopologyBuilder("chain")
        builder.set_spout("source", spout)
        before = "source"
        for number, bolt in enumerate(bolts, start=1):
            builder.set_bolt(f"b{number}", bolt, par).shuffle_grouping(before)
            before = f"b{number}"
        return builder

    return make


@pytest.fixture(params=[1, 3], ids=["1-executor", "3-executors"])
def par(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(params=[False, True], ids=["on-the-loop", "threaded"])
def threaded(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def gate() -> Any:
    """An event that a component may wait for; the end of the test opens it."""
    event = threading.Event()
    yield event
    event.set()
