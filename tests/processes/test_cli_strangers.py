"""The command line in odd places: folders, names and files that it did not choose."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

NUMBERS = """
import time
from typhoon import Topology, bolt, spout


@spout(outputs=["n"])
def numbers():
    for n in range(50):
        time.sleep(0.02)
        yield n


@bolt(outputs=["n"])
def same(n):
    return n


numbers_twice = Topology.chain(numbers, same)
"""

BOOKS = """
from typhoon import Topology, spout


@spout(outputs=["line"])
def lines(*, conf):
    yield from open(conf["input.path"], encoding="utf-8")


read = Topology.chain(lines)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder below the current one, which `python -m` has on its path from the start."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_a_folder_with_blanks_and_letters_of_all_kinds(
    tmp_path: Path, run_typhoon: Callable
) -> None:
    folder = tmp_path / "my prøject ü 日本"
    folder.mkdir()
    (folder / "zähler.py").write_text(BOOKS, encoding="utf-8")
    (folder / "büch 1.txt").write_text("eins\nzwei\n", encoding="utf-8")
    (folder / "typhoon.yaml").write_text("input.path: büch 1.txt\n", encoding="utf-8")
    result = run_typhoon("run", "zähler.py", "--json", cwd=folder)
    assert result.returncode == 0, result.stderr
    stats = json.loads(result.stdout)
    assert (stats["acked"], stats["topology"]) == (2, "zähler")
    outside = run_typhoon(
        "run", folder / "zähler.py", "--json", "-c", f"input.path={folder}/büch 1.txt"
    )
    assert json.loads(outside.stdout)["acked"] == 2
    graph = run_typhoon("graph", folder / "zähler.py")
    assert graph.stdout.splitlines()[0] == "zähler"


@pytest.mark.parametrize(
    ("hidden", "options"),
    [
        ("rich", ()),
        ("yaml", ()),
        ("psutil", ("--workers", "2", "-c", "worker.memory.limit.mb=1000")),
        ("cloudpickle", ("--workers", "2")),
    ],
)
def test_a_file_of_the_project_may_hide_an_installed_package(
    project: Path, run_typhoon: Callable, hidden: str, options: tuple[str, ...]
) -> None:
    (project / "app.py").write_text(NUMBERS, encoding="utf-8")
    (project / f"{hidden}.py").write_text("raise RuntimeError('hidden')\n", encoding="utf-8")
    (project / "typhoon.yaml").write_text("my.key: 1\n", encoding="utf-8")
    result = run_typhoon("run", "project/app.py", "--json", *options)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["acked"] == 50


@pytest.mark.parametrize("hidden", ["resource", "struct", "copy"])
def test_a_file_of_the_project_may_hide_a_module_that_workers_need(
    project: Path, hidden: str
) -> None:
    """In the current folder, which the `typhoon` that is installed does not have on its path."""
    (project / "app.py").write_text(NUMBERS, encoding="utf-8")
    (project / f"{hidden}.py").write_text("raise RuntimeError('hidden')\n", encoding="utf-8")
    typhoon = [sys.executable, "-P", "-m", "typhoon.cli"]
    result = subprocess.run(
        [*typhoon, "run", "app.py", "--json", "--workers", "2"],
        cwd=project,
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["acked"] == 50


def test_so_it_may_where_a_table_is_drawn(project: Path, on_terminal: Callable) -> None:
    (project / "app.py").write_text(NUMBERS, encoding="utf-8")
    for name in ("rich", "fractions", "colorsys"):
        (project / f"{name}.py").write_text("raise RuntimeError('hidden')\n", encoding="utf-8")
    with on_terminal("run", project / "app.py") as terminal:
        terminal.read_to_the_end()
        assert terminal.process.wait(10) == 0
    assert "capacity" in terminal.raw
    assert "Traceback" not in terminal.raw


def test_an_application_named_as_an_installed_package(project: Path, run_typhoon: Callable) -> None:
    (project / "yaml.py").write_text(NUMBERS, encoding="utf-8")
    (project / "typhoon.yaml").write_text("my.key: 1\n", encoding="utf-8")
    result = run_typhoon("run", "project/yaml.py", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["acked"] == 50


@pytest.mark.parametrize(
    "imports", ["from base import words", "from base import *", "from base import words as mine"]
)
def test_what_a_file_imports_is_not_its_own(
    tmp_path: Path, run_typhoon: Callable, imports: str
) -> None:
    base = NUMBERS.replace("numbers_twice =", "words =")
    (tmp_path / "base.py").write_text(base, encoding="utf-8")
    (tmp_path / "app.py").write_text(f"{imports}\n{NUMBERS}", encoding="utf-8")
    result = run_typhoon("run", "app.py", "--json")
    assert result.returncode == 0, result.stderr
    (tmp_path / "only.py").write_text(f"{imports}\n", encoding="utf-8")
    assert run_typhoon("graph", "only.py").returncode == 0


@pytest.mark.parametrize("name", ["", "a/b", "__x", "a:b"])
def test_a_name_that_no_topology_can_have(
    write_app: Callable, run_typhoon: Callable, name: str
) -> None:
    result = run_typhoon("run", write_app(NUMBERS), "--name", name)
    assert result.returncode == 2
    assert "cannot be called" in result.stderr
    assert "hint: " in result.stderr


def test_a_file_whose_name_no_topology_can_have(tmp_path: Path, run_typhoon: Callable) -> None:
    (tmp_path / "__init__.py").write_text(NUMBERS, encoding="utf-8")
    result = run_typhoon("run", "__init__.py", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["topology"] == "init"


def test_no_verb_at_all_shows_the_help(run_typhoon: Callable) -> None:
    result = run_typhoon()
    assert result.returncode == 2
    assert result.stderr.startswith("Usage: typhoon")
    assert "error" not in result.stderr.splitlines()[0]
    assert result.stdout == ""


def test_the_version_is_an_option_too(run_typhoon: Callable) -> None:
    asked, verb = run_typhoon("--version"), run_typhoon("version")
    assert (asked.returncode, asked.stdout) == (0, verb.stdout)


def test_a_wrong_value_on_the_command_line_has_the_hint_for_it(
    write_app: Callable, run_typhoon: Callable
) -> None:
    result = run_typhoon("run", write_app(NUMBERS), "-c", "topology.workers=abc")
    assert result.returncode == 2
    assert "it must be a whole number" in result.stderr
    assert "docs/reference/config.md" in result.stderr
    assert "write -c key=value" not in result.stderr
    form = run_typhoon("run", write_app(NUMBERS), "-c", "topology.workers")
    assert "hint: write -c key=value" in form.stderr


def test_an_error_says_where_more_is_told(write_app: Callable, run_typhoon: Callable) -> None:
    app = write_app(NUMBERS.replace("(numbers, same)", "(numbers.spec(par=0), same)"))
    result = run_typhoon("run", app)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == ("more: docs/reference/errors.md#invalidtopologyerror")


def test_a_picture_that_nobody_reads_to_its_end_is_no_failure(
    write_app: Callable, tmp_path: Path
) -> None:
    command = shlex.join([sys.executable, "-m", "typhoon.cli", "graph", str(write_app(NUMBERS))])
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} | true"],
        cwd=tmp_path,
        env=os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
