"""What the documentation shows, runs; what it points at, exists; what it needs, it brings.

Every block of Python in README.md and docs/ is saved as `app.py` beside a `book.txt`, and run.
A comment in the line before it may say otherwise:

    <!-- run: typhoon run app.py --json -c input.path=book.txt -->      this command instead
    <!-- not run: why -->                                               not at all

The commands of a `console` block are run one after the other, beside the last topology that the
page has shown as `app.py` (or README's first); a block without commands is what that block prints.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BOOK = "to be or not to be\nthat is the question\n"

BLOCK = re.compile(r"(?:^<!-- (?P<how>.*?) -->\n)?^```python\n(?P<code>.*?)^```$", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    how: str
    code: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def command(self) -> list[str]:
        if not self.how:
            return [sys.executable, "app.py"]
        verb, _, rest = self.how.partition(":")
        assert verb == "run", f"{self.name}: say '<!-- run: COMMAND -->' or '<!-- not run: WHY -->'"
        return shlex.split(rest)


def _blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start("code"))
            found.append(Block(page, line, match["how"] or "", match["code"]))
    return [block for block in found if not block.how.startswith("not run:")]


@pytest.mark.parametrize("block", _blocks(), ids=lambda block: block.name)
def test_the_code_runs(block: Block, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(block.code, encoding="utf-8")
    (tmp_path / "book.txt").write_text(BOOK, encoding="utf-8")
    scripts = str(Path(sys.executable).parent)
    result = subprocess.run(
        block.command,
        cwd=tmp_path,
        env={**os.environ, "PATH": os.pathsep.join([scripts, os.environ["PATH"]])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, f"{block.name}\n{result.stdout}{result.stderr}"


CONSOLE = re.compile(r"(?:^<!-- (?P<how>.*?) -->\n)?^```console\n(?P<code>.*?)^```$", re.M | re.S)
NOT_HERE = {
    "make ": "builds",
    "pip ": "installs",
    "python3 -m venv": "installs",
    ". ": "an environment that is not made here",
    "typhoon dev": "never ends",
    "typhoon run examples/": "the examples have tests of their own",
    "uvicorn": "never ends",
    "curl": "needs a server that never ends",
}
"""Commands that are not run, and why."""


@dataclass(frozen=True)
class Session:
    page: Path
    line: int
    app: str
    commands: list[str]
    printed: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _sessions() -> list[Session]:
    shown = {page: [one for one in _blocks() if one.page == page] for page in PAGES}
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in CONSOLE.finditer(text):
            line = text.count("\n", 0, match.start("code"))
            before = [one for one in shown[page] if one.line < line and "Topology" in one.code]
            app = (before or shown[ROOT / "README.md"][:1])[-1].code
            lines = match["code"].splitlines()
            commands = [one[2:] for one in lines if one.startswith("$ ")]
            if not (match["how"] or "").startswith("not run:"):
                found.append(Session(page, line, app, commands, match["code"]))
    return found


@pytest.mark.parametrize("session", _sessions(), ids=lambda session: session.name)
def test_the_commands_run(session: Session, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(session.app, encoding="utf-8")
    (tmp_path / "book.txt").write_text(BOOK, encoding="utf-8")
    commands = [one for one in session.commands if not one.startswith(tuple(NOT_HERE))]
    if shutil.which("jq") is None:
        commands = [one for one in commands if "| jq" not in one]
    if not session.commands:
        commands = ["python app.py"]
    scripts = str(Path(sys.executable).parent)
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        cwd=tmp_path,
        env={**os.environ, "PATH": os.pathsep.join([scripts, os.environ["PATH"]])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, f"{session.name}\n{result.stdout}{result.stderr}"
    if not session.commands:
        assert session.printed in result.stdout


@pytest.mark.parametrize("session", _sessions(), ids=lambda session: session.name)
def test_the_files_that_commands_name_exist(session: Session) -> None:
    named = re.findall(r"\bexamples/\S+\.py\b", "\n".join(session.commands))
    assert [file for file in named if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_exist(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    missing = [target for target in local if target and not (page.parent / target).exists()]
    assert not missing


def test_the_pages_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"]
    subprocess.run([*command, str(site)], cwd=ROOT, check=True, timeout=50)
    pages = list(site.rglob("*.html"))
    assert pages
    load = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"(?:https?:)?//[^\"]*")
    for page in pages:
        assert not load.findall(page.read_text(encoding="utf-8")), page.relative_to(site)


def test_the_first_topology_of_the_readme_is_short() -> None:
    first = next(block for block in _blocks() if block.page.name == "README.md")
    lines = [line for line in first.code.splitlines() if line.strip()]
    assert len(lines) <= 15, first.code
    assert "Topology.chain(" in first.code


# The life of a tuple ------------------------------------------------------------------------------

WAY = (ROOT / "docs" / "life-of-a-tuple.md").read_text(encoding="utf-8")
SOURCES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "crates").glob("*/src/**/*.rs"))
}
FILES = re.findall(r"^\| \d \| `(?P<path>[^`]+)` \|", WAY, re.M)
"""The six files, in their order."""
PYTHON = {"ack", "emit", "fail", "process"}
"""Methods of components, and functions of the core as well: the page means the methods."""
FUNCTIONS = {name for text in SOURCES.values() for name in re.findall(r"\bfn (\w+)", text)}


def _paragraphs() -> Iterator[tuple[str, list[str]]]:
    """Each with the files that it speaks of: its section's, and those that it names."""
    own: list[str] = []
    for paragraph in WAY.split("\n\n"):
        if heading := re.match(r"## (?:(\d)\.)?", paragraph):
            own = [FILES[int(heading[1]) - 1]] if heading[1] else []
        numbers = map(int, re.findall(r"\bfile (\d)", paragraph))
        names = re.findall(r"`([\w/]+\.rs)`", paragraph)
        named = [path for path in SOURCES if any(path.endswith(f"/{name}") for name in names)]
        yield paragraph, [*own, *(FILES[number - 1] for number in numbers), *named]


def test_the_way_of_a_tuple_goes_through_six_files() -> None:
    assert len(FILES) == 6
    assert set(FILES) <= set(SOURCES)


@pytest.mark.parametrize(("paragraph", "files"), list(_paragraphs()))
def test_functions_stand_where_the_way_of_a_tuple_says(paragraph: str, files: list[str]) -> None:
    for name in re.findall(r"`((?:[A-Z]\w+::)?[a-z]\w+)`", paragraph):
        last = name.rpartition("::")[2]
        if name in PYTHON or (last not in FUNCTIONS and "::" not in name):
            continue
        found = [path for path in files if re.search(rf"\bfn {last}\b", SOURCES[path])]
        assert found, f"`{name}` is in none of {files}: name its file beside it"
