"""What ``typhoon doctor`` looks at: one function for each thing, which tells what it found."""

from __future__ import annotations

import ast
import importlib
import os
import platform
import re
import resource
import shutil
import socket
import statistics
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

Verdict = Literal["ok", "warn", "fail"]

OLDEST = (3, 11)
MIB = 1024 * 1024
NEAREST_SLEEP_S = 0.002
"""A sleep of a millisecond that takes longer than this makes time-outs and ticks late."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``warn``: it will run, but not as well as it could; ``fail``: it will not."""

    name: str
    verdict: Verdict
    found: str
    hint: str | None = None


def findings() -> list[Finding]:
    """Everything there is to say about this machine, in the order in which it matters."""
    return [finding for look in LOOKS for finding in look()]


def python() -> Iterator[Finding]:
    version = platform.python_version()
    words = f"{platform.python_implementation()} {version} in {sys.prefix}"
    if sys.implementation.name != "cpython":
        yield Finding("python", "fail", words, "the core is built for CPython")
    elif sys.version_info[:2] < OLDEST:
        yield Finding("python", "fail", words, "install Python 3.11 or later")
    else:
        yield Finding("python", "ok", words)


def gil() -> Iterator[Finding]:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        yield Finding("gil", "ok", "the usual build, with a global interpreter lock")
        return
    yield Finding(
        "gil", "warn", "a free-threaded build", "nothing is measured with it; use the usual build"
    )


def core() -> Iterator[Finding]:
    """The compiled module, beside the description of it that its sources bring along."""
    try:
        module = importlib.import_module("typhoon._core")
    except ImportError as error:
        hint = "install typhoon again, for this Python and this platform"
        yield Finding("core", "fail", f"typhoon._core does not import: {error}", hint)
        return
    installed = metadata.version("typhoon")
    built = getattr(module, "__version__", installed)
    missing = [name for name in _names_of_core() if not hasattr(module, name)]
    if built != installed or missing:
        lacks = f", lacks {', '.join(missing)}" if missing else ""
        hint = "it was built from other sources: install typhoon again"
        yield Finding("core", "fail", f"{built} beside typhoon {installed}{lacks}", hint)
    else:
        yield Finding("core", "ok", f"typhoon {installed}, {module.__file__}")


def _names_of_core() -> list[str]:
    tree = ast.parse((Path(__file__).parents[1] / "_core.pyi").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def packages() -> Iterator[Finding]:
    """What typhoon needs, and what of its extras is there."""
    for requirement in metadata.requires("typhoon") or ():
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        name = match[0] if match else requirement
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", requirement)
        try:
            yield Finding(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            if extra:
                hint = f"pip install 'typhoon[{extra[1]}]' if you need it"
                yield Finding(name, "ok", f"not installed (extra '{extra[1]}')", hint)
            else:
                yield Finding(name, "fail", "not installed", f"pip install '{requirement}'")


def processors() -> Iterator[Finding]:
    there = os.cpu_count() or 1
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    share = _cgroup_processors()
    usable = ours if share is None else min(float(ours), share)
    words = f"{usable:g} of {there} usable" if usable < there else f"{there}"
    if usable < 2:
        hint = "one worker is all that fits; computing scales with processors"
        yield Finding("processors", "warn", words, hint)
    else:
        yield Finding("processors", "ok", words)


def _cgroup_processors() -> float | None:
    """How many processors' time the container may use, if that is limited."""
    words = (_read("/sys/fs/cgroup/cpu.max") or "").split()
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def memory() -> Iterator[Finding]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = _available_memory() or total
    words = f"{available // MIB:,} MiB of {total // MIB:,} MiB available"
    limit = (_read("/sys/fs/cgroup/memory.max") or "").strip()
    if limit.isdigit():
        used = int(_read("/sys/fs/cgroup/memory.current") or 0)
        available = min(available, max(0, int(limit) - used))
        words += f", {available // MIB:,} MiB within the container's limit"
    if available < 64 * MIB:
        yield Finding("memory", "fail", words, "end something else, or raise the limit")
    elif available < 512 * MIB:
        hint = "a worker takes 50 MiB and what your components keep"
        yield Finding("memory", "warn", words, hint)
    else:
        yield Finding("memory", "ok", words)


def _available_memory() -> int | None:
    match = re.search(r"^MemAvailable:\s+(\d+) kB", _read("/proc/meminfo") or "", re.M)
    return int(match[1]) * 1024 if match else None


def limits() -> Iterator[Finding]:
    """What ``ulimit`` shows: open files, and processes with their threads."""
    yield _limit("open files", resource.RLIMIT_NOFILE, 64, 1024, "ulimit -n 4096")
    yield _limit("processes", resource.RLIMIT_NPROC, 32, 256, "ulimit -u 4096")


def _limit(name: str, which: int, fail: int, warn: int, command: str) -> Finding:
    now, most = resource.getrlimit(which)
    if now == resource.RLIM_INFINITY:
        return Finding(name, "ok", "unlimited")
    top = "unlimited" if most == resource.RLIM_INFINITY else f"{most:,}"
    words = f"{now:,} (may be raised to {top})"
    if now >= warn:
        return Finding(name, "ok", words)
    return Finding(name, "fail" if now < fail else "warn", words, f"{command}, before typhoon")


def folders() -> Iterator[Finding]:
    """Where processes on one machine share memory, and where temporary files go."""
    shared = Path("/dev/shm")
    if sys.platform == "linux":
        yield _folder("shared memory", shared, "mount it: in a container with --shm-size=256m")
    yield _folder("temporary files", Path(tempfile.gettempdir()), "set TMPDIR to another folder")


def _folder(name: str, folder: Path, hint: str) -> Finding:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        what = "cannot be written" if folder.is_dir() else "is not there"
        return Finding(
            name, "fail" if name == "temporary files" else "warn", f"{folder} {what}", hint
        )
    free = shutil.disk_usage(folder).free
    words = f"{free // MIB:,} MiB free in {folder}"
    return Finding(name, "ok", words) if free >= 32 * MIB else Finding(name, "warn", words, hint)


def timers() -> Iterator[Finding]:
    """The clock that the core reads, and how exactly the system wakes those who sleep."""
    source = (
        _read("/sys/devices/system/clocksource/clocksource0/current_clocksource") or ""
    ).strip()
    info = time.get_clock_info("monotonic")
    words = f"{source or 'system'}, resolution {info.resolution * 1e9:.0f} ns"
    flags = _read("/proc/cpuinfo") or ""
    if platform.machine() == "x86_64" and flags and "nonstop_tsc" not in flags:
        hint = "the processor's own counter is not reliable here: reading the time costs more"
        yield Finding("clock", "warn", f"{words}, no steady time-stamp counter", hint)
    elif source in {"hpet", "acpi_pm", "refined-jiffies", "jiffies"}:
        yield Finding("clock", "warn", words, "a slow clock source: choose tsc or kvm-clock")
    else:
        yield Finding("clock", "ok", words)
    late = _sleep_s(0.001)
    words = f"a sleep of 1 ms takes {late * 1e3:.2f} ms"
    if late > NEAREST_SLEEP_S:
        yield Finding("timers", "warn", words, "time-outs and ticks come late; is it overloaded?")
    else:
        yield Finding("timers", "ok", words)


def _sleep_s(seconds: float) -> float:
    """How long a sleep of that many seconds takes: the middle one of nine."""
    taken = []
    for _ in range(9):
        began = time.monotonic()
        time.sleep(seconds)
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


def loopback() -> Iterator[Finding]:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            where = f"127.0.0.1, ports are free (tried {server.getsockname()[1]})"
    except OSError as error:
        hint = "processes on this machine talk over it: is the interface lo up?"
        yield Finding("loopback", "fail", f"127.0.0.1 cannot be used: {error}", hint)
    else:
        yield Finding("loopback", "ok", where)


def terminal() -> Iterator[Finding]:
    encoding = (sys.stdout.encoding or "ascii").lower()
    if not sys.stderr.isatty():
        yield Finding("terminal", "ok", "none: lines in place of the live table")
    elif os.environ.get("TERM", "dumb") == "dumb":
        yield Finding("terminal", "warn", "TERM says dumb", "set TERM, or use --plain")
    else:
        size = shutil.get_terminal_size()
        yield Finding("terminal", "ok", f"{os.environ['TERM']}, {size.columns} × {size.lines}")
    if encoding.replace("-", "") != "utf8":
        hint = "set LANG to one with UTF-8, or PYTHONUTF8=1"
        yield Finding("encoding", "warn", f"standard output is {encoding}", hint)
    else:
        yield Finding("encoding", "ok", "UTF-8")


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:  # another platform has no such file
        return None


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    python,
    gil,
    core,
    packages,
    processors,
    memory,
    limits,
    folders,
    timers,
    loopback,
    terminal,
)
