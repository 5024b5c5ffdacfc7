"""The pages of docs/reference/ say what the code says."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from typhoon import errors
from typhoon.cli._app import app
from typhoon.config import render_reference

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def test_the_configuration_keys_are_up_to_date() -> None:
    page = (REFERENCE / "config.md").read_text(encoding="utf-8")
    assert page == render_reference(), "run: .venv/bin/python scripts/config_reference.py"


def test_every_error_has_a_heading_of_its_own() -> None:
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^### (\w+)$", page, re.M)) == sorted(errors.__all__)


VERBS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


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
