"""What goes between a supervisor and the processes of its workers, and what is left of it."""

import pytest
from worker_parts import Numbers, Sink

from typhoon import TopologyBuilder

COUNT = 200


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the folders of runs are made."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def numbers_to(bolt, diary, par=2, **own):
    """``numbers`` → ``bolt``."""
    builder = TopologyBuilder("crew")
    builder.set_spout("numbers", Numbers(diary, **{"count": COUNT, **own}))
    builder.set_bolt("bolt", bolt, par).shuffle_grouping("numbers")
    return builder


# Orders ------------------------------------------------------------------------------------------


def test_a_topology_that_is_larger_than_a_socket_holds(diary, submit, folder):
    bolt = Sink(diary, ballast=b"x" * 1_000_000)
    topology = submit(numbers_to(bolt, diary), 2)
    assert not list(folder.rglob("*.order")), "a worker leaves the order that it has read"
    topology.wait_until_drained(timeout=30)
    assert diary.count("acked") == COUNT
