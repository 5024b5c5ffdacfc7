"""Components for tests with real worker processes, and a diary that all of those write in."""

import asyncio
import ctypes
import gc
import json
import os
import subprocess
import sys
import time
import zlib
from collections import Counter
from typing import Any

from typhoon import BatchingBolt, Bolt, ReliableSpout, Spout, Stream
from typhoon.worker import Worker

_open: dict[str, int] = {}


class Diary:
    """A file with a line for each thing that happened, in any process.

    Each line is written by one system call that appends, so a process that is killed leaves whole
    lines, and no lines get mixed.
    """

    def __init__(self, path: Any) -> None:
        self.path = str(path)
        self._read = 0
        self._known: dict[str, list[list[Any]]] = {}

    def __reduce__(self) -> Any:
        return Diary, (self.path,)

    def note(self, kind: str, *what: Any) -> None:
        if self.path not in _open:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            _open[self.path] = os.open(self.path, flags, 0o644)
        os.write(_open[self.path], json.dumps([kind, *what]).encode() + b"\n")

    def close(self) -> None:
        """In this process, where components may have written."""
        if self.path in _open:
            os.close(_open.pop(self.path))

    def all(self, kind: str) -> list[list[Any]]:
        """What was noted as ``kind``, in order."""
        self._read_on()
        return list(self._known.get(kind, ()))

    def count(self, kind: str) -> int:
        self._read_on()
        return len(self._known.get(kind, ()))

    def _read_on(self) -> None:
        if not os.path.exists(self.path):
            return
        with open(self.path, "rb") as file:
            file.seek(self._read)
            news = file.read()
        news = news[: news.rfind(b"\n") + 1]
        self._read += len(news)
        for line in news.splitlines():
            kind, *what = json.loads(line)
            self._known.setdefault(kind, []).append(what)

    def firsts(self, kind: str) -> Counter[Any]:
        """How often each first thing was noted."""
        return Counter(what[0] for what in self.all(kind))


class Part:
    """What all components here have: a diary, and whatever else they were made with."""

    def __init__(self, diary: Diary, **own: Any) -> None:
        self.diary = diary
        vars(self).update(own)

    def initialize(self, conf: Any, context: Any) -> None:
        self.task = context.task_id
        self.context = context
        self.diary.note("opened", context.component_id, context.task_id, os.getpid())
        self.begin()

    def begin(self) -> None:
        """For those that have more to begin with."""

    def close(self) -> None:
        self.diary.note("closed", self.context.component_id, self.task, os.getpid())


class Numbers(Part, Spout):
    """Task number ``i`` of ``k`` emits i, i + k ... below ``count``; acks and fails are noted.

    ``pace``: so many a second at most. ``keep``: new tuples come as long as this file exists.
    """

    outputs = ["number"]
    count: float = float("inf")
    pace: float | None = None
    keep: str | None = None
    value: Any = staticmethod(lambda number: number)

    def begin(self) -> None:
        self.next = self.context.task_index
        self.step = len(self.context.tasks_of(self.context.component_id))
        self.began = time.monotonic()
        self.sent = 0
        self.flying: set[int] = set()

    def next_tuple(self) -> None:
        number = self.next
        if number >= self.count or (self.keep is not None and not os.path.exists(self.keep)):
            raise StopIteration
        if self.pace is not None and self.sent > (time.monotonic() - self.began) * self.pace:
            return
        self.next += self.step
        self.sent += 1
        self.flying.add(number)
        self.emit([self.value(number)], tup_id=number)

    def ack(self, tup_id: Any) -> None:
        self.settled("acked", tup_id)
        self.flying.discard(tup_id)
        super().ack(tup_id)

    def fail(self, tup_id: Any) -> None:
        self.settled("failed", tup_id)
        super().fail(tup_id)

    def settled(self, how: str, tup_id: Any) -> None:
        """``stranger``: this instance of the spout never emitted it, or it was acked before."""
        self.diary.note(how, tup_id, os.getpid())
        if tup_id not in self.flying:
            self.diary.note("stranger", how, tup_id)


class Replayed(Numbers, ReliableSpout):
    """The same, with replays; what a death failed is noted as ``lost``. Its end waits for all."""

    def next_tuple(self) -> None:
        try:
            super().next_tuple()
        except StopIteration:
            if not self.unacked_tuples:
                raise

    def fail_by_worker_death(self, tup_id: Any, *death: Any) -> None:
        self.settled("lost", tup_id)
        super().fail_by_worker_death(tup_id, *death)


class Forward(Part, Bolt):
    outputs = ["number"]

    def process(self, tup: Any) -> None:
        self.emit(list(tup.values))


class Sink(Part, Bolt):
    """Notes what it saw, in which task and which process; ``slow``: seconds for each."""

    slow = 0.0

    def process(self, tup: Any) -> None:
        if self.slow:
            time.sleep(self.slow)
        self.diary.note("seen", tup.values[0], self.task, os.getpid())


class ManySink(Part, Bolt):
    def process_many(self, tups: Any) -> None:
        for tup in tups:
            self.diary.note("seen", tup.values[0], self.task, os.getpid())


class CoroutineForward(Part, Bolt):
    outputs = ["number"]

    async def process(self, tup: Any) -> None:
        await asyncio.sleep(0.001)
        self.emit(list(tup.values))


class Batches(Part, BatchingBolt):
    outputs = ["number"]
    tick_freq_secs = 0.1

    def group_key(self, tup: Any) -> Any:
        return tup.values[0] % 2

    def process_batch(self, key: Any, tups: Any) -> None:
        for tup in tups:
            assert tup.values[0] % 2 == key
            self.emit(list(tup.values))


class Ticked(Part, Bolt):
    """Notes its ticks; has numbers as inputs."""

    tick_freq_secs = 0.05

    def process(self, tup: Any) -> None:
        pass

    def process_tick(self, tup: Any) -> None:
        self.diary.note("tick", self.task)


class Bounce(Part, Bolt):
    """Emits a number and how often it is to go on, until it need not."""

    outputs = ["number", "left"]

    def process(self, tup: Any) -> None:
        number, left = tup.values[0], (tup.values[1] if len(tup.values) > 1 else self.times)
        if left:
            self.emit([number, left - 1])
        else:
            self.diary.note("done", number, os.getpid())


class Pair(Part, Bolt):
    """Holds a number back until it has two, and emits them together, anchored to both."""

    outputs = ["first", "second"]
    auto_ack = False

    def begin(self) -> None:
        self.held: list[Any] = []

    def process(self, tup: Any) -> None:
        self.held.append(tup)
        if len(self.held) == 2:
            first, second = self.held
            self.held = []
            self.emit([first.values[0], second.values[0]], anchors=[first, second])
            self.ack(first)
            self.ack(second)


class Judge(Part, Bolt):
    """Fails a pair whose sum can be divided by three; notes all."""

    def process(self, tup: Any) -> None:
        first, second = tup.values
        bad = (first + second) % 3 == 0
        self.diary.note("pair", first, second, bad)
        if bad:
            self.fail(tup)


class Direct(Part, Spout):
    """Sends number n to task n modulo their number, by name of the task."""

    outputs = Stream(["number"], direct=True)

    def begin(self) -> None:
        self.numbers = iter(range(self.count))
        self.targets = self.context.tasks_of("sink")

    def next_tuple(self) -> None:
        number = next(self.numbers)
        target = self.targets[number % len(self.targets)]
        self.emit([number], tup_id=number, direct_task=target)

    def ack(self, tup_id: Any) -> None:
        self.diary.note("acked", tup_id)


class Modulo:
    """A grouping of one's own: number n to task n modulo their number."""

    def prepare(self, context: Any, stream: Any, target_tasks: Any) -> None:
        self.targets = target_tasks

    def choose_tasks(self, task_id: int, values: Any) -> list[int]:
        return [self.targets[values[0] % len(self.targets)]]


class Trap:
    """Can be pickled, and not unpickled."""

    def __reduce__(self) -> Any:
        return (spring, ())


def spring() -> None:
    raise RuntimeError("the trap was sprung")


class Odd(Part, Bolt):
    """Emits what its ``make`` makes of a number."""

    outputs = ["number"]

    def process(self, tup: Any) -> None:
        self.emit([self.make(tup.values[0])])


def trap_at_five(number: int) -> Any:
    return Trap() if number == 5 else number


def lock_at_five(number: int) -> Any:
    import threading

    return threading.Lock() if number == 5 else number


def large(number: int) -> bytes:
    """20 MB that tell whether they came whole."""
    return bytes([number]) * 20_000_000


def huge(number: int) -> bytes:
    """300 MB."""
    return bytes([number]) * 300_000_000


class Checksum(Part, Bolt):
    def process(self, tup: Any) -> None:
        value = tup.values[0]
        self.diary.note("sum", value[0], len(value), zlib.crc32(value), os.getpid())


class Raises(Part, Bolt):
    """Raises at numbers that can be divided by ``at``; with ``once``, a file, only in its absence,
    and makes it before."""

    outputs = ["number"]
    once: str | None = None

    def process(self, tup: Any) -> None:
        number = tup.values[0]
        if number and number % self.at == 0 and not (self.once and os.path.exists(self.once)):
            if self.once:
                open(self.once, "w").close()
            raise ValueError(f"{number} is not wanted")
        self.emit([number])


class Letters(Part, Bolt):
    def process(self, tup: Any) -> None:
        self.diary.note("letter", tup["values"][0], tup["component"], tup["error"], os.getpid())


class Hog(Part, Bolt):
    """Takes 320 MB at number ``at``, where the file ``once`` is absent, and makes that before."""

    outputs = ["number"]

    def process(self, tup: Any) -> None:
        if tup.values[0] >= self.at and not os.path.exists(self.once):
            open(self.once, "w").close()
            hoard = [bytes([1]) * 40_000_000 for _ in range(8)]
            time.sleep(60)
            del hoard
        self.emit(list(tup.values))


class CannotStart(Part, Bolt):
    def begin(self) -> None:
        raise LookupError("there is no such table")

    def process(self, tup: Any) -> None:
        pass


class DiesAtStart(Part, Bolt):
    def begin(self) -> None:
        print("about to die", file=sys.stderr, flush=True)
        os._exit(3)

    def process(self, tup: Any) -> None:
        pass


class DiesWhileItStarts(Part, Bolt):
    """Does so as long as there are files in the folder ``lives``, of which each start takes one."""

    def begin(self) -> None:
        for life in os.listdir(self.lives):
            os.remove(os.path.join(self.lives, life))
            os._exit(3)

    def process(self, tup: Any) -> None:
        self.diary.note("seen", tup.values[0], self.task, os.getpid())


class Keys(Part, Spout):
    """Emits each of ``keys`` keys many times, to see to whom it goes."""

    outputs = ["key"]

    def begin(self) -> None:
        self.numbers = iter(range(self.count))

    def next_tuple(self) -> None:
        number = next(self.numbers)
        self.emit([f"key {number % self.keys}"], tup_id=number)

    def ack(self, tup_id: Any) -> None:
        self.diary.note("acked", tup_id)


class Sequence(Part, Spout):
    """Emits (its task, 0), (its task, 1) ..., to see if the order stays."""

    outputs = ["task", "number"]

    def begin(self) -> None:
        self.numbers = iter(range(self.count))

    def next_tuple(self) -> None:
        number = next(self.numbers)
        self.emit([self.task, number], tup_id=number)

    def ack(self, tup_id: Any) -> None:
        self.diary.note("acked", tup_id)


class Order(Part, Bolt):
    """Notes who sent which number."""

    outputs = ["task", "number"]
    slow = 0.0

    def process(self, tup: Any) -> None:
        if self.slow:
            time.sleep(self.slow)
        self.diary.note("order", tup.values[0], self.task, tup.values[1], os.getpid())


class Window(Part, Spout):
    """Notes the most tuples that it had in flight at once."""

    outputs = ["number"]

    def begin(self) -> None:
        self.numbers = iter(range(self.count))
        self.in_flight = self.most = 0

    def next_tuple(self) -> None:
        number = next(self.numbers)
        self.in_flight += 1
        if self.in_flight > self.most:
            self.most = self.in_flight
            self.diary.note("most", self.most)
        self.emit([number], tup_id=number)

    def ack(self, tup_id: Any) -> None:
        self.in_flight -= 1


class Kills(Part, Bolt):
    """Ends its process at number ``at``."""

    outputs = ["number"]

    def process(self, tup: Any) -> None:
        if tup.values[0] == self.at:
            self.diary.note("killing", os.getpid())
            os._exit(9)
        self.emit(list(tup.values))


class Spawner(Part, Bolt):
    """Has a process of its own."""

    def begin(self) -> None:
        self.child = subprocess.Popen(["sleep", "600"])
        self.diary.note("spawned", self.child.pid, os.getpid())

    def process(self, tup: Any) -> None:
        pass


class Talker(Part, Bolt):
    """Prints a kilobyte for each number."""

    def process(self, tup: Any) -> None:
        print(tup.values[0], "x" * 1000, flush=True)


class Cutter(Part, Bolt):
    """Breaks the connections of its worker, as a network would, every so often."""

    outputs = ["number"]

    def begin(self) -> None:
        self.engines = [one for one in gc.get_objects() if isinstance(one, Worker)]

    def process(self, tup: Any) -> None:
        number = tup.values[0]
        if number and number % self.every == 0:
            (worker,) = self.engines
            engine = worker._engine
            for index in range(worker.layout.workers):
                if index != worker.layout.index:
                    engine.cut(index)
            self.diary.note("cut", number)
        self.emit([number])


class Clutches(Part, Bolt):
    """Now and then it holds the GIL for ``hold`` seconds, as some libraries do in a long call."""

    outputs = ["number"]
    threaded = True

    def process(self, tup: Any) -> None:
        if tup.values[0] % 200 == 101:
            ctypes.PyDLL(None).usleep(int(self.hold * 1e6))
            self.diary.note("held", tup.values[0])
        self.emit([tup.values[0]])
