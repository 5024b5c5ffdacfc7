"""Methods that turn out to be coroutines or generators only when they are called."""

import functools
import warnings
from collections import Counter

import pytest

from typhoon import BatchingBolt, Bolt, LocalCluster
from typhoon.errors import TopologyFailedError


def hidden(function):
    """The same function, as a decorator would hand it out that knows nothing of `async`."""

    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


async def waits(self, *args):
    raise AssertionError("it must not run")


def yields(self, *args):
    yield [1]


async def both(self, *args):
    yield [1]


BODIES = pytest.mark.parametrize(
    ("body", "what"),
    [(waits, "async"), (yields, "a generator"), (both, "async")],
    ids=["async", "yield", "async-yield"],
)


@pytest.fixture(autouse=True)
def nothing_is_left_to_warn_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def run(builder, config=None):
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder, config)
        topology.wait_until_drained(timeout=10)
        return {one.id: one for one in topology.stats().components}


def says(one, method, what):
    return (
        f"TypeError: {method} is {what} (a decorator or an assignment hides it)" in one.last_error
    )


@BODIES
@pytest.mark.parametrize("how", ["decorated", "assigned"])
def test_process_fails_its_tuple(journal, chain, threaded, body, what, how):
    class Assigned(Bolt):
        def __init__(self):
            self.process = functools.partial(body, self)

        def process(self, tup):
            raise AssertionError("it must not run")

    Assigned.threaded = threaded
    bolt = journal.bolt(hidden(body), threaded=threaded) if how == "decorated" else Assigned()
    stats = run(chain(journal.source(range(5)), bolt))
    assert says(stats["b1"], "process", what)
    assert stats["b1"].errors == 5
    assert Counter(journal.failed) == Counter(range(5))


@BODIES
def test_process_many_fails_its_batch(journal, chain, body, what):
    stats = run(chain(journal.source(range(5)), journal.bolt(process_many=hidden(body))))
    assert says(stats["b1"], "process_many", what)
    assert Counter(journal.failed) == Counter(range(5))


@BODIES
def test_process_batch_fails_its_batch(journal, chain, body, what):
    class Batches(BatchingBolt):
        tick_freq_secs = 3600
        process_batch = hidden(body)

    stats = run(chain(journal.source(range(5)), Batches))
    assert says(stats["b1"], "process_batch", what)
    assert Counter(journal.failed) == Counter(range(5))


@BODIES
@pytest.mark.parametrize("method", ["activate", "ack", "fail", "close"])
@pytest.mark.parametrize("acking", [True, False], ids=["acking", "without-acking"])
def test_other_methods_of_a_spout_report_it(journal, chain, body, what, method, acking):
    def process(self, tup):
        if method == "fail":
            self.fail(tup)

    source = journal.source([1], **{method: hidden(body)})
    config = {} if acking else {"topology.acker.executors": 0}
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(source, journal.bolt(process)), config)
        topology.wait_until_drained(timeout=10)
        (one,) = (one for one in topology.stats().components if one.id == "source")
    if acking or method != "fail":
        assert says(one, method, what)
        assert one.errors == 1


@BODIES
def test_process_tick_reports_it(journal, chain, body, what):
    bolt = journal.bolt(process_tick=hidden(body), tick_freq_secs=3600)
    assert says(run(chain(journal.source([1]), bolt))["b1"], "process_tick", what)


@BODIES
def test_next_tuple_reports_it(journal, chain, body, what, wait_until):
    source = journal.source([1], next_tuple=hidden(body))
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(source, journal.bolt()))
        wait_until(lambda: topology.stats().components[0].errors)
        assert says(topology.stats().components[0], "next_tuple", what)


@BODIES
def test_initialize_ends_the_start(journal, chain, body, what):
    with pytest.raises(TopologyFailedError, match=f"initialize is {what}"):
        run(chain(journal.source([1]), journal.bolt(initialize=hidden(body))))


def test_what_else_a_method_gives_back_is_let_go(journal, chain):
    stats = run(chain(journal.source(range(5)), journal.bolt(lambda self, tup: [tup[0]])))
    assert stats["b1"].errors == 0
    assert Counter(journal.acked) == Counter(range(5))


def test_decorator_may_run_what_is_async(journal, chain):
    """Behind it `process` is a coroutine, and yet it does all its work: so it is not refused."""

    async def process(self, tup):
        journal.seen.append(tup[0])

    @functools.wraps(process)
    def runs(self, tup):
        with pytest.raises(StopIteration):
            process(self, tup).send(None)

    run(chain(journal.source(range(5)), journal.bolt(runs)))
    assert journal.seen == list(range(5))
    assert journal.failed == []
