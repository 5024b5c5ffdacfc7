"""`typhoon.run` and `LocalCluster` as an application uses them: files, names, threads, cells."""

import asyncio
import gc
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from typhoon import (
    Bolt,
    Grouping,
    InvalidConfigError,
    InvalidTopologyError,
    LocalCluster,
    NotRunningError,
    ReliableSpout,
    Spout,
    Topology,
    TopologyBuilder,
    TopologyFailedError,
    bolt,
    run,
    spout,
)
from typhoon.components import FileLines, QueueSpout
from typhoon.testing import FakeClock


@spout(outputs=["n"])
def numbers():
    yield from range(5)


@bolt(outputs=["n"])
def same(n):
    return n


PLAIN = Topology.chain(numbers, same)


class Endless(Spout):
    outputs = ("n",)

    def next_tuple(self) -> None:
        self.emit([1], tup_id=1)


# What `run` reads ---------------------------------------------------------------------------------


def seeing(seen: list[Any], config: dict[str, Any]) -> Topology:
    @spout(outputs=["n"])
    def once(*, conf):
        seen.append([conf.get(key) for key in ("my.a", "my.b", "my.c")])
        yield 1

    return Topology.chain(once, config=config)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, and another in which the script lies that was started."""
    here, script = tmp_path / "here", tmp_path / "there" / "app.py"
    here.mkdir()
    script.parent.mkdir()
    main = ModuleType("__main__")
    main.__file__ = str(script)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.chdir(here)
    return tmp_path


def test_run_reads_the_file_of_the_current_folder(in_folder: Path) -> None:
    (in_folder / "here/typhoon.yaml").write_text("{my.a: file, my.b: file, my.c: file}\n")
    (in_folder / "there/typhoon.yaml").write_text("my.a: other\n")
    seen: list[Any] = []
    run(seeing(seen, {"my.b": "own", "my.c": "own"}), {"my.c": "given"})
    assert seen == [["file", "own", "given"]]


def test_run_reads_the_file_beside_the_script(in_folder: Path) -> None:
    (in_folder / "there/typhoon.yaml").write_text("my.a: script\n")
    seen: list[Any] = []
    run(seeing(seen, {}))
    assert seen == [["script", None, None]]


def test_a_project_fresh_from_typhoon_new_runs_from_python(in_folder: Path) -> None:
    from typhoon.cli import main

    assert main(["new", "fresh"]) == 0
    (in_folder / "here/README.md").write_text("to be or not to be\n")
    (in_folder / "here/typhoon.yaml").write_text(Path("fresh/typhoon.yaml").read_text())
    space: dict[str, Any] = {"__name__": "fresh_app"}
    exec(Path("fresh/app.py").read_text(), space)
    assert run(space["topology"]).executed["count"] == 6


def test_a_limit_in_the_file_limits(in_folder: Path) -> None:
    (in_folder / "here/typhoon.yaml").write_text("topology.max.task.parallelism: 2\n")
    stats = run(Topology.chain(numbers, same.spec(par=4)))
    assert stats["components"]["same"]["tasks"] == 2


def test_a_broken_file_is_an_error_before_anything_starts(in_folder: Path) -> None:
    (in_folder / "here/typhoon.yaml").write_text("a: [\n")
    with pytest.raises(InvalidConfigError, match=r"typhoon\.yaml"):
        run(PLAIN)


def test_a_cluster_reads_no_file(in_folder: Path) -> None:
    (in_folder / "here/typhoon.yaml").write_text("my.a: file\n")
    seen: list[Any] = []
    with LocalCluster() as cluster:
        cluster.submit("seeing", seeing(seen, {})).wait_until_drained(timeout=10)
    assert seen == [[None, None, None]]


# Where `run` runs ---------------------------------------------------------------------------------


def test_run_in_threads_at_once() -> None:
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: run(PLAIN).acked, range(3)))
    assert found == [5, 5, 5]


def test_run_beside_a_running_event_loop() -> None:
    @bolt(outputs=["n"])
    async def slowly(n):
        await asyncio.sleep(0.001)
        return n

    async def main() -> list[int]:
        inside = run(Topology.chain(numbers, slowly)).acked  # as a cell of a notebook does
        return [inside, (await asyncio.to_thread(run, PLAIN)).acked]

    assert asyncio.run(main()) == [5, 5]


def test_a_cell_that_is_run_again_leaves_nothing_that_has_drained(wait_until: Any) -> None:
    cell = """
cluster = LocalCluster()
topology = cluster.submit("wc", PLAIN)
"""
    space: dict[str, Any] = {"LocalCluster": LocalCluster, "PLAIN": PLAIN}
    before = threading.active_count()

    async def notebook() -> None:
        for _ in range(3):
            exec(cell, space)

    asyncio.run(notebook())
    space.clear()
    gc.collect()
    wait_until(lambda: threading.active_count() == before)


def test_a_topology_whose_cluster_is_forgotten_can_be_waited_for() -> None:
    topology = LocalCluster().submit("wc", PLAIN)
    gc.collect()
    topology.wait_until_drained(timeout=10)
    assert topology.stats().acked == 5


# Names and arguments ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", "  ", " a", None, 5, "a/b", "a\\b", "a:b", "__x", "x" * 201, "a\nb", "../up", "a*"]
)
def test_a_name_that_no_topology_can_have(name: Any) -> None:
    with LocalCluster() as cluster:
        with pytest.raises(InvalidTopologyError, match="cannot be called") as caught:
            cluster.submit(name, PLAIN)
        assert "hint: " in str(caught.value)


@pytest.mark.parametrize("name", ["word count", "ünï", "a.b-c_d", "1", "x" * 200])
def test_a_name_that_a_topology_can_have(name: str) -> None:
    with LocalCluster() as cluster:
        topology = cluster.submit(name, PLAIN)
        topology.wait_until_drained(timeout=10)
    assert topology.stats().topology == name


def test_nothing_is_submitted_to_a_closed_cluster() -> None:
    with LocalCluster() as cluster:
        pass
    with pytest.raises(NotRunningError, match="the cluster is closed"):
        cluster.submit("x", PLAIN)


def test_run_calls_a_topology_what_its_author_called_it() -> None:
    builder = TopologyBuilder("mine")
    builder.set_spout("numbers", numbers)
    assert run(builder).topology == "mine"
    assert run(PLAIN).topology == "topology"


@pytest.mark.parametrize("duration", [0.2, "200ms", timedelta(seconds=0.2)])
def test_a_duration_in_each_form(duration: Any) -> None:
    @spout(outputs=["n"])
    def endless():
        while True:
            yield 1

    assert run(Topology.chain(endless), duration=duration).seconds < 5


@pytest.mark.parametrize("duration", ["soon", -1, [3]])
def test_what_is_no_duration(duration: Any) -> None:
    with pytest.raises(ValueError, match="it must be a duration"):
        run(PLAIN, duration=duration)


@pytest.mark.parametrize("config", [[1], "x", 5])
def test_a_configuration_that_is_no_mapping(config: Any) -> None:
    with pytest.raises(InvalidConfigError, match="no mapping of keys to values"):
        run(PLAIN, config)
    with LocalCluster() as cluster, pytest.raises(InvalidConfigError, match="no mapping"):
        cluster.submit("x", PLAIN, config)


def test_ready_made_components_refuse_what_they_cannot_use() -> None:
    with pytest.raises(ValueError, match="maxsize must be a whole number"):
        QueueSpout(["n"], maxsize="3")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="FileLines takes a path"):
        FileLines(5)  # type: ignore[arg-type]
    with pytest.raises(TopologyFailedError, match="an empty list"):
        run(Topology.chain(FileLines([])))
    with pytest.raises(InvalidTopologyError, match="a QueueSpout without outputs"):
        run(Topology.chain(QueueSpout()))
    with pytest.raises(InvalidTopologyError, match="a QueueSpout without outputs"):
        run(Topology.chain(QueueSpout))


@pytest.mark.parametrize("seconds", [-1, float("nan"), "3", None])
def test_time_does_not_go_back(seconds: Any) -> None:
    with pytest.raises(ValueError, match="time goes on"):
        FakeClock().advance(seconds)


# Figures ------------------------------------------------------------------------------------------


def test_stats_are_the_mapping_that_is_printed_as_json() -> None:
    stats = run(PLAIN)
    assert stats["acked"] == stats.acked == 5
    assert dict(stats) == stats.to_dict()
    assert stats["components"]["same"]["emitted"] == 5
    assert set(stats) >= {"acked", "failed", "timed_out", "replayed", "emitted", "executed"}
    with pytest.raises(KeyError, match="nothing"):
        stats["nothing"]


def test_what_was_given_up_and_what_was_settled_again_is_counted() -> None:
    class Reliable(ReliableSpout):
        outputs = ("n",)
        max_fails = 1

        def next_tuple(self) -> None:
            self.emit([1], tup_id=1)
            raise StopIteration

    class Twice(Bolt):
        def process(self, tup: Any) -> None:
            self.fail(tup)
            self.fail(tup)

    builder = TopologyBuilder("counted")
    builder.set_spout("reliable", Reliable)
    builder.set_bolt("twice", Twice).shuffle_grouping("reliable")
    stats = run(builder)
    assert stats["components"]["reliable"]["gave_up"] == 1
    assert stats["components"]["twice"]["settled_again"] == 2
    assert stats["components"]["twice"]["gave_up"] == 0


# What cannot be copied or shipped -----------------------------------------------------------------


class Locked(Bolt):
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def process(self, tup: Any) -> None: ...


class LockedGrouping:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def prepare(self, context: Any, stream: Any, targets: list[int]) -> None:
        self.targets = targets

    def choose_tasks(self, source_task: int, values: Any) -> list[int]:
        return self.targets[:1]


class Plain(Bolt):
    def process(self, tup: Any) -> None: ...


def of(component: Any, grouping: Grouping = Grouping.SHUFFLE) -> TopologyBuilder:
    builder = TopologyBuilder("of")
    builder.set_spout("numbers", numbers)
    builder.set_bolt("b", component).grouping("numbers", grouping)
    return builder


def test_a_grouping_that_cannot_be_copied_is_named() -> None:
    with LocalCluster() as cluster, pytest.raises(InvalidTopologyError) as caught:
        cluster.submit("x", of(Plain, Grouping.custom(LockedGrouping())))
    assert "bolt 'b': its custom grouping, a LockedGrouping, cannot be copied" in str(caught.value)
    assert "hint: open locks and connections in prepare()" in str(caught.value)


def test_a_bolt_that_cannot_be_copied_is_named_with_the_true_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    with pytest.raises(TopologyFailedError) as caught:
        run(of(Locked()))
    assert "could not start: each task gets a copy of the Locked given" in str(caught.value)
    assert str(caught.value).count("hint:") == 1
    assert caught.value.hint == "open locks, files and connections in initialize(), not in __init__"


def test_an_error_that_brings_a_hint_has_one_hint(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    with pytest.raises(TopologyFailedError) as caught:
        run(Topology.chain(FileLines("none.txt")))
    assert str(caught.value).count("hint:") == 1
    assert "mind its spelling" in str(caught.value)


@pytest.mark.parametrize(("workers", "warnings"), [(1, 0), (2, 1)])
def test_more_workers_than_one_process_has_are_warned_of(
    caplog: pytest.LogCaptureFixture, workers: int, warnings: int
) -> None:
    run(PLAIN, {"topology.workers": workers})
    told = [one.getMessage() for one in caplog.records if "topology.workers" in one.getMessage()]
    assert len(told) == warnings
    assert all("LocalCluster(processes=True) or `typhoon run`" in one for one in told)


def test_everything_that_could_not_be_shipped_is_named() -> None:
    class Local(Bolt):
        def process(self, tup: Any) -> None: ...

    builder = of(Locked(), Grouping.custom(LockedGrouping()))
    builder.set_bolt("local", Local).shuffle_grouping("numbers").set_config({"my.b": lambda: 0})
    with (
        LocalCluster(check_serializable=True) as cluster,
        pytest.raises(InvalidTopologyError) as caught,
    ):
        cluster.submit("x", builder, {"my.a": threading.Lock(), "my.c": [1]})
    lock, grouping, local, inner, outer = caught.value.mistakes
    assert lock.startswith("bolt 'b' cannot be pickled")
    assert lock.endswith("hint: open locks, files and connections in initialize(), not in __init__")
    assert grouping.startswith("bolt 'b': its grouping of 'numbers' cannot be pickled")
    assert grouping.endswith("hint: open locks and connections in prepare(), not in __init__")
    assert local.startswith("bolt 'local' cannot be pickled")
    assert "hint: define it at the top of a module" in local
    assert inner.startswith("bolt 'local': its configuration 'my.b'")
    assert outer.startswith("the configuration 'my.a' cannot be pickled")
    assert outer.endswith("hint: configuration holds numbers, text, lists and mappings")


def test_what_can_be_shipped_runs() -> None:
    with LocalCluster(check_serializable=True) as cluster:
        cluster.submit("x", of(Plain), {"my.c": [1]}).wait_until_drained(timeout=10)
