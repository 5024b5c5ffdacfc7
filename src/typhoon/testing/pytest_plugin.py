"""Fixtures for pytest, which finds them by itself where typhoon is installed.

What they need is loaded when a test asks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typhoon.local import LocalCluster
    from typhoon.testing import CompletedTopology, FakeClock


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock that stands still; a test that asks for it, too, has the other fixtures go by it."""
    from typhoon.testing import FakeClock

    return FakeClock()


@pytest.fixture
def local_cluster(request: pytest.FixtureRequest) -> Iterator[LocalCluster]:
    """A ``LocalCluster``; what still runs at the end of the test is stopped."""
    from typhoon.local import LocalCluster

    with LocalCluster(clock=_clock(request)) as cluster:
        yield cluster


@pytest.fixture
def complete(request: pytest.FixtureRequest) -> Callable[..., CompletedTopology]:
    """``complete_topology``."""
    from typhoon.testing import complete_topology

    return partial(complete_topology, clock=_clock(request))


def _clock(request: pytest.FixtureRequest) -> FakeClock | None:
    wanted = "fake_clock" in request.fixturenames
    clock: FakeClock | None = request.getfixturevalue("fake_clock") if wanted else None
    return clock
