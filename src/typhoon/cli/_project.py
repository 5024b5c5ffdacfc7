"""What ``typhoon new`` writes: the text of each file, with ``NAME`` for the project's name."""

from __future__ import annotations

APP = '''\
"""Count the words of a text. This runs it: typhoon run app.py"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from typhoon import Topology, bolt, spout


@spout(outputs=["line"])
def lines(*, conf: Mapping[str, Any]) -> Iterator[str]:
    """The lines of the file that typhoon.yaml names."""
    with open(conf["input.path"], encoding="utf-8") as text:
        yield from text


@bolt(outputs=["word"])
def split(line: str) -> Iterator[str]:
    """The words of a line."""
    yield from line.lower().split()


@bolt(outputs=["word", "n"], state=Counter, by="word")
def count(word: str, state: Counter[str]) -> tuple[str, int]:
    """How often each word has been seen so far; equal words always come to the same task."""
    state[word] += 1
    return word, state[word]


topology = Topology.chain(lines, split, count)
'''

TEST = '''\
"""The topology from end to end, with lines of the test's own."""

from app import topology
from typhoon.testing import complete_topology


def test_every_word_is_counted() -> None:
    result = complete_topology(
        topology, mock_sources={"lines": [["To be or"], ["not to be"]]}
    )
    assert sorted(result["count"]) == [
        ("be", 1),
        ("be", 2),
        ("not", 1),
        ("or", 1),
        ("to", 1),
        ("to", 2),
    ]
    assert result.acked == 2
    assert result.failed == 0
'''

CONFIG = """\
# Configuration that `typhoon run` reads here; `-c key=value` goes over it.
input.path: README.md        # a key of our own: the text that is counted
topology.workers: 1
"""

PYPROJECT = """\
[project]
name = "NAME"
version = "0.1.0"
description = "A topology of Typhoon's: counts words"
requires-python = ">=3.11"
dependencies = ["typhoon"]

[dependency-groups]
dev = ["mypy", "pytest"]

[tool.pytest.ini_options]
pythonpath = ["."]
testpaths = ["tests"]

[tool.mypy]
strict = true
files = ["app.py", "tests"]
"""

README = """\
# NAME

A topology that counts words: `app.py` says how, `typhoon.yaml` of which text.

    typhoon run app.py                            run it to the end of the text
    typhoon run app.py --tap count --limit 5      and see what comes out
    typhoon dev app.py                            run it again at each save
    typhoon graph app.py                          draw it
    pytest                                        test it
"""

IGNORED = """\
__pycache__/
*.egg-info/
.mypy_cache/
.pytest_cache/
.venv/
"""

FILES = {
    "pyproject.toml": PYPROJECT,
    "app.py": APP,
    "tests/test_app.py": TEST,
    "typhoon.yaml": CONFIG,
    ".gitignore": IGNORED,
    "README.md": README,
}


def project(name: str) -> dict[str, str]:
    """The files of a new project by their path in its folder."""
    return {path: text.replace("NAME", name) for path, text in FILES.items()}
