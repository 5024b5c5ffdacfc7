"""On a terminal: the live table, what components print, and a debugger."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

PRINTING = """
import threading, time
from typhoon import Topology, bolt, spout


@spout(outputs=["n"])
def numbers():
    yield from range(300)


@bolt
def show(n):
    time.sleep(0.003)
    print("number", n, "is here")


topology = Topology.chain(numbers, show)
"""

DEBUGGED = """
from typhoon import Topology, bolt, spout


@spout(outputs=["n"], reliable=False)
def numbers():
    yield from range(3)


@bolt(outputs=["n"])
def look(n):
    if n == 1:
        breakpoint()
    return n


@spout(outputs=["n"], threaded=True)
def others():
    yield from range(100)


@bolt
def sink(n):
    pass


class Debugged(Topology):
    config = {"topology.message.timeout.secs": 1}
    numbers = numbers.spec()
    others = others.spec()
    looked = look.spec(inputs=[numbers, others])
    sink = sink.spec(inputs=[looked])
"""


def test_what_a_component_prints_stands_above_the_table(
    write_app: Callable, on_terminal: Callable
) -> None:
    with on_terminal("run", write_app(PRINTING)) as terminal:
        text = terminal.read_to_the_end()
        assert terminal.process.wait(10) == 0
    shown = re.findall(r"^number (\d+) is here$", text, re.M)
    assert shown == [str(n) for n in range(300)]
    assert "capacity" in terminal.raw
    assert "capacity" not in text


def test_a_debugger_holds_the_table_and_the_time_outs(
    write_app: Callable, on_terminal: Callable
) -> None:
    """It stands for longer than the message time-out of a second; then nothing has failed."""
    app = write_app(DEBUGGED.replace("n == 1:", "n == 1 and tup_is_first():") + FIRST)
    with on_terminal("run", app, "--strict", "--for", "2s") as terminal:
        terminal.read_until("(Pdb)")
        terminal.type("p 'n', n * 20")
        terminal.read_until("('n', 20)")
        before = len(terminal.raw)
        terminal.read_for(3.0)
        assert "(Pdb)".endswith(terminal.raw[before:].strip())  # the prompt, or the rest of it
        terminal.type("continue")
        text = terminal.read_to_the_end()
        assert terminal.process.wait(10) == 0, text
    assert "calls breakpoint(), so no message times out" in text
    assert "acked 100" in text
    assert "failed 0, timed out 0" in text
    assert "has held up" not in terminal.raw


FIRST = """

seen = []


def tup_is_first():
    seen.append(1)
    return len(seen) == 1
"""


def test_a_debugger_talks_to_the_terminal_where_data_comes_in(
    write_app: Callable, on_terminal: Callable, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.write_text("one\ntwo\n", encoding="utf-8")
    with data.open("rb") as lines, on_terminal("run", write_app(READING), stdin=lines) as terminal:
        terminal.read_until("(Pdb)")
        terminal.type("p line * 2")
        terminal.read_until("'twotwo'")
        terminal.type("c")
        text = terminal.read_to_the_end()
        assert terminal.process.wait(10) == 0, text
    assert "acked 2" in text


READING = """
from typhoon import Topology, bolt
from typhoon.components import StdinLines


@bolt
def look(line):
    if line == "two":
        breakpoint()
    return None


class Reading(Topology):
    lines = StdinLines.spec()
    looked = look.spec(inputs=[lines])
"""


def test_leaving_the_debugger_ends_the_run(write_app: Callable, on_terminal: Callable) -> None:
    with on_terminal("run", write_app(DEBUGGED)) as terminal:
        terminal.read_until("(Pdb)")
        terminal.type("quit")
        terminal.read_to_the_end()
        assert terminal.process.wait(10) == 130


def test_ctrl_c_twice_ends_a_run_in_a_debugger(write_app: Callable, on_terminal: Callable) -> None:
    with on_terminal("run", write_app(DEBUGGED)) as terminal:
        terminal.read_until("(Pdb)")
        os.kill(terminal.process.pid, signal.SIGINT)
        os.kill(terminal.process.pid, signal.SIGTERM)
        terminal.read_to_the_end()
        assert terminal.process.wait(10) == 143


@pytest.mark.parametrize("value", ["0"])
def test_a_debugger_can_be_switched_off(
    write_app: Callable,
    run_typhoon: Callable,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
) -> None:
    monkeypatch.setenv("PYTHONBREAKPOINT", value)
    result = run_typhoon("run", write_app(DEBUGGED), "--strict")
    assert result.returncode == 0, result.stderr
    assert "breakpoint" not in result.stderr
