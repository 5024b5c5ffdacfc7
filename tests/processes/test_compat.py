"""Projects written for streamparse, run as they are; and our names beside theirs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECTS = HERE / "compat_projects"
THEIRS = HERE.parents[1] / ".peers" / "streamparse" / "bin"
TYPHOON = Path(sys.executable).with_name("typhoon")

PIPE = "there is no pipe to Storm: typhoon calls a component itself"
THRIFT = "nothing here talks Thrift; a topology is typhoon's"
PARTS = "how a class is looked at is not for others to call"
DIFFERENCES = {
    "*.read_command": PIPE,
    "*.read_handshake": PIPE,
    "*.read_message": PIPE,
    "*.read_task_ids": PIPE,
    "*.read_tuple": PIPE,
    "*.run": PIPE,
    "*.send_message": PIPE,
    "*.self.serializer": "no serializer is made; it is the name that was given",
    "Bolt.()": "the same arguments, each with its name",
    "LogStream": "print() is shown, not sent to a log",
    "JSONSerializer": PIPE,
    "MsgpackSerializer": PIPE,
    "remote_pdb_handler": "no signal handler is installed: breakpoint() works",
    "TicklessBatchingBolt.self.exc_info": "there is no timer thread whose exception it would keep",
    "Stream.default_spec": THRIFT,
    "Stream.read": THRIFT,
    "Stream.thrift_spec": THRIFT,
    "Stream.write": THRIFT,
    "Topology.read": THRIFT,
    "Topology.write": THRIFT,
    "Topology.thrift_topology": THRIFT,
    "Topology.to_flux_dict": "Flux is Storm's own way to run on one machine",
    "TopologyType.add_bolt_spec": PARTS,
    "TopologyType.add_spout_spec": PARTS,
    "TopologyType.class_dict_to_specs": PARTS,
    "TopologyType.clean_spec_inputs": PARTS,
}
"""All that theirs has and ours has not, or has otherwise, and why; `*` is any component."""


@pytest.fixture(scope="module")
def theirs() -> Path:
    """The interpreter of the environment that has the installed streamparse."""
    python = THEIRS / "python"
    if not python.exists():
        pytest.fail("streamparse is not installed beside us: `make test-python` does that")
    return python


def typhoon(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TYPHOON, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def run(folder: Path, *arguments: object) -> tuple[dict, str]:
    result = typhoon(folder, "run", *arguments, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout), result.stderr


@pytest.fixture(scope="module")
def quickstart(theirs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `sparse quickstart` makes."""
    folder = tmp_path_factory.mktemp("quickstart")
    subprocess.run(
        [THEIRS / "sparse", "quickstart", "counting"],
        cwd=folder,
        env={**os.environ, "LEIN_ROOT": "1", "PYTHONWARNINGS": "ignore"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=50,
        check=True,
    )
    return folder / "counting"


@pytest.mark.slow
def test_the_quickstart_project_runs_untouched(quickstart: Path) -> None:
    summary, errors = run(quickstart, "topologies/wordcount.py", "--for", "2s")
    assert summary["executed"]["count_bolt"] > 1000
    assert summary["emitted"]["word_spout"] == summary["executed"]["count_bolt"]
    assert summary["failed"] == summary["timed_out"] == 0
    assert "ERROR" not in errors
    assert "WARNING" not in errors


def test_the_quickstart_project_has_a_picture(quickstart: Path) -> None:
    result = typhoon(quickstart, "graph", "topologies/wordcount.py")
    assert result.returncode == 0, result.stderr
    assert "word_spout" in result.stdout
    assert "word" in result.stdout


def test_tuples_are_taken_apart_in_each_way(tmp_path: Path) -> None:
    result = tmp_path / "result"
    arguments = ("topologies/shop.py", "--environment", "test", "-c", f"result.path={result}")
    summary, errors = run(PROJECTS / "shop", *arguments)
    assert summary["acked"] == 4, errors
    assert summary["failed"] == 0, errors
    lines = sorted(json.loads(line) for line in result.read_text(encoding="utf-8").splitlines())
    assert lines == [
        ["clerk", "anna", "by hand"],
        ["clerk", "anna", "by hand"],
        ["clerk", "bert", "by hand"],
        ["clerk", "bert", "dear 5000"],
        ["clerk", "carl", "by hand"],
        ["clerk", "carl", "dear 9000"],
        ["ledger", "bert", "ledger"],
        ["ledger", "carl", "ledger"],
        ["prices", "anna", "apple 3 euro"],
        ["prices", "anna", "cake 12 euro"],
        ["prices", "bert", "boat 5000 euro"],
        ["prices", "carl", "crown 9000 euro"],
    ]


def test_the_environment_has_to_be_one_of_the_projects(tmp_path: Path) -> None:
    shop = PROJECTS / "shop"
    result = typhoon(shop, "run", "topologies/shop.py", "--environment", "moon")
    assert result.returncode == 1
    assert "config.json has no environment 'moon'" in result.stderr
    assert "hint: it has test, prod: --environment test" in result.stderr
    graph = typhoon(shop, "graph", "topologies/shop.py", "--environment", "prod")
    assert "bolt prices ×8" in graph.stdout


@pytest.mark.slow
def test_batches_come_by_ticks_and_by_seconds(tmp_path: Path) -> None:
    result = tmp_path / "result"
    arguments = ("topologies/sensors.py", "--for", "4s", "-c", f"result.path={result}")
    summary, errors = run(PROJECTS / "sensors", *arguments)
    # The batch of 0.5 s comes first, and the writer trips over it: it fails all that it came of.
    assert sorted(result.read_text(encoding="utf-8").splitlines()) == ["even 90 10", "odd 100 10"]
    assert summary["failed"] == 20
    assert "ValueError: tripped over largest" in errors
    assert "src/bolts/batches.py:10: note_batch assigns the global 'batches'" in errors
    assert errors.count("assigns the global") == 1


def test_what_failed_is_replayed_and_what_raised_begins_anew(tmp_path: Path) -> None:
    arguments = ("topologies/letters.py", "-c", f"result.path={tmp_path}")
    summary, errors = run(PROJECTS / "letters", *arguments)
    assert "worker restarts" in errors
    assert (tmp_path / "fallen").exists()
    delivered = {file.stem for file in tmp_path.glob("*.delivered")}
    assert delivered == set("abdefghij")  # c is given up
    assert summary["acked"] >= 9
    assert summary["replayed"] >= 3  # c twice, h once


def test_a_java_bolt_can_be_declared_and_says_what_to_do_instead(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        """
from streamparse import Grouping, JavaBolt, ShellSpout, Spout, Topology


class Words(Spout):
    outputs = ["word"]


class Java(Topology):
    words = Words.spec()
    other = ShellSpout.spec(command="node", script="words.js", outputs=["word"])
    upper = JavaBolt.spec(
        full_class_name="org.example.Upper", args_list=[1, "two"], outputs=["word"],
        inputs={words: Grouping.custom_object("org.example.Group", [3])},
    )
""",
        encoding="utf-8",
    )
    result = typhoon(tmp_path, "run", "app.py")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "bolt 'upper': a Java component runs on the JVM" in result.stderr
    assert "hint: write it as a Bolt in Python" in result.stderr
    assert "spout 'other': a shell component is started as a command" in result.stderr
    assert "custom grouping org.example.Group is Java's" in result.stderr


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("bolt = B.spec(inputs=[])", "B 'bolt' is a bolt without inputs"),
        ("bolt = B.spec(inputs=[S])", "an input is a spec or one of its streams"),
        (
            "bolt = B.spec(inputs={spout: Grouping.fields('wrod')})",
            "B 'bolt' groups by field 'wrod', but 'spout' emits ['word']",
        ),
        ("bolt = B.spec(inputs=[spout['other']])", "has no stream 'other', only ['default']"),
        ("bolt = B.spec(inputs=[spout], par=0)", "par is a whole number greater than 0, not 0"),
    ],
)
def test_mistakes_are_found_when_the_class_is_made(tmp_path: Path, body: str, error: str) -> None:
    (tmp_path / "app.py").write_text(
        "from streamparse import *\n"
        "class S(Spout):\n    outputs = ['word']\n"
        "class B(Bolt):\n    pass\n"
        f"class T(Topology):\n    spout = S.spec()\n    {body}\n",
        encoding="utf-8",
    )
    result = typhoon(tmp_path, "run", "app.py")
    assert result.returncode == 1
    assert "app.py does not import" in result.stderr
    assert error in result.stderr


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import streamparse.cli.run\n", encoding="utf-8")
    result = typhoon(tmp_path, "run", "app.py")
    assert result.returncode == 1
    assert "streamparse.cli is no part of what typhoon has of streamparse" in result.stderr


def _dump(python: Path, *arguments: str) -> dict[str, dict]:
    answer = subprocess.run(
        [python, HERE / "compat_dump.py", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return json.loads(answer.stdout)


def _differences(ours: dict, theirs: dict) -> set[str]:
    """`Class.attribute`, or a name of a module, that is otherwise here, or not here at all."""
    found = set()
    for module, names in theirs.items():
        for name, what in names.items():
            mine = ours[module].get(name)
            if mine is None:
                # What a module only uses is no part of it.
                if not any(name in other for other in ours.values()):
                    found.add(name)
            elif isinstance(what, dict):
                found |= {f"{name}.{key}" for key in what if mine.get(key) != what[key]}
            elif mine != what:
                found.add(name)
    return found


def test_ours_is_like_theirs_attribute_by_attribute(theirs: Path) -> None:
    found = _differences(_dump(Path(sys.executable), "typhoon.compat"), _dump(theirs))
    general = {name for name in found if f"*.{name.partition('.')[2]}" in DIFFERENCES}
    assert found - general == {name for name in DIFFERENCES if not name.startswith("*")}
    used = {f"*.{name.partition('.')[2]}" for name in general}
    assert used == {name for name in DIFFERENCES if name.startswith("*")}
