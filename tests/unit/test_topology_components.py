"""Spouts and bolts as Python classes: they copy, pickle, report and replay."""

import copy
import logging
import pickle
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pytest

from typhoon.topology import Bolt, ReliableSpout, Spout, bind_reporter

T = TypeVar("T")


class Plain(Bolt):
    def __init__(self, separator: str = " ") -> None:
        self.separator = separator
        self.counts = Counter({"a": 1})


class Slotted(Bolt):
    __slots__ = ("__secret", "left_empty", "separator")

    def __init__(self) -> None:
        self.separator = ","
        self.__secret = 7

    @property
    def secret(self) -> int:
        return self.__secret


class Mixed(Slotted):
    def __init__(self) -> None:
        super().__init__()
        self.more = [1]


@dataclass
class Record(Bolt):
    separator: str = ";"


class Base(Bolt, ABC):
    @abstractmethod
    def separator_of(self) -> str: ...


class Concrete(Base, Generic[T]):
    separator = "|"

    def separator_of(self) -> str:
        return self.separator


class OwnState(Bolt):
    separator = "-"

    def __init__(self) -> None:
        self.connection = lambda: None
        self.kept = 1

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        del state["connection"]
        return state


class OwnReduce(Bolt):
    def __init__(self, separator: str) -> None:
        self.separator = separator

    def __reduce__(self) -> Any:
        return OwnReduce, (self.separator * 2,)


class Source(Spout):
    separator = "."

    def __init__(self, *lines: str) -> None:
        self.lines = lines


TRIPS = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    **{
        f"pickle{n}": lambda thing, n=n: pickle.loads(pickle.dumps(thing, n))
        for n in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.fixture(params=TRIPS)
def trip(request: pytest.FixtureRequest) -> Any:
    return TRIPS[request.param]


class Notes:
    """A reporter that writes everything down."""

    def __init__(self) -> None:
        self.errors: list[tuple[Any, Any]] = []
        self.lines: list[tuple[str, int]] = []

    def report_error(self, error: BaseException | str, tup: Any = None) -> None:
        self.errors.append((error, tup))

    def log(self, message: str, level: int) -> None:
        self.lines.append((message, level))

    def __reduce__(self) -> Any:
        raise TypeError("a reporter belongs to one worker")


@pytest.mark.parametrize(
    "component",
    [Plain("-"), Slotted(), Mixed(), Record("x"), Concrete[int](), Source("a", "b")],
    ids=lambda component: type(component).__name__,
)
def test_a_copy_has_the_users_state_and_nothing_of_the_workers(component: Any, trip: Any) -> None:
    bind_reporter(component, Notes())
    there = trip(component)
    assert type(there) is type(component)
    assert there.separator == component.separator
    assert getattr(there, "__dict__", {}) == getattr(component, "__dict__", {})
    assert getattr(there, "_reporter", None) is None


def test_slots_travel_private_and_empty_ones_too(trip: Any) -> None:
    there = trip(Mixed())
    assert (there.secret, there.more) == (7, [1])
    assert not hasattr(there, "left_empty")


def test_a_deep_copy_shares_nothing(trip: Any) -> None:
    component = Plain()
    there = trip(component)
    there.counts["a"] += 1
    assert component.counts["a"] == (2 if trip is copy.copy else 1)


def test_a_users_own_getstate_and_reduce_are_obeyed(trip: Any) -> None:
    assert vars(trip(OwnState())) == {"kept": 1}
    assert trip(OwnReduce("ab")).separator == "abab"


def test_a_bolt_without_attributes_travels(trip: Any) -> None:
    assert type(trip(Concrete())) is Concrete


def test_fully_slotted_classes_have_no_dict() -> None:
    assert not hasattr(Slotted(), "__dict__")


def test_words_of_a_running_component_go_to_its_reporter() -> None:
    bolt, notes, error = Plain(), Notes(), ValueError("bad")
    bind_reporter(bolt, notes)
    bolt.log("hello")
    bolt.log("careful", level="WARN")
    bolt.log("detail", 5)
    bolt.report_error("text")
    bolt.raise_exception(error, "the tuple")
    assert notes.lines == [("hello", 20), ("careful", 30), ("detail", 5)]
    assert notes.errors == [("text", None), (error, "the tuple")]


def test_words_before_it_runs_go_to_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    bolt = Plain()
    with caplog.at_level(logging.INFO):
        bolt.log("100 % done")
        bolt.raise_exception(ValueError("bad"), "the tuple")
    assert caplog.messages == ["100 % done", "bad (working on 'the tuple')"]
    assert caplog.records[1].exc_info is not None
    assert {record.name for record in caplog.records} == {f"{__name__}.Plain"}


def test_an_unknown_level_is_named() -> None:
    with pytest.raises(ValueError, match="'loud'"):
        Plain().log("hello", "loud")


def test_a_component_may_have_a_logger_of_its_own() -> None:
    bolt, own = Plain(), logging.getLogger("own")
    bolt.logger = own
    assert bolt.logger is own


class Recorder(Spout):
    """Stands between ReliableSpout and the engine."""

    __slots__ = ()
    sent: list[Any]
    broken = False

    def emit(
        self,
        tup: Any,
        tup_id: Any = None,
        stream: str | None = None,
        direct_task: int | None = None,
        need_task_ids: bool = False,
    ) -> None:
        if self.broken:
            raise RuntimeError("no")
        self.sent.append((tup, tup_id, stream, direct_task))

    def emit_many(self, tuples: Any, tup_ids: Any = None, stream: str | None = None) -> None:
        for number, tup in enumerate(tuples):
            self.emit(tup, tup_ids[number] if tup_ids else None, stream)


class Replaying(ReliableSpout, Recorder):
    def __init__(self) -> None:  # calls no super().__init__(), as many do
        self.sent = []


@pytest.fixture
def spout() -> Replaying:
    return Replaying()


@pytest.mark.parametrize("tup_id", [1, 0, "", (), "x"])
def test_a_failed_tuple_is_replayed_just_as_it_was(spout: Replaying, tup_id: Any) -> None:
    row = ["a"]
    spout.emit(row, tup_id, stream="s", direct_task=4)
    row[0] = "filled anew"
    spout.fail(tup_id)
    assert spout.sent[1] == (("a",), tup_id, "s", 4)
    assert spout.gave_up == 0


def test_an_acked_tuple_is_forgotten(spout: Replaying) -> None:
    spout.emit(["a"], 1)
    spout.ack(1)
    spout.fail(1)
    assert len(spout.sent) == 1
    assert (spout.unacked_tuples, spout.failed_tuples) == ({}, {})


def test_after_three_replays_a_tuple_is_given_up_counted_and_reported(spout: Replaying) -> None:
    notes = Notes()
    bind_reporter(spout, notes)
    spout.emit(["a"], 1)
    for _ in range(5):
        spout.fail(1)
    assert len(spout.sent) == 4
    assert spout.gave_up == 1
    assert notes.errors == [("tup_id 1 failed 4 times: given up", None)]
    assert (spout.unacked_tuples, spout.failed_tuples) == ({}, {})


def test_a_dead_worker_does_not_count_towards_max_fails(spout: Replaying) -> None:
    bind_reporter(spout, Notes())
    spout.emit(["a"], 1)
    for _ in range(4):
        spout.fail_by_worker_death(1, 5)
    spout.fail(1)
    assert (len(spout.sent), spout.gave_up) == (6, 0)
    spout.fail_by_worker_death(1, 5)
    assert (len(spout.sent), spout.gave_up) == (6, 1)


def test_a_death_that_no_tuple_can_have_caused_does_not_count(spout: Replaying) -> None:
    bind_reporter(spout, Notes())
    spout.emit(["a"], 1)
    for _ in range(10):
        spout.fail_by_worker_death(1, 2, False)
    assert (len(spout.sent), spout.gave_up) == (11, 0)
    spout.fail_by_worker_death(1, 2, 7)
    spout.fail_by_worker_death(1, 2, 8)
    assert (len(spout.sent), spout.gave_up) == (12, 1)


def test_a_plain_spout_treats_a_dead_worker_as_a_fail() -> None:
    failed = []

    class Listening(Spout):
        def fail(self, tup_id: Any) -> None:
            failed.append(tup_id)

    Listening().fail_by_worker_death(3, 5)
    assert failed == [3]


def test_without_a_tup_id_nothing_is_kept(spout: Replaying) -> None:
    spout.emit(["a"])
    spout.emit_many([["b"], ["c"]])
    assert spout.unacked_tuples == {}
    assert len(spout.sent) == 3


def test_emit_many_keeps_each_tuple_that_has_a_tup_id(spout: Replaying) -> None:
    spout.emit_many([["a"], ["b"], ["c"]], [1, None, 0])
    assert set(spout.unacked_tuples) == {0, 1}
    spout.fail(0)
    assert spout.sent[-1] == (("c",), 0, None, None)


def test_what_could_not_be_sent_is_not_kept(spout: Replaying) -> None:
    spout.emit(["old"], 1)
    spout.broken = True
    with pytest.raises(RuntimeError):
        spout.emit(["new"], 1)
    with pytest.raises(RuntimeError):
        spout.emit_many([["x"], ["y"]], [2, 3])
    assert {tup_id: kept.tup for tup_id, kept in spout.unacked_tuples.items()} == {1: ("old",)}


def test_an_ack_from_inside_emit_leaves_nothing_behind() -> None:
    class Immediate(Recorder):
        __slots__ = ()

        def emit(self, tup: Any, tup_id: Any = None, *rest: Any) -> None:
            self.ack(tup_id)

    class Spouting(ReliableSpout, Immediate): ...

    spouting = Spouting()
    spouting.emit(["a"], 1)
    assert spouting.unacked_tuples == {}
