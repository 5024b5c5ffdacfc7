"""examples/sensors.py and examples/clicks.py against a plain loop over the same data."""

import importlib.util
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from types import ModuleType

import pytest

from typhoon.testing import PAUSE, FakeClock, Row, complete_topology

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a dataclass looks for its module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


@pytest.fixture(scope="module")
def sensors() -> ModuleType:
    return _module("sensors")


@pytest.fixture(scope="module")
def clicks() -> ModuleType:
    return _module("clicks")


def test_the_last_averages_and_all_alerts_are_those_of_a_plain_loop(sensors: ModuleType) -> None:
    readings, alerts = defaultdict(list), []
    for moment in sensors.rounds(300):
        for sensor, celsius in moment:
            last = readings[sensor][-sensors.LAST :]
            if len(last) == sensors.LAST and abs(celsius - fmean(last)) > sensors.JUMP:
                alerts.append((sensor, celsius, fmean(last)))
            readings[sensor].append(celsius)
    assert alerts
    result = complete_topology(sensors.Sensors, config={"rounds": 300, "pause": 0})
    assert result.acked == 300 * sensors.SENSORS
    assert sorted(result.stream("window", "alerts")) == sorted(alerts)
    averages = {sensor: fmean(all_of[-sensors.LAST :]) for sensor, all_of in readings.items()}
    assert dict(result["window"]) == averages


def test_each_tick_emits_the_average_so_far(sensors: ModuleType) -> None:
    rows = [["roof", 20.0], ["roof", 22.0], PAUSE(1.5), ["roof", 27.0], PAUSE(1)]
    result = complete_topology(sensors.Sensors, {"readings": rows}, clock=FakeClock())
    averages = result["window"]
    assert averages[0] == ("roof", 21.0)
    assert averages[-1] == ("roof", 23.0)
    assert set(averages) == {averages[0], averages[-1]}


def test_a_reading_that_jumps_is_an_alert_once_the_window_is_full(sensors: ModuleType) -> None:
    usual = [["roof", 20.0]] * sensors.LAST
    rows = [*usual, ["roof", 29.0], ["cellar", 50.0]]
    result = complete_topology(sensors.Sensors, {"readings": rows}, clock=FakeClock())
    assert result.stream("window", "alerts") == [("roof", 29.0, 20.0)]


def test_the_sessions_are_those_of_a_plain_loop(clicks: ModuleType) -> None:
    times = defaultdict(list)
    for at, user, _ in clicks.made_up(500):
        times[user].append(at)
    sessions = []
    for user, found in times.items():
        begins = [0, *(i for i in range(1, len(found)) if found[i] - found[i - 1] > clicks.GAP)]
        for begin, end in zip(begins, [*begins[1:], len(found)], strict=True):
            sessions.append((user, found[begin], found[end - 1], end - begin))
    assert len(sessions) > len(times)
    result = complete_topology(clicks.Clicks)
    assert (result.acked, result.failed) == (sum(map(len, times.values())) + 1, 0)
    assert sorted(result["sessions"]) == sorted(sessions)


def test_a_session_ends_with_the_next_click_after_the_gap(clicks: ModuleType) -> None:
    rows = [["ann", "/", 0.0], ["ann", "/", 1800.0], ["ann", "/pay", 3600.5]]
    result = complete_topology(clicks.Clicks, {"clicks": rows}, clock=FakeClock())
    assert result["sessions"] == [("ann", 0.0, 1800.0, 2)]


def test_a_session_ends_at_a_tick_when_no_click_comes(clicks: ModuleType) -> None:
    rows = [["ann", "/", 0.0], ["bob", "/", 5.0], Row([1800.5], stream="end"), PAUSE(2)]
    more = [*rows, Row([1900.0], stream="end"), PAUSE(2)]
    result = complete_topology(clicks.Clicks, {"clicks": rows}, clock=FakeClock())
    assert result["sessions"] == [("ann", 0.0, 0.0, 1)]
    result = complete_topology(clicks.Clicks, {"clicks": more}, clock=FakeClock())
    assert sorted(result["sessions"]) == [("ann", 0.0, 0.0, 1), ("bob", 5.0, 5.0, 1)]


def test_a_tap_on_the_alerts_gives_them_as_lines_of_json(sensors: ModuleType) -> None:
    command = [sys.executable, "-m", "typhoon.cli", "run", EXAMPLES / "sensors.py"]
    result = subprocess.run(
        [*command, "--tap", "window:alerts", "-c", "rounds=100", "-c", "pause=0"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    alerts = [json.loads(line) for line in result.stdout.splitlines()]
    assert alerts
    assert all(abs(one["celsius"] - one["average"]) > sensors.JUMP for one in alerts)
