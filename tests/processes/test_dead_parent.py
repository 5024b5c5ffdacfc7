"""No worker outlives the process that supervises it, however that ends."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from launcher_parts import SLEEP, is_gone

PARENT = """
    import sys, time
    from pathlib import Path
    from typhoon.cluster.supervisor import Command, LogOptions, ProcessLauncher
    launcher = ProcessLauncher(Path(sys.argv[1]), LogOptions(max_bytes=10_000, files=2))
    launcher.launch(6700, 1, Command((sys.executable, "-c", sys.argv[2])))
    time.sleep(60)
"""
WAYS = {
    "as a worker calls it": "from typhoon.worker import end_with_parent; assert end_with_parent()",
    "by a signal of the kernel's": (
        "import os; from typhoon.worker._parent import end_by_signal; "
        "end_by_signal(int(os.environ['TYPHOON_PARENT_FD']))"
    ),
    "by a thread": (
        "import os; from typhoon.worker._parent import end_by_thread; "
        "end_by_thread(int(os.environ['TYPHOON_PARENT_FD']))"
    ),
}
LIVES = {
    "sleeping": "import time; time.sleep(60)",
    "stopped": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "holding the GIL": "import ctypes; ctypes.PyDLL(None).sleep(60)",
}


@pytest.mark.parametrize(
    ("way", "life"),
    [
        *((way, "sleeping") for way in WAYS),
        *(("by a signal of the kernel's", life) for life in ["stopped", "holding the GIL"]),
    ],
)
def test_a_worker_dies_with_its_parent(
    way: str, life: str, tmp_path: Path, wait_until: Callable
) -> None:
    if sys.platform != "linux" and "kernel" in way:
        pytest.skip("Linux only")
    family = """
        import os, time
        forked = os.fork() == 0
        os.write(1, f"process {os.getpid()}\\n".encode())
        if forked:
            time.sleep(60)
    """
    code = f"{WAYS[way]}\n{textwrap.dedent(family)}\n{LIVES[life]}"
    log = tmp_path / "worker-6700.log"

    def pids() -> list[int]:
        found = re.findall(r"^process (\d+)$", log.read_text(), re.M)
        return [int(pid) for pid in found] if len(found) == 2 else []

    arguments = [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path), code]
    with subprocess.Popen(arguments) as parent:
        wait_until(log.exists)
        both = wait_until(pids)
        parent.kill()
    wait_until(lambda: all(map(is_gone, both)), what="the end of the worker and its child")


def test_a_parent_that_is_dead_already(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(write)
    code = f"{WAYS['as a worker calls it']}\n{SLEEP}"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TYPHOON_PARENT_FD": str(read)},
        pass_fds=[read],
        check=False,
        timeout=20,
    )
    os.close(read)
    assert answer.returncode == -signal.SIGKILL


def test_without_such_a_parent_nothing_is_done() -> None:
    code = "from typhoon.worker import end_with_parent; assert not end_with_parent()"
    subprocess.run([sys.executable, "-c", code], check=True)
