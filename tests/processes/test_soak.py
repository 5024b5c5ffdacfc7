"""The campaign, in its short form: `make soak` is the long one."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_nothing_is_lost_while_workers_are_killed_every_second(root):
    command = [sys.executable, root / "benchmarks" / "soak.py", "--json"]
    done = subprocess.run(
        [*map(str, command), "--lines", "30000", "--seconds", "8"],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == 8
    assert found["all acked"]
    assert (found["lost"], found["wrong"], found["timed out"]) == (0, 0, 0)
    assert found["fails for other reasons"] == 0
    # Workers did die in the middle of their work, and it did come again.
    assert found["replays told by fail"] + found["kills of the spout's worker"] > 0
    assert found["duplicates"] > 0
    before, after = found["held before"], found["held after"]
    assert (after["files"], after["threads"]) == (before["files"], before["threads"])
    assert after["rss_mb"] < before["rss_mb"] + 10
