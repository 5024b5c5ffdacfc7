"""`typhoon doctor`: a line for each thing, JSON, and an exit status."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable


def test_it_lists_what_it_looked_at(run_typhoon: Callable) -> None:
    result = run_typhoon("doctor")
    assert result.returncode == 0, result.stdout
    lines = [line for line in result.stdout.splitlines() if not line.lstrip().startswith("hint")]
    assert all(line.startswith(("ok  ", "warn  ")) for line in lines[:-1])
    assert f"{len(lines) - 1} looked at: " in lines[-1]


def test_the_same_as_json(run_typhoon: Callable) -> None:
    answer = json.loads(run_typhoon("doctor", "--json").stdout)
    assert answer["ok"] is True
    assert {one["verdict"] for one in answer["findings"]} <= {"ok", "warn"}
    assert all(one.keys() == {"name", "verdict", "found", "hint"} for one in answer["findings"])


def test_what_will_not_do_is_exit_1() -> None:
    """Here: so few files may be open that a worker could not start."""
    result = subprocess.run(
        [sys.executable, "-m", "typhoon.cli", "doctor"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 1, result.stdout
    assert "fail  open files" in result.stdout
    assert "hint: ulimit -n" in result.stdout
