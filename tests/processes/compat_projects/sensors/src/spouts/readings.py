"""Readings of two sensors; when they are out it returns without a tuple, as spouts do."""

import itertools

from streamparse import Spout


class Readings(Spout):
    outputs = ["sensor", "value"]

    def initialize(self, stormconf, context):
        self.numbers = itertools.count()
        self.acked = 0

    def next_tuple(self):
        n = next(self.numbers)
        if n < 20:
            self.emit(["even" if n % 2 == 0 else "odd", n], tup_id=n)

    def ack(self, tup_id):
        self.acked += 1
