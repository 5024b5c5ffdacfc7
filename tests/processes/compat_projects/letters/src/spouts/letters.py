"""Ten letters, kept until they are acked."""

from streamparse import ReliableSpout


class Letters(ReliableSpout):
    outputs = ["letter"]
    max_fails = 2

    def initialize(self, conf, context):
        self.left = list("jihgfedcba")
        assert self.failed_tuples == {}

    def next_tuple(self):
        if self.left:
            letter = self.left.pop()
            self.emit([letter], tup_id=letter)
            assert letter in self.unacked_tuples
        elif not self.unacked_tuples:
            raise StopIteration
