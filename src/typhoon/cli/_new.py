"""``typhoon new``: a project that runs, and has a test that passes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from typhoon.cli._project import project
from typhoon.cli._words import CommandLineError, say

Folder = Annotated[str, typer.Argument(metavar="NAME", help="The folder to make, and its name.")]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")


def new(folder: Folder) -> None:
    """Make a project: a topology that runs, a test of it, and its configuration."""
    place = Path(folder)
    name = place.name
    if not NAME.fullmatch(name):
        raise CommandLineError(
            f"'{folder}' cannot be a project's name",
            hint="begin with a letter, go on with letters, digits, - or _, as in click-counts",
        )
    if name.lower() in {"typhoon", "test", "tests"} or name in sys.stdlib_module_names:
        raise CommandLineError(
            f"a project named '{name}' would hide the package of that name",
            hint=f"choose another, such as {name}-topology",
        )
    if place.exists() and not (place.is_dir() and not any(place.iterdir())):
        what = "is not empty" if place.is_dir() else "is a file"
        raise CommandLineError(f"{place} {what}", hint="give a name that is not taken yet")
    for path, text in project(name).items():
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    say(f"made {place}: {', '.join(project(name))}")
    say(f"next: cd {place}, then typhoon run app.py, or pytest")
