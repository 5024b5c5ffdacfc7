"""Mistakes in what the engine is told come back as exceptions; no panic crosses the door."""

import pytest

from typhoon import LocalCluster
from typhoon._core import Engine
from typhoon.errors import TyphoonInternalError
from typhoon.worker import _worker

OPTIONS = {
    "worker": 0,
    "incarnation": 0,
    "workers": 0,
    "pickle": True,
    "load_aware": True,
    "acking": True,
    "active": True,
    "message_timeout": 30.0,
    "high_water": 16,
    "hard_limit": 100,
    "max_replays": None,
    "poll": (0.001, 0.001),
    "timed_every": 0,
}


def plan(targets=(1,), **options):
    """One native spout, which feeds the tasks ``targets``."""
    route = {"grouping": "shuffle", "positions": [], "targets": list(targets)}
    route |= {"near": 0, "object": None}
    outlet = {"number": 0, "name": "default", "fields": ["n"], "direct": False, "routes": [route]}
    executor = {
        "number": 0,
        "component": "source",
        "spout": True,
        "tasks": [{"id": 1, "outlets": [outlet]}],
        "max_pending": None,
        "tick": None,
        "in_flight": None,
        "shell": object(),
        "native": None,
    }
    return {
        "options": {**OPTIONS, **options},
        "lines": [[executor]],
        "rings": [],
        "elsewhere": [],
        "schemas": [("source", "default", ("n",)), ("__system", "__tick", ("rate_secs",))],
    }


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e300, -1.0])
@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("message_timeout", lambda seconds: seconds, "the message time-out"),
        ("poll", lambda seconds: (seconds, 0.1), "the pause of an idle spout"),
    ],
)
def test_what_is_no_duration_is_refused(option, value, what, seconds):
    with pytest.raises(ValueError, match=f"{what} is .* seconds"):
        Engine(plan(**{option: value(seconds)}))


def test_panic_while_the_engine_is_made_is_an_exception():
    with pytest.raises(TyphoonInternalError, match="the engine failed: index out of bounds"):
        Engine(plan(targets=[99]))


def test_panic_while_the_engine_runs_ends_the_topology(journal, chain, monkeypatch):
    class Planner(_worker.Planner):
        def plan(self, *, active):
            plan = super().plan(active=active)
            for executor in (one for line in plan.content["lines"] for one in line):
                for outlet in (one for task in executor["tasks"] for one in task["outlets"]):
                    outlet["number"] += 1000  # of a stream that there is not
            return plan

    monkeypatch.setattr(_worker, "Planner", Planner)
    middle = journal.bolt(lambda self, tup: self.emit([tup[0]]))
    with LocalCluster() as cluster:
        topology = cluster.submit("test", chain(journal.source([1]), middle, journal.bolt()))
        with pytest.raises(TyphoonInternalError, match="the engine failed"):
            topology.wait_until_drained(timeout=10)
        assert topology.status == "FAILED"
