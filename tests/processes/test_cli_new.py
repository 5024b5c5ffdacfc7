"""`typhoon new`: what it makes runs, passes its own test, and is typed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def made(tmp_path: Path, run_typhoon: Callable) -> Path:
    result = run_typhoon("new", "click-counts")
    assert result.returncode == 0, result.stderr
    return tmp_path / "click-counts"


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )


def test_it_has_what_a_project_has(made: Path) -> None:
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert files == {
        ".gitignore",
        "README.md",
        "app.py",
        "pyproject.toml",
        "tests/test_app.py",
        "typhoon.yaml",
    }
    assert 'name = "click-counts"' in (made / "pyproject.toml").read_text(encoding="utf-8")
    assert not any("NAME" in (made / file).read_text(encoding="utf-8") for file in files)


def test_it_runs_and_counts_what_its_configuration_names(made: Path, run_typhoon: Callable) -> None:
    text = (made / "README.md").read_text(encoding="utf-8")
    result = run_typhoon("run", "app.py", "--json", cwd=made)
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["acked"] == len(text.splitlines())
    assert summary["emitted"]["count"] == len(text.split())


def test_its_configuration_is_found_from_elsewhere(
    made: Path, tmp_path: Path, run_typhoon: Callable
) -> None:
    """The file beside the application; one in this folder goes before it."""
    (tmp_path / "README.md").write_text("one\n", encoding="utf-8")
    result = run_typhoon("run", made / "app.py", "--json")
    assert json.loads(result.stdout)["acked"] == 1, result.stderr
    (tmp_path / "two").write_text("one\ntwo\n", encoding="utf-8")
    (tmp_path / "typhoon.yaml").write_text("input.path: two\n", encoding="utf-8")
    result = run_typhoon("run", made / "app.py", "--json")
    assert json.loads(result.stdout)["acked"] == 2, result.stderr


def test_its_own_test_passes(made: Path) -> None:
    result = run("pytest", "-q", "-W", "error", cwd=made)
    assert result.returncode == 0, result.stdout
    assert "1 passed" in result.stdout


@pytest.mark.slow
def test_it_is_typed(made: Path) -> None:
    result = run("mypy", cwd=made)
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
def test_its_types_satisfy_editors(made: Path, tmp_path: Path) -> None:
    config = tmp_path / "pyright.json"
    settings = {"include": [str(made)], "typeCheckingMode": "standard"}
    config.write_text(json.dumps(settings), encoding="utf-8")
    result = run("basedpyright", "-p", str(config), "--pythonpath", sys.executable, cwd=made)
    assert result.returncode == 0, result.stdout


def test_every_order_of_its_page_works(made: Path, run_typhoon: Callable) -> None:
    page = (made / "README.md").read_text(encoding="utf-8")
    orders = [line.split("  ")[2].split() for line in page.splitlines() if line.startswith("    ")]
    verbs = {order[1] for order in orders if order[0] == "typhoon"}
    assert verbs == {"run", "dev", "graph"}
    for order in orders:
        if order[0] == "typhoon" and order[1] != "dev":
            result = run_typhoon(*order[1:], cwd=made)
            assert result.returncode == 0, result.stderr


def test_a_folder_that_is_empty_will_do(tmp_path: Path, run_typhoon: Callable) -> None:
    (tmp_path / "demo").mkdir()
    assert run_typhoon("new", "demo").returncode == 0
    assert (tmp_path / "demo" / "app.py").is_file()


def test_a_project_may_lie_deeper(tmp_path: Path, run_typhoon: Callable) -> None:
    assert run_typhoon("new", "works/demo").returncode == 0
    page = (tmp_path / "works" / "demo" / "pyproject.toml").read_text(encoding="utf-8")
    assert 'name = "demo"' in page


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("full", "is not empty"),
        ("file", "is a file"),
        ("2nd", "cannot be a project's name"),
        ("with space", "cannot be a project's name"),
        ("..", "cannot be a project's name"),
        ("typhoon", "would hide"),
        ("json", "would hide"),
    ],
)
def test_what_is_refused(tmp_path: Path, run_typhoon: Callable, name: str, words: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    result = run_typhoon("new", name)
    assert result.returncode == 2
    assert words in result.stderr
    assert result.stderr.count("hint: ") == 1
    assert sorted(tmp_path.rglob("*")) == before
