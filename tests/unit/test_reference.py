"""The pages of docs/reference/ say what the code says."""

import re
import runpy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import typhoon
import typhoon.components
import typhoon.testing
from typhoon import errors
from typhoon.config import render_reference

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def test_the_configuration_keys_are_up_to_date() -> None:
    page = (REFERENCE / "config.md").read_text(encoding="utf-8")
    assert page == render_reference(), "run: .venv/bin/python scripts/config_reference.py"


API: dict[str, Any] = runpy.run_path(str(REFERENCE.parents[1] / "scripts" / "api_reference.py"))


def test_the_programming_interface_is_up_to_date() -> None:
    page = (REFERENCE / "api.md").read_text(encoding="utf-8")
    assert page == API["render_reference"](), "run: .venv/bin/python scripts/api_reference.py"


@pytest.mark.parametrize("module", [typhoon, typhoon.components, typhoon.testing])
def test_every_public_name_has_an_entry(module: ModuleType) -> None:
    told = {name for _, where, names in API["GROUPS"] if where is module for name in names}
    assert told == set(module.__all__) - set(errors.__all__)


def test_no_two_entries_have_one_anchor() -> None:
    page = (REFERENCE / "api.md").read_text(encoding="utf-8")
    anchors = [heading.lower() for heading in re.findall(r"^#+ (.+)$", page, re.M)]
    assert len(anchors) == len(set(anchors))


def test_every_error_has_a_heading_of_its_own() -> None:
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^### (\w+)$", page, re.M)) == sorted(errors.__all__)


WHOSE = {
    "The author's": "The topology's author can mend these",
    "The operator's": "Whoever runs the topology can mend these",
    "Ours": "We must mend this one",
}


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"TyphoonError", "EmitError"}))
def test_an_error_stands_with_those_whose_fault_it_is(name: str) -> None:
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    heading = WHOSE[getattr(errors, name).__doc__.partition(":")[0]]
    section = re.split(rf"^## {heading}$", page, flags=re.M)[1].partition("\n## ")[0]
    assert f"\n### {name}\n" in section


CLI: dict[str, Any] = runpy.run_path(str(REFERENCE.parents[1] / "scripts" / "cli_reference.py"))
VERBS: dict[str, Any] = CLI["verbs"]()


def test_the_options_are_up_to_date() -> None:
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    assert page == CLI["render_reference"](page), "run: .venv/bin/python scripts/cli_reference.py"


def _section(verb: str) -> str:
    """What the page says of a verb, to the next verb."""
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    return re.split(rf"^## typhoon {verb}$", page, flags=re.M)[1].partition("\n## ")[0]


def test_every_verb_has_a_heading_of_its_own() -> None:
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^## typhoon (\S+)$", page, re.M)) == sorted(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_told_of_and_no_other(verb: str) -> None:
    shown = [one for one in VERBS[verb].params if not getattr(one, "hidden", False)]
    options = {name for one in shown for name in one.opts if name.startswith("-")}
    told = set(re.findall(r"`(--?[a-z][a-z-]*)\b", _section(verb))) - {"-vv", "-h", "--help"}
    assert told == options - {"-h", "--help"}
