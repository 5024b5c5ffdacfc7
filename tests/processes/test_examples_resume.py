"""examples/resume.py: whatever is killed, every line is stored."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "resume.py"
LINES = 60_000


def stored(path):
    if not path.exists():
        return []
    database = sqlite3.connect(path)
    try:
        return [line for (line,) in database.execute("select line from lines order by offset")]
    except sqlite3.OperationalError:  # the table is not there yet
        return []
    finally:
        database.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_every_line_is_stored_whatever_is_killed(tmp_path, wait_until, workers):
    source, database = tmp_path / "input", tmp_path / "lines.db"
    lines = [f"line {n} é" for n in range(LINES)]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    conf = ["-c", f"input.path={source}", "-c", f"output.path={database}"]
    command = [sys.executable, "-m", "typhoon.cli", "run", str(EXAMPLE), *conf]
    command += ["--workers", str(workers), "--plain"]
    done = tmp_path / "input.done"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as first:
        wait_until(lambda: done.exists() and int(done.read_text()) > 0, timeout=20)
        if workers > 1:
            for child in psutil.Process(first.pid).children():
                os.kill(child.pid, signal.SIGKILL)  # the worker of the spout, too
            mark = int(done.read_text())
            wait_until(lambda: int(done.read_text()) > mark or first.poll() is not None, 20)
        first.kill()
    came_to = int(done.read_text())
    assert 0 < came_to <= source.stat().st_size
    again = subprocess.run(command, cwd=tmp_path, timeout=50, check=False, capture_output=True)
    assert again.returncode == 0, again.stderr
    assert stored(database) == lines
    assert int(done.read_text()) == source.stat().st_size
