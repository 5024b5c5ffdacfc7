"""What is said when nobody else would notice: the end of a task, a tuple lost after it, an emit
that is anchored to nothing."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from typhoon import (
    Bolt,
    LocalCluster,
    ReliableSpout,
    Spout,
    Topology,
    TopologyBuilder,
    TupleFailedError,
    spout,
)
from typhoon.components import QueueSpout
from typhoon.testing import complete_topology

LOST = "that tuple is lost"
UNANCHORED = "anchored to nothing"


def warnings(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


class Twice(Spout):
    """Emits two tuples, and ends in the same call."""

    outputs = ("n",)

    def next_tuple(self) -> None:
        self.emit([1], tup_id="first")
        self.emit([2], tup_id="second")
        raise StopIteration


class Failing(Bolt):
    """Fails what it gets."""

    def process(self, tup: Any) -> None:
        self.fail(tup)


def failing(source: Any, par: int = 1) -> TopologyBuilder:
    builder = TopologyBuilder("failing")
    builder.set_spout("source", source, par)
    builder.set_bolt("failing", Failing).shuffle_grouping("source")
    return builder


def test_the_end_of_a_task_is_logged_with_what_it_emitted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @spout(outputs=["n"])
    def numbers():
        yield from range(7)

    caplog.set_level(logging.INFO, "typhoon.worker")
    complete_topology(Topology.chain(numbers))
    (said,) = warnings(caplog, "no more data")
    assert said.startswith("spout 'numbers' task ")
    assert said.endswith(" has no more data: it emitted 7 tuples")


def test_each_task_of_an_executor_says_its_own_number(caplog: pytest.LogCaptureFixture) -> None:
    class Own(Spout):
        outputs = ("n",)

        def initialize(self, conf: Any, context: Any) -> None:
            self.items = iter(range(context.task_index + 1))

        def next_tuple(self) -> None:
            self.emit([next(self.items)])

    builder = TopologyBuilder("own")
    builder.set_spout("own", Own).set_num_tasks(3)
    caplog.set_level(logging.INFO, "typhoon.worker")
    complete_topology(builder)
    said = sorted(warnings(caplog, "no more data"))
    assert [one.rpartition("emitted ")[2] for one in said] == ["1 tuples", "2 tuples", "3 tuples"]


def test_a_tuple_lost_after_the_end_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    complete_topology(failing(Twice))
    (said,) = warnings(caplog, LOST)
    assert said.startswith("spout 'source' task ")
    assert "has no more data, and its fail() emitted nothing for 'first'" in said
    assert "\nhint: " in said


def test_each_task_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    complete_topology(failing(Twice, par=2))
    assert len(warnings(caplog, LOST)) == 2


def test_a_fail_that_is_written_and_emits_nothing_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = []

    class Noting(Twice):
        def fail(self, tup_id: Any) -> None:
            seen.append(tup_id)

    complete_topology(failing(Noting))
    assert sorted(seen) == ["first", "second"]
    assert len(warnings(caplog, LOST)) == 1


def test_a_fail_that_raises_is_reported_and_not_told_of_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Raising(Twice):
        def fail(self, tup_id: Any) -> None:
            raise ValueError(tup_id)

    result = complete_topology(failing(Raising))
    assert result.failed == 2
    assert warnings(caplog, LOST) == []


def test_who_emits_again_or_gives_up_aloud_loses_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Reliable(Twice, ReliableSpout):
        max_fails = 1

    complete_topology(failing(Reliable))
    assert warnings(caplog, LOST) == []
    assert len(warnings(caplog, "given up")) == 2


def test_before_the_end_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class Going(Spout):
        outputs = ("n",)

        def initialize(self, conf: Any, context: Any) -> None:
            self.failed = 0

        def next_tuple(self) -> None:
            if self.failed == 3:
                raise StopIteration
            self.emit([1], tup_id=self.failed)

        def fail(self, tup_id: Any) -> None:
            self.failed = min(3, self.failed + 1)

    class First(Bolt):
        left = 3

        def process(self, tup: Any) -> None:
            if First.left:
                First.left -= 1
                self.fail(tup)

    builder = TopologyBuilder("going")
    builder.set_spout("going", Going)
    builder.set_bolt("first", First).shuffle_grouping("going")
    complete_topology(builder, config={"topology.max.spout.pending": 1})
    assert warnings(caplog, LOST) == []


def test_whoever_put_a_tuple_hears_of_it_and_the_log_need_not(
    caplog: pytest.LogCaptureFixture, gate: threading.Event, wait_until: Any
) -> None:
    class Late(Bolt):
        threaded = True

        def process(self, tup: Any) -> None:
            gate.wait(10)
            self.fail(tup)

    builder = TopologyBuilder("puts")
    builder.set_spout("source", QueueSpout(["n"]))
    builder.set_bolt("late", Late).shuffle_grouping("source")
    caplog.set_level(logging.INFO, "typhoon.worker")
    with LocalCluster() as cluster, ThreadPoolExecutor(1) as pool:
        topology = cluster.submit("puts", builder)
        put = pool.submit(topology["source"].put, [1])
        wait_until(lambda: topology.stats().emitted["source"])
        topology["source"].close()
        wait_until(lambda: warnings(caplog, "no more data"))
        gate.set()
        with pytest.raises(TupleFailedError):
            put.result(10)
        topology.wait_until_drained(timeout=10)
    assert warnings(caplog, LOST) == []


def test_scripted_spouts_note_what_failed(caplog: pytest.LogCaptureFixture) -> None:
    result = complete_topology(failing(Twice), mock_sources={"source": [[1], [2]]})
    assert result.failed == 2
    assert warnings(caplog, LOST) == []


# Emits from other threads -------------------------------------------------------------------------


def emitting(emit: Callable[[Bolt, Any], None], **body: Any) -> TopologyBuilder:
    """A bolt whose ``emit`` is called on a thread of its own, for two tuples each."""

    def process(self: Bolt, tup: Any) -> None:
        for _ in range(2):
            thread = threading.Thread(target=emit, args=(self, tup))
            thread.start()
            thread.join()

    builder = TopologyBuilder("emitting")
    builder.set_spout("source", Twice)
    bolt = type("Emitting", (Bolt,), {"outputs": ["n"], "process": process, **body})
    builder.set_bolt("emitting", bolt).shuffle_grouping("source")
    return builder


def test_an_emit_without_anchors_from_another_thread_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = complete_topology(emitting(lambda bolt, tup: bolt.emit([1])))
    assert len(result["emitting"]) == 4
    (said,) = warnings(caplog, UNANCHORED)
    assert said.startswith("'emitting' emits from a thread")
    assert "\nhint: pass anchors=[tup]" in said


def test_so_is_emit_many(caplog: pytest.LogCaptureFixture) -> None:
    complete_topology(emitting(lambda bolt, tup: bolt.emit_many([[1], [2]])))
    assert len(warnings(caplog, UNANCHORED)) == 1


@pytest.mark.parametrize(
    ("emit", "body", "config"),
    [
        (lambda bolt, tup: bolt.emit([1], anchors=[tup]), {}, {}),
        (lambda bolt, tup: bolt.emit([1], anchors=[]), {}, {}),
        (lambda bolt, tup: bolt.emit([1]), {"auto_anchor": False}, {}),
        (lambda bolt, tup: bolt.emit([1]), {}, {"topology.acker.executors": 0}),
    ],
    ids=["anchored", "none meant", "never anchors", "nothing is tracked"],
)
def test_who_says_what_it_means_hears_nothing(
    caplog: pytest.LogCaptureFixture, emit: Any, body: Any, config: Any
) -> None:
    complete_topology(emitting(emit, **body), config=config)
    assert warnings(caplog, UNANCHORED) == []


def test_an_emit_at_a_tick_is_as_good_as_it_gets(caplog: pytest.LogCaptureFixture) -> None:
    class Ticking(Bolt):
        outputs = ("n",)
        tick_freq_secs = 1

        def process(self, tup: Any) -> None: ...

        def process_tick(self, tup: Any) -> None:
            self.emit([1])

    builder = TopologyBuilder("ticking")
    builder.set_spout("source", Twice)
    builder.set_bolt("ticking", Ticking).shuffle_grouping("source")
    assert complete_topology(builder)["ticking"]
    assert warnings(caplog, UNANCHORED) == []
