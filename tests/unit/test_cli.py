"""The parts of the command line that decide: lines of JSON, findings, files that changed."""

import datetime
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typhoon import Bolt, Spout, Topology, Tuple, topology_spec
from typhoon.cli import _doctor, _findings, _pause, _tap, _watch
from typhoon.cli._findings import Finding
from typhoon.cli._orders import ONCE_S, Orders, StopNow
from typhoon.cli._words import CommandLineError

# A tapped tuple -----------------------------------------------------------------------------------


class Odd:
    def __str__(self) -> str:
        raise RuntimeError("no words")


NO_WORDS = "<Odd: RuntimeError in its str()>"


def line_of(**values: object) -> str:
    return _tap.json_line(Tuple(values=values.values(), fields=list(values)))


RING: list = []
RING.append(RING)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        ([1, (2, "ü")], [1, [2, "ü"]]),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (b"\x00a", "b'\\x00a'"),
        ("\udc80", "\udc80"),
        (float("inf"), "inf"),
        ({"a": {1: {(2, 3): float("nan")}}}, {"a": {"1": {"(2, 3)": "nan"}}}),
        (
            [Odd(), {Odd(): 2}],
            [NO_WORDS, {NO_WORDS: 2}],
        ),
    ],
)
def test_what_json_lacks_is_shown_by_its_words(value: object, shown: object) -> None:
    line = line_of(x=value)
    assert line.count("\n") == 1
    assert json.loads(line) == {"x": shown}


def test_a_ring_ends() -> None:
    assert json.loads(line_of(x=RING))["x"]


@given(st.recursive(st.none() | st.floats() | st.text() | st.integers(), st.lists))
def test_every_value_is_one_line_of_json(value: object) -> None:
    line = line_of(x=value)
    assert line.count("\n") == 1
    json.loads(line, parse_constant=pytest.fail)


class Source(Spout):
    outputs = ["n"]

    def next_tuple(self) -> None:
        raise StopIteration


class Sink(Bolt):
    def process(self, tup: Tuple) -> None:
        pass


class Small(Topology):
    source = Source.spec()
    sink = Sink.spec(inputs=[source])


def test_a_tap_takes_each_stream_once_and_changes_nothing_else() -> None:
    spec = topology_spec(Small)
    tapped = _tap.with_tap(
        spec, ["source", "source:default", "sink:__dead_letter"], _tap.Tap(print)
    )
    assert [(one.component, one.stream) for one in tapped.components[_tap.TAP].inputs] == [
        ("source", "default"),
        ("sink", "__dead_letter"),
    ]
    assert {name: tapped.components[name] for name in spec.components} == spec.components


def test_a_tap_needs_a_component() -> None:
    with pytest.raises(CommandLineError, match="no component 'sorce'") as caught:
        _tap.with_tap(topology_spec(Small), ["sorce"], _tap.Tap(print))
    assert caught.value.hint == "did you mean source?"


def test_a_tap_is_full_after_so_many_and_when_nobody_reads() -> None:
    lines: list[str] = []
    tap = _tap.Tap(lines.append, limit=3)
    tup = Tuple(values=[1], fields=["n"])
    tap.process_many([tup, tup])
    assert not tap.full.is_set()
    tap.process_many([tup, tup])
    assert tap.full.is_set()
    assert "".join(lines) == '{"n": 1}\n' * 3

    def gone(_: str) -> None:
        raise BrokenPipeError

    tap = _tap.Tap(gone)
    tap.process_many([tup])
    assert tap.full.is_set()
    assert isinstance(tap.error, BrokenPipeError)


# breakpoint() -------------------------------------------------------------------------------------


def test_a_call_of_breakpoint_is_found_where_it_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONBREAKPOINT", raising=False)
    (tmp_path / "said.py").write_text('"""breakpoint() in words"""\n', encoding="utf-8")
    (tmp_path / "meant.py").write_text("def f():\n    breakpoint()\n", encoding="utf-8")
    for name in ("said", "meant"):
        module = SimpleNamespace(__file__=str(tmp_path / f"{name}.py"))
        monkeypatch.setitem(_pause.sys.modules, f"a_{name}", module)
        found = _pause.breakpoint_in(tmp_path)
        assert found == (None if name == "said" else "meant.py:2")
    assert _pause.breakpoint_in(tmp_path / "elsewhere") is None
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    assert _pause.breakpoint_in(tmp_path) is None


# doctor -------------------------------------------------------------------------------------------


def test_each_finding_is_a_line_with_its_hint_below() -> None:
    found = [Finding("a", "ok", "fine"), Finding("longer", "fail", "broken", "mend it")]
    assert list(_doctor.lines(found)) == [
        "ok    a       fine",
        "fail  longer  broken",
        "              hint: mend it",
        "2 looked at: 0 warn, 1 fail",
    ]


def test_whatever_is_not_ok_says_what_to_do() -> None:
    found = _findings.findings()
    assert all(one.hint for one in found if one.verdict != "ok")
    assert {"python", "gil", "core", "processors", "memory", "open files", "clock", "loopback"} <= {
        one.name for one in found
    }


@pytest.mark.parametrize(
    ("now", "verdict"), [(16, "fail"), (256, "warn"), (4096, "ok"), (-1, "ok")]
)
def test_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch, now: int, verdict: str) -> None:
    monkeypatch.setattr(_findings.resource, "getrlimit", lambda which: (now, 65536))
    files, _ = _findings.limits()
    assert files.verdict == verdict


def test_a_core_that_lacks_something_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one.verdict for one in _findings.core()] == ["ok"]
    old = SimpleNamespace(Tuple=Tuple, __file__="old.so")
    monkeypatch.setattr(_findings.importlib, "import_module", lambda name: old)
    (finding,) = _findings.core()
    assert finding.verdict == "fail"
    assert "Engine" in finding.found


def test_a_core_that_does_not_import_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ImportError(f"no {name}")

    monkeypatch.setattr(_findings.importlib, "import_module", broken)
    assert [one.verdict for one in _findings.core()] == ["fail"]


# dev ----------------------------------------------------------------------------------------------


def test_what_was_saved_made_or_removed_is_named_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "notes.txt", "part/c.py", ".git/d.py", "env/lib/e.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1\n", encoding="utf-8")
    (tmp_path / "env" / "pyvenv.cfg").touch()
    before = _watch.snapshot(tmp_path)
    assert {str(Path(one).relative_to(tmp_path)) for one in before} == {"a.py", "b.py", "part/c.py"}
    assert _watch.changed(before, _watch.snapshot(tmp_path)) == []
    (tmp_path / "b.py").unlink()
    os.utime(tmp_path / "part" / "c.py", ns=(1, 1))
    (tmp_path / "typhoon.yaml").touch()
    (tmp_path / "notes.txt").write_text("more\n", encoding="utf-8")
    names = [
        str(Path(one).relative_to(tmp_path))
        for one in _watch.changed(before, _watch.snapshot(tmp_path))
    ]
    assert names == ["b.py", "part/c.py", "typhoon.yaml"]


# Orders -------------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("why", ["later", "answered", "another"])
def test_signals_at_once_are_one_order_and_a_later_one_is_another(why: str) -> None:
    clock = Clock()
    orders = Orders(None, clock=clock)
    orders.begin()
    for _ in range(2):
        orders._on_signal(signal.SIGTERM, None)
        assert orders.to_end
    if why == "later":
        clock.now += 2 * ONCE_S
    orders.answered = why == "answered"
    number = signal.SIGINT if why == "another" else signal.SIGTERM
    with pytest.raises(StopNow) as stopped:
        orders._on_signal(number, None)
    assert stopped.value.status == 128 + number


def test_before_there_is_anything_to_drain_the_first_signal_stops() -> None:
    with pytest.raises(StopNow) as stopped:
        Orders(None)._on_signal(signal.SIGTERM, None)
    assert stopped.value.status == 143
