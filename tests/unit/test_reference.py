"""The pages of docs/reference/ say what the code says."""

import re
from pathlib import Path

from typhoon import errors
from typhoon.config import render_reference

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def test_the_configuration_keys_are_up_to_date() -> None:
    page = (REFERENCE / "config.md").read_text(encoding="utf-8")
    assert page == render_reference(), "run: .venv/bin/python scripts/config_reference.py"


def test_every_error_has_a_heading_of_its_own() -> None:
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^### (\w+)$", page, re.M)) == sorted(errors.__all__)
