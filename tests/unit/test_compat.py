"""Who finds our streamparse, what a project says, and which globals are assigned."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from typhoon.compat import find_project, globals_assigned
from typhoon.compat.pystorm.component import StormHandler
from typhoon.errors import InvalidConfigError


def python(folder: Path, code: str) -> str:
    """What a fresh interpreter prints that has the modules of `folder` installed."""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.strip()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with another `streamparse`, as if it had been installed."""
    (tmp_path / "streamparse").mkdir()
    (tmp_path / "streamparse" / "__init__.py").write_text("theirs = True\n", encoding="utf-8")
    (tmp_path / "streamparse" / "cli.py").write_text("", encoding="utf-8")
    return tmp_path


def test_ours_comes_before_an_installed_one(installed: Path) -> None:
    code = (
        "from typhoon.compat import activate, is_used; activate(); activate(); print(is_used());"
        "import streamparse; print(hasattr(streamparse, 'theirs'), is_used());"
        "import streamparse.dsl.topology as one; from streamparse import Topology, bolt;"
        "print(one.Topology is Topology, bolt.Bolt is streamparse.storm.bolt.Bolt)\n"
        "try:\n    import streamparse.cli\nexcept ModuleNotFoundError as error: print(error.name)"
    )
    assert python(installed, code).split("\n") == [
        "False",
        "False True",
        "True True",
        "streamparse.cli",
    ]


def test_nothing_changes_where_it_was_not_asked_for(installed: Path) -> None:
    code = "import typhoon, typhoon.compat, streamparse; print(streamparse.theirs)"
    assert python(installed, code) == "True"


def test_a_class_is_pickled_under_a_name_that_is_always_found() -> None:
    from typhoon.compat.streamparse import Bolt

    assert Bolt.__module__ == "typhoon.compat.streamparse.storm.bolt"


@pytest.fixture
def make_project(tmp_path: Path):
    """A function that makes a project with this content of config.json, and finds it."""

    def make(content):
        for folder in ("src", "topologies"):
            (tmp_path / folder).mkdir()
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "config.json").write_text(text, encoding="utf-8")
        return find_project(tmp_path / "topologies" / "app.py")

    return make


def test_a_project_is_found_from_within(make_project, tmp_path: Path) -> None:
    project = make_project({"envs": {"prod": {}}})
    assert project is not None
    assert project.root == tmp_path.resolve()
    assert project.sources == tmp_path.resolve() / "src"


def test_a_folder_without_all_of_it_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("not JSON at all", encoding="utf-8")
    (tmp_path / "src").mkdir()
    assert find_project(tmp_path / "app.py") is None


def test_a_broken_config_of_a_project_is_said(make_project) -> None:
    with pytest.raises(InvalidConfigError, match=r"config.json is no JSON"):
        make_project("{")


@pytest.mark.parametrize(
    ("environments", "asked", "chosen", "options"),
    [
        ({}, None, None, {}),
        ({}, "prod", "prod", {}),
        ({"prod": {"log": {"level": "INFO"}}}, None, "prod", {"pystorm.log.level": "info"}),
        ({"prod": {"options": {"a": 1}}}, "prod", "prod", {"a": 1}),
        ({"prod": {"options": {"a": 1}}, "test": {}}, None, None, {}),
        ({"prod": {"options": None, "log": []}}, None, "prod", {}),
    ],
)
def test_the_environment_gives_options(make_project, environments, asked, chosen, options) -> None:
    project = make_project({"envs": environments})
    assert project.environment(asked) == chosen
    assert project.options(asked) == options


def test_an_unknown_environment_is_said(make_project) -> None:
    project = make_project({"envs": {"prod": {}, "test": {}}})
    with pytest.raises(InvalidConfigError, match="hint: it has prod, test: --environment prod"):
        project.options("moon")


GLOBALS = """
total = count = 0

def plain():
    total = 1
    return total

def add(n):
    global total
    total += n

class Count:
    def process(self, tup):
        global count, total
        count += 1
"""


def test_globals_that_functions_assign_are_found(tmp_path: Path) -> None:
    file = tmp_path / "counts.py"
    file.write_text(GLOBALS, encoding="utf-8")
    found = sorted(globals_assigned(file))
    assert found == [("count", "Count.process", 14), ("total", "add", 9)]


@pytest.mark.parametrize("text", ["def broken(:", "x = '\0'"])
def test_what_is_no_python_assigns_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(text, encoding="utf-8")
    assert globals_assigned(file) == ()
    assert globals_assigned(tmp_path / "missing.py") == ()


def test_a_storm_handler_passes_on_what_would_be_lost(caplog) -> None:
    handler = StormHandler(None)
    loud, quiet = (logging.getLogger(f"compat.{name}") for name in ("loud", "quiet"))
    quiet.propagate = False
    root = logging.getLogger()
    for logger in (loud, quiet, root):
        logger.addHandler(handler)
    try:
        loud.warning("once")
        quiet.warning("also once")
    finally:
        for logger in (loud, quiet, root):
            logger.removeHandler(handler)
        quiet.propagate = True
    assert [record.getMessage() for record in caplog.records] == ["once", "also once"]
