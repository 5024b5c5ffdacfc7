"""A process with threaded components hands Python's lock on sooner; any other stays as it is."""

import sys
from collections.abc import Iterator

import pytest

from typhoon import Bolt, Spout, TopologyBuilder
from typhoon.topology import topology_spec
from typhoon.worker import share_the_lock


class Numbers(Spout):
    outputs = ["n"]

    def next_tuple(self) -> None:
        raise StopIteration


class Sink(Bolt):
    def process(self, tup: object) -> None:
        pass


class Waits(Sink):
    threaded = True


@pytest.fixture
def interval() -> Iterator[float]:
    before = sys.getswitchinterval()
    yield before
    sys.setswitchinterval(before)


@pytest.mark.parametrize("bolt", [Sink, Waits])
def test_only_threaded_components_shorten_the_wait_for_the_lock(
    interval: float, bolt: type[Bolt]
) -> None:
    builder = TopologyBuilder()
    builder.set_spout("numbers", Numbers)
    builder.set_bolt("bolt", bolt).shuffle_grouping("numbers")
    share_the_lock(topology_spec(builder))
    assert (sys.getswitchinterval() < interval) == bolt.threaded
