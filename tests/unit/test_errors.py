"""The exception tree: what each error says, and that it survives a trip to another process."""

import copy
import inspect
import pickle
import re
from pathlib import Path

import pytest

from typhoon import errors
from typhoon.cli._words import CommandLineError, say_error
from typhoon.errors import (
    GroupingKeyError,
    IllegalTransitionError,
    InvalidConfigError,
    InvalidTopologyError,
    TyphoonError,
    TyphoonInternalError,
)

EXAMPLES = [
    InvalidTopologyError(["no spout", "bolt 'a' has no inputs\nhint: inputs=[...]"], "x"),
    InvalidConfigError(["topology.workers is 0"]),
    IllegalTransitionError("word-count", "KILLED", "Activate", ["Submit → ACTIVE"]),
    GroupingKeyError("no stable hash", hint="register one"),
    TyphoonInternalError("lost an edge"),
]


def test_all_errors_are_typhoon_errors_and_are_exported() -> None:
    classes = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and not name.startswith("_")
    }
    assert classes - {"Iterable"} == set(errors.__all__)
    assert all(issubclass(getattr(errors, name), TyphoonError) for name in errors.__all__)


def test_the_drawing_in_the_docstring_shows_every_error() -> None:
    assert errors.__doc__ is not None
    assert [name for name in errors.__all__ if name not in errors.__doc__] == []


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("trip", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy])
def test_an_error_survives_pickling_and_copying(error: TyphoonError, trip) -> None:
    there = trip(error)
    assert type(there) is type(error)
    assert str(there) == str(error)
    assert vars(there) == vars(error)


def test_every_mistake_is_listed_with_its_hint() -> None:
    error = EXAMPLES[0]
    assert error.mistakes == ("no spout", "bolt 'a' has no inputs\nhint: inputs=[...]")
    assert str(error) == (
        "x cannot run: 2 mistakes\n"
        "  1. no spout\n"
        "  2. bolt 'a' has no inputs\n"
        "     hint: inputs=[...]"
    )


def test_one_mistake_may_be_given_as_a_text() -> None:
    assert InvalidTopologyError("no spout").mistakes == ("no spout",)


def test_a_hint_has_a_line_of_its_own() -> None:
    assert str(GroupingKeyError("no stable hash", hint="register one")) == (
        "no stable hash\nhint: register one"
    )


def test_our_own_fault_asks_to_be_reported() -> None:
    assert "please report" in str(TyphoonInternalError("lost an edge"))


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InvalidTopologyError, ValueError),
        (InvalidConfigError, ValueError),
        (GroupingKeyError, TypeError),
    ],
)
def test_what_python_users_would_catch_catches_it(
    error: type[TyphoonError], builtin: type[Exception]
) -> None:
    with pytest.raises(builtin, match="wrong"):
        raise error("wrong")


def test_an_illegal_transition_says_what_from_event_and_story() -> None:
    error = IllegalTransitionError("word-count", "KILLED", "Activate", ["Submit → ACTIVE", "Kill"])
    assert (error.what, error.status, error.event) == ("word-count", "KILLED", "Activate")
    assert error.story == ("Submit → ACTIVE", "Kill")
    for part in ("word-count", "KILLED", "'Activate'", "Submit → ACTIVE → Kill"):
        assert part in str(error)


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"TyphoonError"}))
def test_every_error_has_a_next_step(name: str) -> None:
    cls = getattr(errors, name)
    arguments = {
        "InvalidTopologyError": (["no spout\nhint: add one"],),
        "InvalidConfigError": (["topology.workers is 0\nhint: write 1"],),
        "IllegalTransitionError": ("word-count", "KILLED", "Activate"),
        "ImpossibleEventError": ("slot 6700", "EMPTY", "Heartbeat"),
    }
    assert "hint: " in str(cls(*arguments.get(name, ("it went wrong",))))


def test_a_hint_that_the_message_brings_goes_before_others() -> None:
    error = GroupingKeyError("no hash\nhint: group by text", hint="register one")
    assert (error.message, error.hint) == ("no hash", "group by text")
    assert str(error).count("hint:") == 1


@pytest.mark.parametrize("name", errors.__all__)
def test_the_command_line_says_where_more_is_told(
    name: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = getattr(errors, name).__new__(getattr(errors, name))
    TyphoonError.__init__(error, "it went wrong")
    say_error(error)
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("more: ")]
    page, _, anchor = line.removeprefix("more: ").partition("#")
    headings = re.findall(r"^### (\w+)$", (root / page).read_text(encoding="utf-8"), re.M)
    assert anchor in [heading.lower() for heading in headings]


def test_a_wrong_command_line_is_told_of_by_help(capsys: pytest.CaptureFixture[str]) -> None:
    say_error(CommandLineError("no such verb", hint="typhoon --help"))
    assert capsys.readouterr().err == "error: no such verb\nhint: typhoon --help\n"
