"""Write the tables of options in docs/reference/cli.md from the command line itself.

The words between the tables are written by hand, there. Usage: python scripts/cli_reference.py
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from typhoon.cli._app import app

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"

HEAD = "| option | |\n|---|---|\n"
TABLE = re.compile(re.escape(HEAD) + r"(?:\|.*\n)*")
SECTION = re.compile(r"^## typhoon (\S+)\n.*?(?=^## |\Z)", re.M | re.S)


def render_reference(page: str) -> str:
    """``page`` with the table of each verb as the command line has it."""
    return SECTION.sub(_section, page)


def verbs() -> Mapping[str, Any]:
    """Every verb's command by its name."""
    group: Any = typer.main.get_command(app)
    commands: Mapping[str, Any] = group.commands
    return commands


def _section(match: re.Match[str]) -> str:
    verb, text = match[1], match[0]
    rows = "".join(map(_row, _options(verbs()[verb])))
    if not rows:
        return text
    if not TABLE.search(text):
        raise SystemExit(f"typhoon {verb} has options, but its section has no table of them")
    return TABLE.sub(lambda _: HEAD + rows, text, count=1)


def _options(command: Any) -> list[Any]:
    return [
        one
        for one in command.params
        if one.param_type_name == "option" and not getattr(one, "hidden", False)
    ]


def _row(option: Any) -> str:
    value = option.metavar or "|".join(getattr(option.type, "choices", ()))
    names = ", ".join(f"`{name} {value}`" if value else f"`{name}`" for name in option.opts)
    return f"| {names.replace('|', chr(92) + '|')} | {option.help} |\n"


if __name__ == "__main__":
    PAGE.write_text(render_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
