"""The leak check and the deadline are relied on by every other test, so they are tested too."""

import textwrap
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def leaky(pytester: pytest.Pytester, root: Path) -> pytest.Pytester:
    """A project of its own with the same conftest."""
    conftest = (root / "tests" / "conftest.py").read_text(encoding="utf-8")
    pytester.makeconftest(conftest.replace("+ 2.0", "+ 0.05"))
    pytester.makeini("[pytest]\nmarkers = may_leak(reason): left on purpose\n")
    return pytester


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("kept.append(open('/dev/null'))", "file handle * /dev/null"),
        ("kept.append(socket.socket())", "file handle * socket:*"),
        (
            "threading.Thread(target=wait, name='stray', daemon=True).start()",
            "thread * (stray, *)",
        ),
        ("kept.append(subprocess.Popen(['sleep', '5']))", "child process * (sleep)"),
    ],
)
def test_what_a_test_leaves_behind_is_named(leaky: pytest.Pytester, body: str, named: str) -> None:
    leaky.makepyfile(_file(body))
    result = leaky.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*the test left behind: *{named}*"])


def test_a_marked_test_may_leak(leaky: pytest.Pytester) -> None:
    leaky.makepyfile(_file("kept.append(open('/dev/null'))", "@pytest.mark.may_leak('shown here')"))
    leaky.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def _file(body: str, mark: str = "") -> str:
    return textwrap.dedent(
        """
        import os, socket, subprocess, threading
        import pytest
        kept = []
        wait = threading.Event().wait
        {mark}
        def test_it():
            {body}
        """
    ).format(body=body, mark=mark)


def test_wait_until_returns_the_first_true_answer(wait_until) -> None:
    answers = iter([0, "", "there"])
    assert wait_until(lambda: next(answers)) == "there"


def test_wait_until_says_what_it_waited_for(wait_until) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"waited 0\.01 s in vain for the moon"):
        wait_until(lambda: False, timeout=0.01, what="the moon")
