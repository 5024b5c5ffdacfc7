"""The house itself: versions, lock files, what an import loads, the names of the chores."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

LOCKS = ["base", "build", "dev"]

# Modules that cost tens of milliseconds each; who needs one imports it when it is used.
HEAVY = {
    "asyncio",
    "concurrent.futures.process",
    "ctypes",
    "email",
    "http.client",
    "multiprocessing",
    "pydantic",
    "rich",
    "sqlite3",
    "ssl",
    "typer",
    "unittest",
    "urllib.request",
    "xml",
    "yaml",
}


def _toml(file: Path) -> dict:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.M))


def test_the_version_is_the_same_everywhere(root: Path) -> None:
    version = _toml(root / "pyproject.toml")["project"]["version"]
    locked = {
        package["name"]: package["version"]
        for package in _toml(root / "Cargo.lock")["package"]
        if package["name"].startswith("typhoon-")
    }
    assert _toml(root / "Cargo.toml")["workspace"]["package"]["version"] == version
    assert locked == dict.fromkeys(["typhoon-core", "typhoon-py", "typhoon-wire"], version)
    assert importlib.metadata.version("typhoon") == version
    assert f"## [{version}]" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*LOCKS, "data", "streamparse"])
def test_a_lock_file_names_no_registry_and_pins_all_with_hashes(root: Path, name: str) -> None:
    text = (root / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._\[\]-]+==", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_the_lock_files_agree_and_hold_what_the_project_asks_for(root: Path) -> None:
    base, build, dev = (_pins(root / "requirements" / f"{name}.txt") for name in LOCKS)
    assert base.items() <= dev.items()
    assert build.items() <= dev.items()
    asked = _toml(root / "pyproject.toml")["project"]["dependencies"]
    assert {re.split(r"[<>=!~\[; ]", line)[0].lower() for line in asked} <= base.keys()


def test_cargo_takes_packages_from_one_registry_only(root: Path) -> None:
    packages = _toml(root / "Cargo.lock")["package"]
    sources = {package["source"] for package in packages if "source" in package}
    assert len(sources) == 1
    assert sources.pop().startswith("registry+")


def test_what_import_typhoon_loads() -> None:
    """Only our own modules and quick ones of the standard library: every worker pays for them."""
    script = (
        "import json, sys; before = set(sys.modules); import typhoon; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = set(json.loads(answer.stdout))
    foreign = {
        name
        for name in loaded
        if (top := name.partition(".")[0]) != "typhoon" and top not in sys.stdlib_module_names
    }
    assert not foreign, f"import typhoon loads third-party modules: {sorted(foreign)}"
    assert not loaded & HEAVY, f"import typhoon loads: {sorted(loaded & HEAVY)}"


def _chores(root: Path) -> set[str]:
    text = (root / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):.*## ", text, re.M))


def test_help_lists_every_chore_and_no_text_names_another(root: Path) -> None:
    answer = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True)
    chores = _chores(root)
    assert set(re.findall(r"^  make ([a-z-]+)", answer.stdout, re.M)) == chores
    for page in [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").rglob("*.md")]:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= chores, f"{page.name} names {sorted(named - chores)}"


def test_contributing_names_every_chore(root: Path) -> None:
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    unnamed = {chore for chore in _chores(root) if f"`make {chore}" not in text}
    assert not unnamed
