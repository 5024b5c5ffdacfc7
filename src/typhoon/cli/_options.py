"""Options that several verbs have, and how their values are read."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from typhoon.cli._words import CommandLineError

Target = Annotated[str, typer.Argument(metavar="APP.py[:Name]", help="The file of the topology.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Environment = Annotated[
    str | None,
    typer.Option(
        "--environment", metavar="NAME", help="Which parallelism, of those per environment."
    ),
]

SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str, option: str) -> float:
    """``30``, ``30s``, ``1.5m`` or ``1m30s`` as seconds, more than none."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    rest = re.sub(r"\d+(?:\.\d+)?\s*[a-z]*|\s", "", text.strip().lower())
    if rest or not parts or any(unit not in SECONDS for _, unit in parts):
        raise CommandLineError(f"{option} {text}: this is no time", hint="write 30s, 5m or 1h")
    total = sum(float(number) * SECONDS[unit] for number, unit in parts)
    if total <= 0:
        raise CommandLineError(f"{option} {text}: it must be more than nothing", hint="write 30s")
    return total
