"""Cuts the clicks of each user into sessions: half an hour without a click ends one.

typhoon run examples/clicks.py                   a week of clicks
typhoon run examples/clicks.py -c users=2000     of more users
typhoon run examples/clicks.py --tap sessions    each session as a line of JSON

Time is the clicks' own, never the computer's: a fast run and a slow one find the same sessions. The
clicks are made up, and the same in every run. Open sessions die with their worker.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from typhoon import Bolt, Emit, Grouping, Stream, Topology, Tuple, spout

GAP = 30 * 60  # seconds; who clicks again later than that begins a session
WEEK = 7 * 24 * 3600
PAGES = ["/", "/search", "/product", "/basket", "/pay"]

Click = tuple[float, str, str]


def made_up(users: int) -> list[Click]:
    """When, who and where, in the order of time."""
    rng = random.Random(4)
    clicks = []
    for user in range(users):
        at = rng.uniform(0, WEEK / 2)
        while at < WEEK:
            clicks.append((at, f"user-{user}", rng.choice(PAGES)))
            at += rng.expovariate(1 / 120) if rng.random() < 0.9 else rng.uniform(0, WEEK / 3)
    return sorted(clicks)


@spout(outputs=[Stream(["user", "page", "at"]), Stream(["at"], name="end")])
def clicks(conf: Mapping[str, Any]) -> Iterator[tuple[str, str, float] | Emit]:
    at = 0.0
    for at, user, page in made_up(int(conf.get("users", 500))):
        yield user, page, at
    yield Emit([at + 2 * GAP], stream="end")  # it is later now, and nobody has clicked


@dataclass
class Session:
    start: float
    end: float
    clicks: int = 1


class Sessions(Bolt):
    """A session ends with the user's next click after the gap, or at a tick, if no click comes."""

    outputs = ["user", "start", "end", "clicks"]
    tick_freq_secs = 1

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.open: dict[str, Session] = {}
        self.now = 0.0

    def process(self, tup: Tuple) -> None:
        self.now = max(self.now, tup["at"])  # a click that is sent again comes late
        if tup.stream != "end":
            self.click(tup["user"], tup["at"])

    def click(self, user: str, at: float) -> None:
        session = self.open.get(user)
        if session is not None and at - session.end <= GAP:
            session.end = max(session.end, at)
            session.clicks += 1
            return
        if session is not None:
            self.finish(user, session)
        self.open[user] = Session(at, at)

    def process_tick(self, tup: Tuple) -> None:
        for user, session in list(self.open.items()):
            if self.now - session.end > GAP:
                del self.open[user]
                self.finish(user, session)

    def finish(self, user: str, session: Session) -> None:
        self.emit([user, session.start, session.end, session.clicks])


class Lengths(Bolt):
    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.minutes: Counter[int] = Counter()
        self.clicks = 0

    def process(self, tup: Tuple) -> None:
        self.minutes[int((tup["end"] - tup["start"]) // 600) * 10] += 1
        self.clicks += tup["clicks"]

    def close(self) -> None:
        print(f"{self.minutes.total():,} sessions of {self.clicks:,} clicks")
        for minutes, count in sorted(self.minutes.items())[:6]:
            print(f"{count:>7,} of {minutes} to {minutes + 10} minutes")


class Clicks(Topology):
    clicks = clicks.spec()
    sessions = Sessions.spec(
        inputs={clicks: Grouping.fields("user"), clicks["end"]: Grouping.ALL}, par=2
    )
    lengths = Lengths.spec(inputs=[sessions])
