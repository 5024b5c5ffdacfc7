"""Executors move between workers, and to more or fewer of them, while a topology runs."""

import os
import signal
from collections import Counter

import pytest
from worker_parts import Forward, Replayed, Sink

from typhoon import TopologyBuilder
from typhoon.errors import InvalidTopologyError, TopologyFailedError

PACE = 2000


@pytest.fixture
def running(diary, submit, tmp_path, wait_until):
    """One spout, two forwards, two sinks in two workers; ``stop()`` lets the source end."""
    keep = tmp_path / "keep"
    keep.touch()
    builder = TopologyBuilder("moving")
    builder.set_spout("numbers", Replayed(diary, pace=PACE, keep=str(keep)), 1)
    builder.set_bolt("forward", Forward(diary), 2).set_num_tasks(4).shuffle_grouping("numbers")
    builder.set_bolt("sink", Sink(diary), 2).fields_grouping("forward", ["number"])
    topology = submit(builder, 2, topology_message_timeout_secs=300)
    topology.stop = keep.unlink
    wait_until(lambda: diary.count("acked") > 100, what="the first hundred")
    return topology


def processes(topology):
    return {one.port: (one.pid, one.components) for one in topology.stats().processes}


def ends_with_nothing_lost(topology, diary):
    """A spout that was moved begins again, so numbers may come twice, but none is left out."""
    topology.stop()
    topology.wait_until_drained(timeout=40)
    seen, acked = diary.firsts("seen"), diary.firsts("acked")
    assert set(seen) >= set(acked) == set(range(max(acked) + 1))
    assert topology.stats().timed_out == 0
    return seen


def test_more_workers_and_fewer(running, diary, wait_until):
    assert running.rebalance(10, workers=3) == []
    assert len(processes(running)) == running.stats().workers == 3
    assert len({pid for pid, _ in processes(running).values()}) == 3
    before = diary.count("acked")
    wait_until(lambda: diary.count("acked") > before + 100, what="acks in three workers")
    assert running.rebalance(10, workers=1) == []
    assert len(processes(running)) == 1
    before = diary.count("acked")
    wait_until(lambda: diary.count("acked") > before + 100, what="acks in one worker")
    ends_with_nothing_lost(running, diary)
    assert len(diary.all("opened")) == len(diary.all("closed"))


def test_a_worker_that_keeps_its_executors_keeps_its_process(running, diary, wait_until):
    before = processes(running)
    running.rebalance(10, workers=3)
    after = processes(running)
    stayed = [port for port, known in before.items() if after.get(port) == known]
    assert len(stayed) == 1
    (pid, components) = after[stayed[0]]
    opened = [what for what in diary.all("opened") if what[2] == pid]
    assert Counter(name for name, *_ in opened).keys() == set(components)
    assert not any(closed[2] == pid for closed in diary.all("closed"))
    count = diary.count("seen")
    wait_until(lambda: diary.count("seen") > count + 200, what="tuples for all")
    # It sends to where tasks are now, and gets what is for it.
    assert {task for _, task, at in diary.all("seen")[count:] if at == pid}
    ends_with_nothing_lost(running, diary)


def test_other_numbers_of_executors_for_the_same_tasks(running, diary):
    tasks = {tuple(what[:2]) for what in diary.all("opened")}
    running.rebalance(10, executors={"forward": 4, "sink": 9})
    rows = {one.id: (one.executors, one.tasks) for one in running.stats().components}
    assert rows["forward"] == (4, 4)
    assert rows["sink"] == (2, 2), "no more executors than tasks"
    assert {tuple(what[:2]) for what in diary.all("opened")} == tasks
    ends_with_nothing_lost(running, diary)


def test_what_cannot_be_is_refused_and_nothing_moves(running, diary):
    before = processes(running)
    with pytest.raises(InvalidTopologyError) as caught:
        running.rebalance(executors={"sinks": 1, "forward": 0})
    assert len(caught.value.mistakes) == 2
    with pytest.raises(InvalidTopologyError, match="workers = 0"):
        running.rebalance(workers=0)
    with pytest.raises(InvalidTopologyError) as caught:
        running.rebalance("5s", 2.5, {"sink": "x", "forward": True})
    assert len(caught.value.mistakes) == 4
    assert processes(running) == before
    assert running.status == "ACTIVE"
    ends_with_nothing_lost(running, diary)


def test_what_goes_wrong_meanwhile_leaves_it_active(running, diary, monkeypatch):
    def breaks(*_):
        raise OSError("too many open files")

    monkeypatch.setattr("typhoon.local._crew.pickled", breaks)
    before = processes(running)
    with pytest.raises(OSError, match="too many open files"):
        running.rebalance(10, executors={"sink": 1})
    monkeypatch.undo()
    assert running.status == "ACTIVE"
    assert processes(running) == before
    assert {one.id: one.executors for one in running.stats().components}["sink"] == 2
    assert running.rebalance(10, executors={"sink": 1}) == []
    ends_with_nothing_lost(running, diary)


def test_workers_that_do_not_come_back_are_no_success(running, diary, monkeypatch, wait_until):
    monkeypatch.setattr(running._worker, "_start_timeout_s", 0.0)
    with pytest.raises(TopologyFailedError, match="not all workers run again"):
        running.rebalance(10, workers=3)
    assert running.status == "ACTIVE"
    running.wait_until_running(20)
    count = diary.count("acked")
    # Those that the spout's new instance gives again, and more.
    wait_until(lambda: diary.count("acked") > 2 * count, 20, "acks in the workers that came late")
    ends_with_nothing_lost(running, diary)


def test_an_inactive_topology_stays_inactive(running, diary):
    running.deactivate()
    running.rebalance(10, workers=1)
    assert running.status == "INACTIVE"
    count = diary.count("acked")
    running.activate()
    seen = ends_with_nothing_lost(running, diary)
    assert sum(seen.values()) >= count


def test_a_spout_that_has_something_to_replay_does_not_move(running, diary, wait_until):
    sink = next(pid for pid, names in processes(running).values() if "numbers" not in names)
    spout = next(port for port, (_, names) in processes(running).items() if "numbers" in names)
    before = processes(running)[spout]
    os.kill(sink, signal.SIGSTOP)
    try:
        count = diary.count("acked")
        wait_until(lambda: diary.count("acked") > count + 20, what="some that pass it by")
        remarks = running.rebalance(0.2, workers=1)
    finally:
        os.kill(sink, signal.SIGCONT)
    assert len(remarks) == 1
    assert f"worker {spout} stays as it is" in remarks[0]
    assert processes(running)[spout] == before
    assert running.status == "ACTIVE"
    ends_with_nothing_lost(running, diary)
