"""Every example runs to its end, as its reader would run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"
SERVED = {"web.py", "resume.py"}  # they have tests of their own: test_examples_web.py, _resume.py
EXAMPLES = sorted(file for file in FOLDER.glob("*.py") if file.name not in SERVED)


def _run(example: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "typhoon", "run", example, *arguments],
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two text files with five words in three lines, and one that is not text."""
    (tmp_path / "below").mkdir()
    (tmp_path / "one.txt").write_text("to be or\n", encoding="utf-8")
    (tmp_path / "below" / "two.txt").write_text("not\nto\n", encoding="utf-8")
    (tmp_path / "picture.bin").write_bytes(b"\0\1\2 to to to\n")
    return tmp_path


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_it_ends_by_itself_and_nothing_fails(example: Path, folder: Path) -> None:
    result = _run(example, "--json", "--strict", "-c", f"input.path={folder}")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["acked"] > 0
    assert summary["failed"] == summary["timed_out"] == 0


@pytest.mark.parametrize("name", ["word_count.py", "word_count_functions.py"])
def test_word_count_counts_the_words_of_the_folder(folder: Path, name: str) -> None:
    result = _run(EXAMPLES[0].with_name(name), "-c", f"input.path={folder}")
    assert result.returncode == 0, result.stderr
    said = result.stdout + result.stderr
    assert "5 words, 4 different ones" in said
    assert "        2  to\n" in said


def test_word_count_says_which_folder_is_missing(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    result = _run(EXAMPLES[0].with_name("word_count.py"), "-c", f"input.path={missing}")
    assert result.returncode == 1
    assert f"there is no {missing}" in result.stderr


def test_word_count_of_functions_says_which_folder_is_missing(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    example = EXAMPLES[0].with_name("word_count_functions.py")
    result = _run(example, "-c", f"input.path={missing}")
    assert f"there is no {missing}" in result.stderr
    assert result.returncode == 1
    assert "spout 'lines' has not given all its data" in result.stderr


@pytest.mark.parametrize("count", [500, 37])
def test_async_http_adds_up_the_squares_that_the_server_gives(count: int) -> None:
    example = EXAMPLES[0].with_name("async_http.py")
    result = _run(example, "--strict", "-c", f"numbers={count}")
    assert result.returncode == 0, result.stderr
    wanted = sum(number**2 for number in range(count))
    assert f"{count} squares, their sum is {wanted}" in result.stdout + result.stderr
