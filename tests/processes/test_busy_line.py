"""A line that is always busy and runs no Python code: the process still is its user's."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

APP = """
import signal, sys, time
from typhoon import Bolt, LocalCluster, Spout, TopologyBuilder, native

class Quiet(Spout):
    outputs = ("n",)
    asked = 0

    def next_tuple(self):
        self.asked += 1
        if sys.argv[1] == "ended":
            raise StopIteration
        if self.asked == 1:
            self.emit([1], tup_id=1)

class Hold(Bolt):
    auto_ack = False

    def process(self, tup):
        pass

# Whoever started the tests in the background left it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

builder = TopologyBuilder()
builder.set_spout("quiet", Quiet)
builder.set_bolt("hold", Hold).shuffle_grouping("quiet")
if sys.argv[1] != "time-out":
    builder.set_spout("busy", native.const(1), 4)
    builder.set_bolt("same", native.id(["value"]), 4).shuffle_grouping("busy")
    builder.set_bolt("null", native.null(), 4).shuffle_grouping("same")
conf = {
    "pending": {"topology.max.spout.pending": 1},
    "time-out": {"topology.message.timeout.secs": 0.001},
}
with LocalCluster() as cluster:
    topology = cluster.submit("test", builder, conf.get(sys.argv[1]))
    try:
        while True:
            time.sleep(0.05)
            print(topology.status, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@contextmanager
def app(mode: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", APP, mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("mode", ["ended", "pending", "time-out"])
def test_busy_line_leaves_the_process_to_its_user(mode: str) -> None:
    with app(mode) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ACTIVE\n"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(10) == 0
    assert rest.endswith("interrupted\n")
    assert time.monotonic() - began < 5
