"""Finds functions that assign their module's globals: their authors counted on processes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Assigned(NamedTuple):
    """A global that a function assigns, and the line that says so."""

    name: str
    function: str
    line: int


def globals_assigned(file: Path) -> tuple[Assigned, ...]:
    """Each ``global`` of the source in ``file``, once; none if it cannot be read as Python."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    return tuple({found.name: found for found in reversed([*_in(tree, "")])}.values())


def _in(node: ast.AST, function: str) -> Iterator[Assigned]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Global):
            yield from (Assigned(name, function, child.lineno) for name in child.names)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _in(child, f"{function}.{child.name}".strip("."))
        else:
            yield from _in(child, function)
