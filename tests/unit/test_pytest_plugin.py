"""The fixtures of typhoon.testing, in a project that knows no others."""

import subprocess
import sys
import textwrap

import pytest

pytest_plugins = ["pytester"]

TOPOLOGY = """
from typhoon import Bolt, Spout, Topology

class Once(Spout):
    outputs = ["n"]
    sent = False
    def next_tuple(self):
        if not self.sent:
            self.sent = True
            self.emit([1], tup_id=1)

class Keep(Bolt):
    auto_ack = False
    def process(self, tup):
        pass

class Kept(Topology):
    once = Once.spec()
    keep = Keep.spec(inputs=[once])
"""


@pytest.mark.parametrize(
    "test",
    [
        """
        def test_it(local_cluster):
            topology = local_cluster.submit("kept", Kept)
            assert topology.status == "ACTIVE"
        """,
        """
        def test_it(local_cluster, fake_clock):
            topology = local_cluster.submit("kept", Kept)
            while not topology.stats().emitted["once"]:
                pass
            fake_clock.advance(70)
            assert topology.stats().timed_out == 1
        """,
        """
        def test_it(complete, fake_clock):
            assert complete(Kept, {"once": [[1], [2]]}).timed_out == 2
        """,
        """
        import pytest
        def test_it(complete):
            with pytest.raises(TimeoutError):
                complete(Kept, {"once": [[1]]}, timeout=0.1)
        """,
    ],
    ids=["cluster", "cluster-under-a-clock", "complete-under-a-clock", "complete"],
)
def test_the_fixtures(pytester: pytest.Pytester, test: str) -> None:
    pytester.makepyfile(app=TOPOLOGY)
    pytester.makepyfile(f"from app import Kept\n{textwrap.dedent(test)}")
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def test_loading_the_plugin_loads_nothing_that_runs_topologies() -> None:
    code = "import sys, typhoon.testing.pytest_plugin; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(answer.stdout.split())
    assert "typhoon.testing" in loaded
    assert not loaded & {"typhoon.local", "typhoon.config", "typhoon.testing._complete"}
