"""Averages of the last readings of each sensor, once a second, and an alert when one jumps.

typhoon run examples/sensors.py                       three seconds of forty sensors
typhoon run examples/sensors.py -c rounds=2000        longer; Ctrl-C ends it
typhoon run examples/sensors.py --tap window:alerts   the alerts alone, as lines of JSON

The sensors are made up, and the same in every run.
"""

import random
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

from typhoon import Bolt, Grouping, Spout, Stream, Topology, Tuple
from typhoon.components import Print

SENSORS = 40
LAST = 20  # readings of a sensor that are averaged
JUMP = 8.0  # degrees away from the average


def rounds(count: int) -> Iterator[list[tuple[str, float]]]:
    """What all sensors say at one moment, again and again."""
    rng = random.Random(2013)
    celsius = [rng.uniform(15, 25) for _ in range(SENSORS)]
    for _ in range(count):
        celsius = [value + rng.gauss(0, 0.1) for value in celsius]
        broken = [rng.random() < 0.002 for _ in celsius]
        yield [
            (f"sensor-{number:02}", round(value + 15 * wrong, 2))
            for number, (value, wrong) in enumerate(zip(celsius, broken, strict=True))
        ]


class Readings(Spout):
    outputs = ["sensor", "celsius"]

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.rounds = enumerate(rounds(int(conf.get("rounds", 300))))
        self.pause = float(conf.get("pause", 0.01))
        self.due = time.monotonic()

    def next_tuple(self) -> None:
        if time.monotonic() < self.due:
            return  # nothing yet; a spout never waits, it is asked again soon
        self.due += self.pause
        number, readings = next(self.rounds)
        for sensor, celsius in readings:
            self.emit([sensor, celsius], tup_id=(number, sensor))


class Window(Bolt):
    """Sees all readings of its sensors, since they are grouped by the sensor."""

    outputs = [
        Stream(["sensor", "average"]),
        Stream(["sensor", "celsius", "average"], name="alerts"),
    ]
    tick_freq_secs = 1

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.last: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=LAST))

    def process(self, tup: Tuple) -> None:
        sensor, celsius = tup
        last = self.last[sensor]
        if len(last) == LAST and abs(celsius - fmean(last)) > JUMP:
            self.emit([sensor, celsius, fmean(last)], stream="alerts")
        last.append(celsius)

    def process_tick(self, tup: Tuple) -> None:
        for sensor, last in self.last.items():  # a drained topology gets one last tick
            self.emit([sensor, fmean(last)])


class Warmest(Bolt):
    """Prints every second which sensor is warmest, and at the end how warm all of them are."""

    tick_freq_secs = 1

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.averages: dict[str, float] = {}

    def process(self, tup: Tuple) -> None:
        self.averages[tup["sensor"]] = tup["average"]

    def process_tick(self, tup: Tuple) -> None:
        if self.averages:
            sensor = max(self.averages, key=self.averages.__getitem__)
            print(f"warmest: {sensor} {self.averages[sensor]:.1f} °C")

    def close(self) -> None:
        mean = fmean(self.averages.values())
        print(f"{len(self.averages)} sensors, {mean:.2f} °C on average")


class Sensors(Topology):
    readings = Readings.spec()
    window = Window.spec(inputs={readings: Grouping.fields("sensor")}, par=2)
    warmest = Warmest.spec(inputs=[window])
    alerts = Print("alert: {sensor} says {celsius:.1f} °C after {average:.1f} °C").spec(
        inputs=[window["alerts"]]
    )
