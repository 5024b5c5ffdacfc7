"""Batches by ticks and by seconds, a module that keeps a count, and a bolt that survives."""

from streamparse import BatchingBolt, TicklessBatchingBolt
from streamparse.bolt import Bolt

batches = 0


def note_batch():
    global batches
    batches += 1
    return batches


class Sums(BatchingBolt):
    outputs = ["sensor", "sum", "count"]
    ticks_between_batches = 1

    def group_key(self, tup):
        return tup.values.sensor

    def process_batch(self, key, tups):
        assert self._current_key == key
        assert self._current_tups == tups == self._batches[key]
        note_batch()
        total = sum(tup.values.value for tup in tups)
        assert self.emit([key, total, len(tups)], stream=None) is None


class Largest(TicklessBatchingBolt):
    outputs = ["sensor", "sum", "count"]
    secs_between_batches = 0.5

    def process_batch(self, key, tups):
        assert key is None
        if tups:
            self.emit(["largest", max(tup.values.value for tup in tups), len(tups)])


class Writer(Bolt):
    """Trips over the first tuple that it gets, and goes on."""

    exit_on_exception = False

    def initialize(self, conf, ctx):
        self.out = open(conf["result.path"], "a", encoding="utf-8", buffering=1)
        self.tripped = False

    def process(self, tup):
        if not self.tripped:
            self.tripped = True
            raise ValueError(f"tripped over {tup.values.sensor}")
        self.out.write(f"{tup.values.sensor} {tup.values.sum} {tup.values.count}\n")
