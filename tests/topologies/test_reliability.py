"""Every tracked tuple comes to exactly one end: ack or fail, however badly it is treated."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from typhoon import Bolt, Grouping, LocalCluster, Spout, TopologyBuilder, Tuple
from typhoon.errors import AlreadySettledError, WouldDeadlockError
from typhoon.testing import FakeClock


def stats_of(topology, name):
    return next(one for one in topology.stats().components if one.id == name)


def run(builder, config=None):
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder, config)
        topology.wait_until_drained(timeout=10)
        return topology.stats()


def test_each_tuple_is_acked_once(journal, chain, par, threaded):
    forward = journal.bolt(lambda self, tup: self.emit(list(tup.values)), threaded=threaded)
    stats = run(
        chain(journal.source(range(2000)), forward, journal.bolt(threaded=threaded), par=par)
    )
    assert Counter(journal.acked) == Counter(range(2000))
    assert sorted(journal.seen) == list(range(2000))
    assert journal.failed == []
    assert (stats.acked, stats.failed) == (2000, 0)


@pytest.mark.parametrize("second", ["ack", "fail"])
def test_second_settling_of_a_tuple_is_ignored(journal, chain, par, threaded, second):
    def process(self, tup):
        self.ack(tup)
        getattr(self, second)(tup)

    run(chain(journal.source(range(50)), journal.bolt(process, threaded=threaded), par=par))
    assert Counter(journal.acked) == Counter(range(50))
    assert journal.failed == []


def test_explicit_fail_goes_before_the_automatic_ack(journal, chain, par, threaded):
    fail = journal.bolt(lambda self, tup: self.fail(tup), threaded=threaded)
    run(chain(journal.source(range(50)), fail, par=par))
    assert Counter(journal.failed) == Counter(range(50))
    assert journal.acked == []


def test_tuple_and_id_both_settle(journal, chain, par, threaded):
    bolt = journal.bolt(
        lambda self, tup: self.ack(tup.id if tup[0] % 2 else tup), auto_ack=False, threaded=threaded
    )
    run(chain(journal.source(range(50)), bolt, par=par))
    assert Counter(journal.acked) == Counter(range(50))


@pytest.mark.parametrize("method", ["ack", "fail", "emit"])
def test_only_the_receiver_can_settle_a_tuple_or_anchor_to_it(
    journal, threaded, wait_until, method
):
    """Two bolts take the same stream; what one does to the other's tuples is refused."""
    held = []
    strangers = []

    def steal(self, tup):
        for stranger in held[len(strangers) :]:
            strangers.append(stranger)
            try:
                if method == "emit":
                    self.emit([1], anchors=[stranger])
                else:
                    getattr(self, method)(stranger)
            except ValueError as error:
                journal.errors.append(error)

    clock = FakeClock()
    keep = journal.bolt(lambda self, tup: held.append(tup), auto_ack=False, threaded=threaded)
    thief = journal.bolt(steal, process_tick=steal, tick_freq_secs=1.0)
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(10)))
    builder.set_bolt("keep", keep).shuffle_grouping("source")
    builder.set_bolt("thief", thief).shuffle_grouping("source")
    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit("test", builder)
        wait_until(lambda: topology.stats().executed["keep"] == 10)
        clock.advance(5)
        assert len(strangers) == len(journal.errors) == 10
        assert all("'thief'" in str(error) for error in journal.errors)
        assert (journal.acked, journal.failed) == ([], [])
        assert stats_of(topology, "source").pending == 10
        clock.advance(60)
        assert Counter(journal.failed) == Counter(range(10))
        topology.wait_until_drained(timeout=10)
    assert journal.acked == []


def test_tuple_made_by_hand_cannot_be_acked_into_another(journal, chain):
    def process(self, tup):
        for stranger in (Tuple(id="1", values=[1]), "nonsense", Tuple()):
            try:
                self.ack(stranger)
            except Exception as error:
                journal.errors.append(error)
        self.fail(tup)

    run(chain(journal.source(range(5)), journal.bolt(process)))
    assert journal.acked == []
    assert Counter(journal.failed) == Counter(range(5))


def test_ack_after_the_cluster_closed_does_no_harm(journal, chain, threaded, wait_until):
    kept = []

    def process(self, tup):
        kept.append((self, tup))

    with LocalCluster() as cluster:
        cluster.submit(
            "test",
            chain(journal.source([1]), journal.bolt(process, auto_ack=False, threaded=threaded)),
        )
        wait_until(lambda: kept)
    outcome = []

    def late():
        bolt, tup = kept[0]
        outcome.extend(call(tup) for call in (bolt.ack, bolt.fail, bolt.reset_timeout))

    timer = threading.Timer(0.01, late)
    timer.start()
    timer.join(10)
    assert outcome == [None] * 3
    assert (journal.acked, journal.failed) == ([], [])


@pytest.mark.parametrize("timeout", [4, 30])
def test_times_out_between_once_and_twice_the_time(journal, chain, par, timeout):
    clock = FakeClock()
    forget = journal.bolt(lambda self, tup: journal.seen.append(tup[0]), auto_ack=False)
    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit(
            "test",
            chain(journal.source(range(10)), forget, par=par),
            {"topology.message.timeout.secs": timeout},
        )
        clock.advance(0.25)
        while len(journal.seen) < 10:
            clock.advance(0.25)
        clock.advance(timeout - 1)
        assert journal.failed == []
        clock.advance(timeout + 1)
        assert Counter(journal.failed) == Counter(range(10))
        assert topology.stats().timed_out == 10
        assert stats_of(topology, "source").pending == 0
        topology.wait_until_drained(timeout=10)
    assert journal.acked == []


def test_late_ack_of_what_timed_out_is_ignored(journal, chain):
    clock = FakeClock()
    kept = []
    bolt = journal.bolt(lambda self, tup: kept.append((self, tup)), auto_ack=False)
    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit("test", chain(journal.source(range(10)), bolt))
        clock.advance(61)
        assert Counter(journal.failed) == Counter(range(10))
        for owner, tup in kept:
            owner.ack(tup)
        topology.wait_until_drained(timeout=10)
    assert journal.acked == []
    assert len(journal.failed) == 10


def test_reset_timeout_gives_a_whole_timeout_again(journal, chain, threaded):
    clock = FakeClock()
    kept = []
    bolt = journal.bolt(
        lambda self, tup: kept.append((self, tup)), auto_ack=False, threaded=threaded
    )
    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit(
            "test", chain(journal.source(range(2)), bolt), {"topology.message.timeout.secs": 10}
        )
        clock.advance(1)
        (owner, kept_alive), _ = sorted(kept, key=lambda pair: pair[1][0])
        for _ in range(10):
            clock.advance(8)
            owner.reset_timeout(kept_alive)
        assert journal.failed == [1]
        owner.ack(kept_alive)
        topology.wait_until_drained(timeout=10)
    assert journal.acked == [0]
    assert journal.failed == [1]


def test_no_timeouts_where_they_are_off(journal, chain):
    clock = FakeClock()
    kept = []
    bolt = journal.bolt(lambda self, tup: kept.append((self, tup)), auto_ack=False)
    with LocalCluster(clock=clock) as cluster:
        topology = cluster.submit(
            "test",
            chain(journal.source(range(3)), bolt),
            {"topology.enable.message.timeouts": False},
        )
        clock.advance(1000)
        assert journal.failed == []
        for owner, tup in kept:
            owner.ack(tup)
        topology.wait_until_drained(timeout=10)
    assert Counter(journal.acked) == Counter(range(3))


def test_max_replays_ends_in_the_dead_letters(journal, par):
    class Again(journal.source([])):
        def initialize(self, conf, context):
            self.todo = list(range(5))

        def next_tuple(self):
            if self.todo:
                item = self.todo.pop()
                self.emit([item], tup_id=item)
            elif len(journal.acked) == 5:
                raise StopIteration

        def fail(self, tup_id):
            journal.failed.append(tup_id)
            self.emit([tup_id], tup_id=tup_id)

    letters = []
    builder = TopologyBuilder()
    builder.set_spout("source", Again)
    builder.set_bolt("bad", journal.bolt(lambda self, tup: self.fail(tup)), par).shuffle_grouping(
        "source"
    )
    builder.set_bolt("grave", journal.bolt(lambda self, tup: letters.append(tup))).shuffle_grouping(
        "source", "__dead_letter"
    )
    run(builder, {"topology.max.replays": 3})
    assert sorted(tup["values"][0] for tup in letters) == list(range(5))
    assert {tup["component"] for tup in letters} == {"source"}
    assert Counter(journal.acked) == Counter(range(5))
    # The third failure is not the spout's to hear of: with it the tuple goes to the dead letters.
    assert Counter(journal.failed) == Counter(2 * list(range(5)))


@pytest.mark.parametrize("tup_id", [0, "", False, (), frozenset({1}), 2**80, 0.5, b""], ids=repr)
def test_any_hashable_but_none_is_a_tup_id(journal, chain, tup_id):
    class Odd(journal.source([1])):
        def next_tuple(self):
            next(self.items)
            self.emit([1], tup_id=tup_id)

    run(chain(Odd, journal.bolt()))
    assert journal.acked == [tup_id]
    assert type(journal.acked[0]) is type(tup_id)


def test_none_is_no_tup_id(journal, chain):
    class Untracked(journal.source(range(10))):
        def next_tuple(self):
            self.emit([next(self.items)], tup_id=None)

    stats = run(chain(Untracked, journal.bolt()))
    assert journal.seen == list(range(10))
    assert journal.acked == []
    assert stats.acked == 0


@pytest.mark.parametrize(
    "config",
    [{}, {"topology.acker.executors": 0}, {"topology.max.replays": 3}],
    ids=["acking", "without-acking", "max-replays"],
)
@pytest.mark.parametrize("many", [False, True], ids=["emit", "emit_many"])
def test_unhashable_tup_id_is_refused(journal, chain, config, many):
    class Unhashable(journal.source([1])):
        def next_tuple(self):
            next(self.items)
            try:
                if many:
                    self.emit_many([[0], [1], [3]], tup_ids=["before", [1], "after"])
                else:
                    self.emit([1], tup_id=[1])
            except TypeError as error:
                journal.errors.append(error)
            self.emit([2], tup_id="good")

    stats = run(chain(Unhashable, journal.bolt()), config)
    assert len(journal.errors) == 1
    assert "the tup_id [1] is not hashable" in str(journal.errors[0])
    assert journal.acked == [*(["before"] if many else []), "good"]
    assert journal.seen == [*([0] if many else []), 2]  # nothing of what stands behind it
    assert stats.components[0].pending == 0


def test_same_tup_id_twice_gets_two_answers(journal, chain):
    run(chain(journal.source([7, 7, 7]), journal.bolt()))
    assert journal.acked == [7, 7, 7]


@pytest.mark.parametrize("end", ["ack", "fail"])
def test_child_of_two_trees_settles_both(journal, par, threaded, end, wait_until):
    children = []

    def join(self, tup):
        waiting = self.__dict__.setdefault("waiting", [])
        waiting.append(tup)
        if len(waiting) == 2:
            self.emit([0], anchors=waiting)
            for one in waiting:
                self.ack(one)
            self.waiting = []

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(40)))
    builder.set_bolt("join", journal.bolt(join, auto_ack=False, threaded=threaded)).global_grouping(
        "source"
    )
    keep = journal.bolt(
        lambda self, tup: children.append((self, tup)), auto_ack=False, threaded=threaded
    )
    builder.set_bolt("keep", keep, par).shuffle_grouping("join")
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder)
        wait_until(lambda: len(children) == 20)
        assert (journal.acked, journal.failed) == ([], [])
        assert stats_of(topology, "source").pending == 40
        for number, (owner, tup) in enumerate(children, start=1):
            getattr(owner, end)(tup)
            answers = journal.acked if end == "ack" else journal.failed
            wait_until(lambda n=number, a=answers: len(a) == 2 * n)
        topology.wait_until_drained(timeout=10)
    assert Counter(journal.acked + journal.failed) == Counter(range(40))


def test_anchor_that_is_settled_is_refused(journal, chain, par, threaded):
    def process(self, tup):
        self.ack(tup)
        self.emit([1], anchors=[tup])

    bolt = journal.catching(process, threaded=threaded)
    run(chain(journal.source(range(5)), bolt, journal.bolt(), par=par))
    assert [type(error) for error in journal.errors] == [AlreadySettledError] * 5
    assert journal.seen == []


def test_no_anchors_makes_no_tree(journal, chain, par):
    loose = journal.bolt(lambda self, tup: self.emit(list(tup.values), anchors=[]))
    fail = journal.bolt(lambda self, tup: self.fail(tup))
    run(chain(journal.source(range(20)), loose, fail, par=par))
    assert Counter(journal.acked) == Counter(range(20))


def test_no_automatic_anchor_where_it_is_off(journal, chain):
    loose = journal.bolt(lambda self, tup: self.emit(list(tup.values)), auto_anchor=False)
    fail = journal.bolt(lambda self, tup: self.fail(tup))
    run(chain(journal.source(range(20)), loose, fail))
    assert Counter(journal.acked) == Counter(range(20))


def test_acking_off_acks_inside_emit(journal, chain, par):
    class Inside(journal.source(range(20))):
        def next_tuple(self):
            item = next(self.items)
            self.emit([item], tup_id=item)
            journal.seen.append(("after", item, journal.acked[-1:]))

    fail = journal.bolt(lambda self, tup: self.fail(tup))
    run(chain(Inside, fail, par=par), {"topology.acker.executors": 0})
    assert journal.seen == [("after", n, [n]) for n in range(20)]
    assert journal.failed == []


def test_emit_that_nobody_takes_is_acked(journal):
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(10)))
    run(builder)
    assert Counter(journal.acked) == Counter(range(10))


# Other threads ----------------------------------------------------------------------------------


def test_settled_and_emitted_by_other_threads(journal, chain, par, threaded):
    with ThreadPoolExecutor(4) as pool:

        def work(self, tup):
            self.emit([tup[0]], anchors=[tup])
            (self.fail if tup[0] % 10 == 0 else self.ack)(tup)

        def process(self, tup):
            pool.submit(work, self, tup)

        bolt = journal.bolt(process, auto_ack=False, threaded=threaded)
        run(chain(journal.source(range(2000)), bolt, journal.bolt(), par=par))
    assert Counter(journal.failed) == Counter(range(0, 2000, 10))
    assert Counter(journal.acked) + Counter(journal.failed) == Counter(range(2000))
    assert sorted(journal.seen) == list(range(2000))


def test_process_may_join_a_thread_that_emits(journal, chain, par, threaded):
    with ThreadPoolExecutor(2) as pool:

        def process(self, tup):
            jobs = [pool.submit(self.emit, [tup[0]], anchors=[tup]) for _ in range(20)]
            for job in jobs:
                job.result(10)

        bolt = journal.bolt(process, threaded=threaded)
        stats = run(
            chain(journal.source(range(100)), bolt, journal.bolt(), par=par),
            {"topology.executor.receive.buffer.size": 8},
        )
    assert len(journal.seen) == 2000
    assert Counter(journal.acked) == Counter(range(100))
    assert stats.failed == 0


def test_task_ids_asked_by_a_foreign_thread_while_process_waits(journal, chain, threaded):
    with ThreadPoolExecutor(1) as pool:

        def process(self, tup):
            job = pool.submit(self.emit, [1], anchors=[tup], need_task_ids=True)
            try:
                journal.seen.append(job.result(5))
            except Exception as error:
                journal.errors.append(error)

        run(chain(journal.source([1]), journal.bolt(process, threaded=threaded), journal.bolt()))
    assert [type(error) for error in journal.errors] == [WouldDeadlockError]
    assert journal.acked == [1]


def test_task_ids_asked_by_a_foreign_thread(journal, chain, par, threaded):
    answers = []
    with ThreadPoolExecutor(1) as pool:

        def work(self, tup, free):
            free.wait(5)
            deadline = time.monotonic() + 5
            while True:
                try:
                    answers.append(self.emit([1], anchors=[tup], need_task_ids=True))
                    break
                except WouldDeadlockError:
                    if time.monotonic() > deadline:
                        raise
            self.ack(tup)

        def process(self, tup):
            free = threading.Event()
            pool.submit(work, self, tup, free)
            free.set()

        bolt = journal.bolt(process, auto_ack=False, threaded=threaded)
        run(chain(journal.source(range(10)), bolt, journal.bolt(), par=par))
    assert len(answers) == 10
    assert all(len(tasks) == 1 for tasks in answers)
    assert Counter(journal.acked) == Counter(range(10))


def test_spout_emits_from_another_thread(journal, chain, wait_until):
    tasks = []

    class Pushed(journal.source([])):
        def initialize(self, conf, context):
            tasks.append(self)

        def next_tuple(self):
            if len(journal.acked) == 500:
                raise StopIteration

    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(Pushed, journal.bolt()))
        wait_until(lambda: tasks)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: tasks[0].emit([n], tup_id=n), range(500)))
        topology.wait_until_drained(timeout=10)
    assert Counter(journal.acked) == Counter(range(500))


# Loops --------------------------------------------------------------------------------------------


def test_bolt_feeds_itself(journal, threaded):
    """Each tuple goes round 50 times, and far more of them than the high water."""

    def process(self, tup):
        if tup[0] % 100 < 50:
            self.emit([tup[0] + 1])
        else:
            journal.seen.append(tup[0])

    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(0, 100_000, 100)))
    builder.set_bolt("self", journal.bolt(process, threaded=threaded)).shuffle_grouping(
        "source"
    ).shuffle_grouping("self")
    run(builder, {"topology.executor.receive.buffer.size": 16})
    assert len(journal.seen) == 1000
    assert Counter(journal.acked) == Counter(range(0, 100_000, 100))


def test_bolt_feeds_what_is_before_it(journal, par, threaded):
    def multiply(self, tup):
        if tup[0] < 4:
            for _ in range(4):
                self.emit([tup[0] + 1])

    back = journal.bolt(lambda self, tup: self.emit(list(tup.values)), threaded=threaded)
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source([0, -1, -2]))
    builder.set_bolt("up", journal.bolt(multiply, threaded=threaded), par).shuffle_grouping(
        "source"
    ).shuffle_grouping("down")
    builder.set_bolt("down", back, par).shuffle_grouping("up")
    stats = run(builder, {"topology.executor.receive.buffer.size": 16})
    assert Counter(journal.acked) == Counter([0, -1, -2])
    assert stats.executed["down"] == sum(4**n for k in (4, 5, 6) for n in range(1, k + 1))


# Order --------------------------------------------------------------------------------------------


def test_order_holds_from_task_to_task_on_a_stream(journal, chain, par, threaded):
    seen = {}

    class Watch(Bolt):
        def initialize(self, conf, context):
            self.last = seen.setdefault(context.task_id, {})

        def process(self, tup):
            self.last.setdefault((tup.task, tup.stream), []).append(tup[0])

    Watch.threaded = threaded
    forward = journal.bolt(lambda self, tup: self.emit(list(tup.values)), threaded=threaded)
    run(
        chain(journal.source(range(20_000)), forward, Watch, par=par),
        {"topology.executor.receive.buffer.size": 32},
    )
    lists = [numbers for last in seen.values() for numbers in last.values()]
    assert sum(map(len, lists)) == 20_000
    assert all(numbers == sorted(numbers) for numbers in lists)


# Much ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_chaos_leaves_no_tree_without_an_answer(seed, par, threaded):
    trees = 3000
    answers = Counter()
    clock = FakeClock()
    rng = random.Random(seed)
    fates = [
        rng.choices(["ack", "fail", "later", "drop", "hold", "raise"], [60, 8, 12, 4, 12, 4])[0]
        for _ in range(trees)
    ]

    class Source(Spout):
        outputs = ("n",)

        def initialize(self, conf, context):
            self.numbers = iter(range(trees))

        def next_tuple(self):
            n = next(self.numbers)
            self.emit([n], tup_id=n)

        def ack(self, tup_id):
            answers[tup_id, "ack"] += 1

        def fail(self, tup_id):
            answers[tup_id, "fail"] += 1

    class Fan(Bolt):
        outputs = ("n",)

        def process(self, tup):
            for _ in range(tup[0] % 4):
                self.emit(list(tup.values))

    with ThreadPoolExecutor(3) as pool:

        class Fate(Bolt):
            auto_ack = False

            def initialize(self, conf, context):
                self.held = []
                self.random = random.Random(seed * 100 + context.task_index)

            def process(self, tup):
                fate = fates[tup[0]]
                if fate == "raise":
                    raise ValueError("fate")
                if fate == "hold":
                    self.held.append(tup)
                    self.random.shuffle(self.held)
                    if len(self.held) > 20:
                        self.ack(self.held.pop())
                elif fate == "later":
                    pool.submit(self.ack, tup)
                elif fate != "drop":
                    getattr(self, fate)(tup)

        Fan.threaded = Fate.threaded = threaded
        builder = TopologyBuilder()
        builder.set_spout("source", Source)
        builder.set_bolt("fan", Fan, par).shuffle_grouping("source")
        builder.set_bolt("fate", Fate, par).shuffle_grouping("fan")
        with LocalCluster(clock=clock) as cluster:
            topology = cluster.submit(
                "test", builder, {"topology.executor.receive.buffer.size": 64}
            )
            deadline = time.monotonic() + 30
            while sum(answers.values()) < trees and time.monotonic() < deadline:
                clock.advance(20)
            topology.wait_until_drained(timeout=10)
            stats = topology.stats()
    by_tree = Counter(n for n, _ in answers.elements())
    assert by_tree == Counter(range(trees))
    for n, fate in enumerate(fates):
        if n % 4 and fate in ("fail", "raise", "drop"):
            assert answers[n, "fail"] == 1
        if n % 4 == 0 or fate in ("ack", "later"):
            assert answers[n, "ack"] == 1
    assert stats.acked == sum(count for (_, end), count in answers.items() if end == "ack")


def test_a_million_trees_in_flight():
    million = 1_000_000
    held, acked, failed = [], [], []

    class Source(Spout):
        outputs = ("n",)

        def initialize(self, conf, context):
            self.numbers = iter(range(0, million, 1000))

        def next_tuple(self):
            first = next(self.numbers)
            numbers = range(first, first + 1000)
            self.emit_many([(n,) for n in numbers], tup_ids=numbers)

        def ack(self, tup_id):
            acked.append(tup_id)

        def fail(self, tup_id):
            failed.append(tup_id)

    class Hold(Bolt):
        auto_ack = False

        def process(self, tup):
            held.append(tup)
            if len(held) == million:
                while held:
                    self.ack(held.pop())

    builder = TopologyBuilder()
    builder.set_spout("source", Source)
    builder.set_bolt("hold", Hold).shuffle_grouping("source")
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder, {"topology.enable.message.timeouts": False})
        topology.wait_until_drained(timeout=50)
        assert topology.stats().acked == million
    assert failed == []
    assert len(acked) == million
    assert sum(acked) == million * (million - 1) // 2


def test_max_spout_pending_is_per_task(journal, wait_until):
    held = []
    bolt = journal.bolt(lambda self, tup: held.append((self, tup)), auto_ack=False)
    builder = TopologyBuilder()
    builder.set_spout("source", journal.source(range(100)), 2).set_num_tasks(4)
    builder.set_bolt("hold", bolt, 3).shuffle_grouping("source")
    with LocalCluster() as cluster:
        topology = cluster.submit("test", builder, {"topology.max.spout.pending": 5})
        released = 0
        while released < 400:
            want = min(20, 400 - released)
            wait_until(lambda n=released + want: len(held) >= n)
            assert stats_of(topology, "source").pending <= 20
            assert Counter(tup.task for _, tup in held[released:]).most_common(1)[0][1] <= 5
            for owner, tup in held[released : released + want]:
                owner.ack(tup)
            released += want
        topology.wait_until_drained(timeout=10)
    assert Counter(journal.acked) == Counter(list(range(100)) * 4)


def test_untracked_tuples_are_not_held_back_by_max_spout_pending(journal, chain):
    class Loose(journal.source(range(100))):
        def next_tuple(self):
            self.emit([next(self.items)])

    run(chain(Loose, journal.bolt(auto_ack=False)), {"topology.max.spout.pending": 1})
    assert journal.seen == list(range(100))


def test_fields_grouped_join_over_two_spouts(journal, par, threaded):
    """Both sides of a pair must be acked, whichever comes first."""

    def join(self, tup):
        sides = self.__dict__.setdefault("sides", {})
        other = sides.pop(tup["n"], None)
        if other is None:
            sides[tup["n"]] = tup
            return
        self.emit([tup["n"]], anchors=[tup, other])
        self.ack(tup)
        self.ack(other)

    builder = TopologyBuilder()
    builder.set_spout("left", journal.source(range(500)))
    builder.set_spout("right", journal.source(range(499, -1, -1)))
    builder.set_bolt("join", journal.bolt(join, auto_ack=False, threaded=threaded), par).grouping(
        "left", Grouping.fields("n")
    ).grouping("right", Grouping.fields("n"))
    builder.set_bolt("end", journal.bolt(), par).shuffle_grouping("join")
    run(builder)
    assert sorted(journal.seen) == list(range(500))
    assert Counter(journal.acked) == Counter(list(range(500)) * 2)
