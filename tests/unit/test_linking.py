"""A worker that waits for its links says for whom and why, once for each reason."""

import logging
import threading

import pytest

from typhoon.worker import _linking
from typhoon.worker._linking import Linking


class Links:
    """Links that come about when all of ``script`` has happened: at each look one part of it."""

    def __init__(self, *script):
        self.script = list(script)
        self.there = {2}
        self.troubles = []

    def wait_connected(self, workers, timeout):
        if timeout and self.script:
            self.script.pop(0)(self)
        return not self.script if timeout else self.there.issuperset(workers)

    def take_troubles(self):
        taken, self.troubles = self.troubles, []
        return taken


def nothing(links):
    pass


def refuse(peer, why):
    return lambda links: links.troubles.append((peer, why))


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.INFO, "typhoon.worker")
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_peer_that_listens_and_does_not_answer_is_named_once(told, monkeypatch):
    monkeypatch.setattr(_linking, "PATIENCE_S", 0.0)
    linking = Linking(Links(nothing, nothing, nothing), [1, 2], 6700)
    linking.listens(1, "tcp:10.0.0.1:4000")
    linking.listens(2, "tcp:10.0.0.2:4000")
    assert linking.wait(threading.Event())
    assert told() == [
        "no link with worker 6701: it listens at tcp:10.0.0.1:4000, and there is no answer"
    ]


def test_where_it_listens_next_is_another_reason(told, monkeypatch):
    monkeypatch.setattr(_linking, "PATIENCE_S", 0.0)
    script = [nothing, lambda _: linking.listens(1, "unix:/tmp/1-2"), nothing, nothing]
    linking = Linking(Links(*script), [1, 2], 6700)
    linking.listens(1, "unix:/tmp/1-1")
    assert linking.wait(threading.Event())
    assert [line.split()[8] for line in told()] == ["unix:/tmp/1-1,", "unix:/tmp/1-2,"]


def test_nobody_is_named_before_there_was_time(told):
    linking = Linking(Links(nothing, nothing), [1, 2], 6700)
    linking.listens(1, "unix:/tmp/1-1")
    assert linking.wait(threading.Event())
    assert told() == []


def test_why_a_handshake_was_refused_is_said_once_for_each_reason(told, monkeypatch):
    monkeypatch.setattr(_linking, "PATIENCE_S", 0.0)
    secret, stranger = refuse(1, "another secret"), refuse(None, "not a worker of Typhoon")
    script = [secret, secret, stranger, refuse(1, "another version"), nothing, nothing]
    linking = Linking(Links(*script), [1, 2], 6700)
    linking.listens(1, "unix:/tmp/1-1")
    assert linking.wait(threading.Event())
    assert told() == [
        "no link with worker 6701: another secret",
        "no link with somebody: not a worker of Typhoon",
        "no link with worker 6701: another version",
    ]


def test_it_does_not_wait_for_ever(told):
    over = threading.Event()
    over.set()
    assert not Linking(Links(nothing, nothing), [1], 6700).wait(over)


def test_a_link_that_is_lost_later_is_told_each_time(told):
    links = Links()
    linking = Linking(links, [1, 2], 6700)
    for _ in range(2):
        links.there = {2}
        links.troubles = [(1, "it was lost: the other end gave it up")]
        linking.look()
        linking.look()
        links.there = {1, 2}
        linking.look()
    assert told() == ["no link with worker 6701: it was lost: the other end gave it up"] * 2
