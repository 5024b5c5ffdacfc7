"""Bolts that take tuples apart in each way that pystorm's namedtuples allow."""

import json
import os

from pystorm.component import Tuple
from streamparse.bolt import Bolt
from streamparse.storm import Bolt as SameBolt

assert Bolt is SameBolt


class Prices(Bolt):
    outputs = ["user", "text"]
    par = 2

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        assert self.pid == os.getpid()
        assert self.debug is None

    def initialize(self, storm_conf, context):
        self.currency = storm_conf["shop.currency"]
        assert self.storm_conf["topology.name"] == self.topology_name
        assert self.component_name == "prices"
        assert self.task_id == context["taskid"]
        assert self.serializer == "json"

    def process(self, tup):
        tup_id, component, stream, task, values = tup
        assert len(tup) == 5
        assert (tup[0], tup[1], tup[2], tup[3]) == (tup_id, component, stream, task)
        assert tup[4] is values
        assert isinstance(tup_id, str)
        assert (component, stream) == ("orders", "default")
        user, item, price = values
        assert values.user == user == tup.values[0]
        assert type(values).__name__ == "OrdersDefaultTuple"
        assert values._fields == ("user", "item", "price")
        other = tup._replace(stream="other")
        assert (other.id, other.stream) == (tup.id, "other")
        assert isinstance(tup, Tuple)
        assert repr(tup).startswith("Tuple(id=")
        assert not self.is_tick(tup)
        assert not self.is_heartbeat(tup)
        self.emit([user, f"{item} {price} {self.currency}"])


class Ledger(Bolt):
    """Settles by itself, by tuple or by id, and keeps its tuples until it has two."""

    outputs = ["user", "text"]
    auto_ack = False
    auto_anchor = False

    def initialize(self, conf, ctx):
        self.waiting = []

    def process(self, tup):
        self.waiting.append(tup)
        if len(self.waiting) == 2:
            first, second = self.waiting
            self.emit([first.values.user, "ledger"], anchors=[first, second.id])
            self.ack(first)
            self.ack(second.id)
            self.waiting = []


class Clerk(Bolt):
    outputs = ["user", "text"]

    def process(self, tup):
        if tup.stream == "dear":
            text = f"dear {tup.values.price}"
        else:
            assert tup.stream == "by_hand"
            text = "by hand"
        self.ack(tup)  # and again when this returns: nobody minds
        self.emit([tup.values.user, text])


class Writer(Bolt):
    """Appends what it gets to a file."""

    def initialize(self, conf, ctx):
        self.out = open(conf["result.path"], "a", encoding="utf-8", buffering=1)

    def process(self, tup):
        self.logger.info("writing %r", tup)
        self.out.write(json.dumps([tup.component, *tup.values]) + "\n")
