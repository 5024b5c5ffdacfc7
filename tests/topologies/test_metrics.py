"""What a topology's figures say of its streams, its times, its ends, and of metrics of its own."""

import asyncio
import json
import threading
import time
from itertools import pairwise

import pytest

from typhoon import LocalCluster, Spout, Stream, TopologyBuilder
from typhoon.testing import FakeClock


def run(builder, config=None, **options):
    with LocalCluster(**options) as cluster:
        topology = cluster.submit("test", builder, config)
        topology.wait_until_drained(timeout=15)
        return topology.stats()


def by_id(stats):
    return {one.id: one for one in stats.components}


class Both(Spout):
    outputs = (Stream(["n"]), Stream(["n"], name="odd"))

    def initialize(self, conf, context):
        self.numbers = iter(range(101))

    def next_tuple(self):
        n = next(self.numbers)
        self.emit([n], tup_id=n)
        if n % 2:
            self.emit([n], stream="odd")


def test_executed_is_counted_by_source_and_stream(journal, par):
    builder = TopologyBuilder("join")
    builder.set_spout("both", Both)
    builder.set_spout("plain", journal.source(range(30)))
    bolt = builder.set_bolt("join", journal.bolt(tick_freq_secs=None), par)
    bolt.shuffle_grouping("both").shuffle_grouping("both", "odd").shuffle_grouping("plain")
    join = by_id(run(builder))["join"]
    assert join.inputs == {"both": {"default": 101, "odd": 50}, "plain": {"default": 30}}
    assert join.executed == 181


def test_ticks_are_inputs_of_the_system(journal, chain):
    clock = FakeClock()
    ticking = journal.bolt(tick_freq_secs=1)
    spout = journal.source([], next_tuple=lambda self: None)
    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit("test", chain(spout, ticking))
        clock.advance(3.5)
        assert by_id(topology.stats())["b1"].inputs == {"__system": {"__tick": 3}}


def test_emitted_is_counted_by_stream(journal):
    builder = TopologyBuilder("both")
    builder.set_spout("both", Both)
    builder.set_bolt("sink", journal.bolt(), 3).all_grouping("both")
    assert by_id(run(builder))["both"].outputs == {
        "default": {"emitted": 101, "transferred": 303},
        "odd": {"emitted": 50, "transferred": 0},
    }


@pytest.mark.parametrize("many", [False, True], ids=["process", "process_many"])
def test_the_time_of_a_call_is_its_execute_latency(journal, chain, many):
    def wait(_, tups):
        time.sleep(0.002 * (len(tups) if many else 1))

    slow = journal.bolt(**({"process_many": wait} if many else {"process": wait}))
    stats = by_id(run(chain(journal.source(range(50)), slow)))
    assert 2.0 <= stats["b1"].execute_latency_ms < 20.0
    assert stats["b1"].process_latency_ms >= 2.0
    assert 0.2 < stats["b1"].capacity <= 1.0
    assert stats["source"].execute_latency_ms is None


def test_opening_is_no_work(journal, chain):
    def initialize(self, conf, context):
        time.sleep(0.2)

    bolt = journal.bolt(initialize=initialize, close=lambda self: time.sleep(0.2))
    assert by_id(run(chain(journal.source([1]), bolt)))["b1"].busy_s < 0.15


def test_process_latency_lasts_until_the_ack(journal, chain):
    waiting = []

    def keep(self, tup):
        waiting.append((self, tup))
        if len(waiting) == 40:
            time.sleep(0.05)
            for bolt, one in waiting:
                bolt.ack(one)

    late = journal.bolt(keep, auto_ack=False)
    b1 = by_id(run(chain(journal.source(range(40)), late), {"topology.stats.sample.rate": 1.0}))[
        "b1"
    ]
    assert b1.acked == 40
    assert b1.process_latency_ms >= 45.0
    assert b1.execute_latency_ms < b1.process_latency_ms


def test_process_latency_of_a_coroutine_is_that_of_its_end(journal, chain):
    async def process(self, tup):
        await asyncio.sleep(0.02)

    config = {"topology.stats.sample.rate": 1.0}
    b1 = by_id(run(chain(journal.source(range(20)), journal.bolt(process)), config))["b1"]
    assert b1.process_latency_ms >= 20.0
    assert b1.execute_latency_ms < 10.0


def test_what_was_failed_has_no_process_latency(journal, chain):
    failing = journal.bolt(lambda self, tup: self.fail(tup))
    stats = run(chain(journal.source(range(40)), failing), {"topology.stats.sample.rate": 1.0})
    assert by_id(stats)["b1"].process_latency_ms is None


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5, 1.0])
def test_the_sample_rate_changes_no_count(journal, chain, rate):
    stats = run(
        chain(journal.source(range(1000)), journal.bolt()), {"topology.stats.sample.rate": rate}
    )
    b1 = by_id(stats)["b1"]
    assert (b1.executed, b1.acked, stats.acked) == (1000, 1000, 1000)
    assert (b1.process_latency_ms is None) == (rate == 0.0)
    assert b1.execute_latency_ms > 0


def test_a_timed_tuple_keeps_its_id(journal, chain):
    def process(self, tup):
        journal.seen.append(tup.id)
        self.ack(tup.id)

    config = {"topology.stats.sample.rate": 1.0}
    stats = run(chain(journal.source(range(50)), journal.bolt(process)), config)
    assert stats.acked == 50
    assert len(set(journal.seen)) == 50
    assert all(len(one) < 16 for one in journal.seen)


def test_counters_and_histograms_are_the_components(journal, chain):
    def initialize(self, conf, context):
        self.counter = context.metrics.counter("words")
        self.size = context.metrics.histogram("size")
        context.metrics.gauge("task").set(context.task_index)

    def process(self, tup):
        threads = [threading.Thread(target=self.counter.inc, args=(2,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.size.update(tup[0])

    bolt = journal.bolt(process, initialize=initialize)
    stats = run(chain(journal.source(range(1, 101)), bolt, par=3))
    metrics = by_id(stats)["b1"].metrics
    assert metrics["words"] == 600
    assert sorted(metrics["task"].values()) == [0, 1, 2]
    size = metrics["size"]
    assert (size["count"], size["min"], size["max"], size["mean"]) == (100, 1, 100, 50.5)
    assert size["p50"] == pytest.approx(50, rel=0.011)
    assert size["p99"] == pytest.approx(99, rel=0.011)
    assert json.loads(json.dumps(stats.to_dict()))["components"]["b1"]["metrics"]["words"] == 600


def test_report_metric_goes_to_the_metric_of_that_name(journal, chain):
    def initialize(self, conf, context):
        context.metrics.counter("calls")

    def process(self, tup):
        self.report_metric("calls", 1)
        self.report_metric("n", tup[0])
        self.report_metric("state", "fine")

    stats = run(chain(journal.source(range(10)), journal.bolt(process, initialize=initialize)))
    metrics = by_id(stats)["b1"].metrics
    assert metrics["calls"] == 10
    assert metrics["n"]["count"] == 10
    assert list(metrics["state"].values()) == ["fine"]


def test_any_gauge_can_be_printed(journal, chain):
    def initialize(self, conf, context):
        for name, value in (("lock", threading.Lock()), ("nan", float("nan")), ("set", {1})):
            context.metrics.gauge(name).set([value])

    stats = run(chain(journal.source([]), journal.bolt(initialize=initialize)))
    metrics = json.loads(json.dumps(stats.to_dict(), allow_nan=False))["components"]["b1"][
        "metrics"
    ]
    ((task, held),) = metrics["set"].items()
    assert (task.isdigit(), held) == (True, ["{1}"])
    assert list(metrics["nan"].values()) == [["nan"]]
    assert "lock object" in str(metrics["lock"])


def test_metrics_outlive_a_restart(journal, chain):
    def process(self, tup):
        self.report_metric("seen", 1)
        if not journal.errors:
            journal.errors.append(tup)
            raise ValueError

    stats = run(chain(journal.source(range(10)), journal.bolt(process, on_error="exit")))
    metrics = by_id(stats)["b1"]
    assert metrics.metrics["seen"]["count"] == metrics.inputs["source"]["default"]
    assert metrics.metrics["seen"]["count"] >= 11


# What all tasks of a worker share ---------------------------------------------------------------


def test_a_resource_is_made_once_and_closed_after_the_components(journal, chain):
    class Pool:
        def close(self):
            journal.closed.append("pool")

    def initialize(self, conf, context):
        journal.seen.append(context.get_resource("pool", Pool))
        context.executor_data["index"] = context.task_index

    run(chain(journal.source([]), journal.bolt(initialize=initialize), par=3))
    assert len(journal.seen) == 3
    assert len(set(map(id, journal.seen))) == 1
    assert journal.closed == ["Probe"] * 3 + ["pool"]


def test_a_resource_that_nobody_made_is_missed(journal, chain):
    def initialize(self, conf, context):
        with pytest.raises(LookupError, match="pool") as caught:
            context.get_resource("pool")
        journal.errors.append(caught.value)

    run(chain(journal.source([]), journal.bolt(initialize=initialize)))
    assert len(journal.errors) == 1


def test_the_shared_executor_is_one_and_ends_with_the_worker(journal, chain):
    def initialize(self, conf, context):
        self.pool = context.shared_executor

    def process(self, tup):
        journal.seen.append((id(self.pool), self.pool.submit(lambda: tup[0]).result(5)))

    run(chain(journal.source(range(9)), journal.bolt(process, initialize=initialize), par=3))
    assert len({pool for pool, _ in journal.seen}) == 1
    assert sorted(n for _, n in journal.seen) == list(range(9))


def test_tasks_of_one_executor_share_its_data(journal):
    def initialize(self, conf, context):
        context.executor_data.setdefault("tasks", []).append(context.task_id)
        context.task_data["own"] = context.task_id
        journal.seen.append((context.executor_data["tasks"], context.task_data))

    builder = TopologyBuilder("tasks")
    builder.set_spout("source", journal.source([]))
    bolt = builder.set_bolt("b", journal.bolt(initialize=initialize), 2)
    bolt.set_num_tasks(4).shuffle_grouping("source")
    run(builder)
    assert sorted(len(tasks) for tasks, _ in journal.seen) == [2, 2, 2, 2]
    assert len({own["own"] for _, own in journal.seen}) == 4


# How it ended -----------------------------------------------------------------------------------


def test_the_status_says_how_it_ended(journal, chain):
    with LocalCluster() as cluster:
        drained = cluster.submit("drained", chain(journal.source([1]), journal.bolt()))
        assert drained.status == "ACTIVE"
        drained.wait_until_drained(timeout=15)
        assert drained.stats().status == "DRAINED"

        endless = journal.source([], next_tuple=lambda self: None)
        stopped = cluster.submit("stopped", chain(endless, journal.bolt()))
        stopped.deactivate()
        assert stopped.status == "INACTIVE"
        stopped.close()
        assert stopped.status == "STOPPED"

        killed = cluster.submit("killed", chain(endless, journal.bolt()))
        killed.kill(wait_secs=0)
        assert killed.status == "KILLED"

        def initialize(self, conf, context):
            raise ValueError

        failed = cluster.submit("failed", chain(endless, journal.bolt(initialize=initialize)))
        assert failed.wait(15)
        assert failed.status == "FAILED"


# How often an idle spout is asked ---------------------------------------------------------------


@pytest.mark.parametrize("pause_us", [1_000, 100_000])
def test_an_idle_spout_is_asked_as_often_as_configured(journal, chain, wait_until, pause_us):
    calls = []
    spout = journal.source([], next_tuple=lambda self: calls.append(time.monotonic()))
    with LocalCluster() as cluster:
        config = {"topology.spout.wait.park.microsec": pause_us}
        cluster.submit("test", chain(spout, journal.bolt()), config)
        wait_until(lambda: len(calls) >= 6)
    gaps = [after - before for before, after in pairwise(calls)]
    assert pause_us / 1e6 * 0.9 < min(gaps) < pause_us / 1e6 + 0.05


def test_a_spout_that_is_long_idle_is_asked_less_often(journal, chain, wait_until):
    calls = []
    spout = journal.source([], next_tuple=lambda self: calls.append(time.monotonic()))
    config = {
        "topology.spout.wait.park.microsec": 1_000,
        "topology.spout.wait.progressive.level3.sleep.millis": 300,
    }
    with LocalCluster() as cluster:
        cluster.submit("test", chain(spout, journal.bolt()), config)
        wait_until(lambda: len(calls) > 2 and calls[-1] - calls[-2] > 0.25, 10)
        assert calls[-1] - calls[0] > 1.0
