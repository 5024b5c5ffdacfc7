"""Everything at once: coroutines, joins, foreign emits, limits, and bolts that raise or fail."""

import asyncio
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from typhoon import Bolt, LocalCluster, Spout, TopologyBuilder

OWN, FOREIGN = 1500, 500


@pytest.mark.parametrize("threads", ["auto", "all"])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_tree_ends_once_and_order_holds(seed, threads, par, wait_until):
    answers, failed, order = Counter(), set(), {}
    spouts, lock = [], threading.Lock()

    class Source(Spout):
        outputs = ("n",)

        def initialize(self, conf, context):
            self.numbers = iter(range(OWN))
            spouts.append(self)

        def next_tuple(self):
            if len(answers) == OWN + FOREIGN:
                raise StopIteration
            for n in self.numbers:
                self.emit([n], tup_id=n)
                return

        def ack(self, tup_id):
            answers[tup_id] += 1

        def fail(self, tup_id):
            answers[tup_id] += 1
            failed.add(tup_id)

    class Fan(Bolt):
        outputs = ("n", "part")

        def initialize(self, conf, context):
            self.seen = order.setdefault(context.task_id, [])

        def process(self, tup):
            self.seen.append(tup["n"])
            self.emit_many([[tup["n"], part] for part in range(tup["n"] % 4)])

    class Wait(Bolt):
        outputs = ("n", "part")

        async def process(self, tup):
            await asyncio.sleep(tup["n"] % 3 * 0.0003)
            if tup["n"] % 50 == 3:
                raise ValueError("fate")
            self.emit(list(tup.values))

    class Join(Bolt):
        """Emits two by two, anchored to both, from the threads of a pool."""

        outputs = ("n", "part")
        auto_ack = False
        tick_freq_secs = 0.02

        def initialize(self, conf, context):
            self.held = []
            self.random = random.Random(seed * 100 + context.task_index)

        def process(self, tup):
            self.held.append(tup)
            if len(self.held) > 7:
                self.random.shuffle(self.held)
                pool.submit(self.join, self.held.pop(), self.held.pop())

        def process_tick(self, tup):
            while self.held:
                self.join(self.held.pop())

        def join(self, *tups):
            self.emit(list(tups[0].values), anchors=tups)
            for tup in tups:
                self.ack(tup)

    class End(Bolt):
        def process(self, tup):
            if tup["n"] % 70 == 5:
                self.fail(tup)

    builder = TopologyBuilder()
    builder.set_spout("source", Source)
    builder.set_bolt("fan", Fan, par).shuffle_grouping("source")
    builder.set_bolt("wait", Wait, par).shuffle_grouping("fan")
    builder.set_bolt("join", Join, par).shuffle_grouping("wait")
    builder.set_bolt("end", End, par).fields_grouping("join", ["n"])
    conf = {
        "topology.executor.threads": threads,
        "topology.executor.receive.buffer.size": 32,
        "topology.max.spout.pending": 100,
    }

    def push(numbers):
        for n in numbers:
            with lock:  # so that what each thread emits is in one order
                spouts[0].emit([n], tup_id=n)

    with ThreadPoolExecutor(3) as pool, LocalCluster() as cluster:
        topology = cluster.submit("test", builder, conf)
        wait_until(lambda: spouts)
        middle = OWN + FOREIGN // 2
        with ThreadPoolExecutor(2) as others:
            list(others.map(push, [range(OWN, middle), range(middle, OWN + FOREIGN)]))
        topology.wait_until_drained(timeout=40)
        stats = topology.stats()
    assert answers == Counter(range(OWN + FOREIGN))
    assert {n for n in range(OWN + FOREIGN) if n % 50 == 3 and n % 4} <= failed
    assert (stats.acked, stats.failed) == (OWN + FOREIGN - len(failed), len(failed))
    assert stats.components[0].pending == 0
    # From one task to another what one thread emits stays in its order.
    for numbers in order.values():
        for first, last in ((0, OWN), (OWN, middle), (middle, OWN + FOREIGN)):
            mine = [n for n in numbers if first <= n < last]
            assert mine == sorted(mine)
