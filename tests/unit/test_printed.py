"""What stands for standard output in a worker's process."""

import sys
import threading
from collections.abc import Iterator

import pytest

from typhoon.worker import _outside
from typhoon.worker._outside import LONGEST, PRINTED, Printed


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What came to the supervisor, message by message."""
    found: list[str] = []

    def say(what: str, text: str) -> None:
        assert what == PRINTED
        found.append(text)

    monkeypatch.setattr(_outside, "_say", say)
    return found


@pytest.fixture
def often() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_it_tells_whole_lines(told: list[str]) -> None:
    printed = Printed()
    print("a", end="", file=printed)
    assert told == []
    print("b\nc\nd", file=printed)
    assert told == ["ab\nc\n", "d\n"]


def test_a_line_that_does_not_end_is_told_at_the_end(told: list[str]) -> None:
    printed = Printed()
    print("no more", end="", file=printed, flush=True)
    printed.finish()
    printed.finish()
    assert told == ["no more\n"]


def test_a_line_without_end_is_not_hoarded(told: list[str]) -> None:
    printed = Printed()
    for _ in range(LONGEST + 10):
        printed.write(".")
    assert told == ["." * (LONGEST + 1)]


@pytest.mark.usefixtures("often")
def test_threads_do_not_get_into_each_others_lines(told: list[str]) -> None:
    printed = Printed()
    start = threading.Barrier(4)

    def work(name: str) -> None:
        start.wait()
        for number in range(500):
            print(name, number, name, file=printed)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = "".join(told).splitlines()
    assert sorted(lines) == sorted(f"{name} {n} {name}" for name in "abcd" for n in range(500))


def test_bytes_are_text_where_they_can_be(told: list[str]) -> None:
    printed = Printed()
    for part in ("é".encode()[:1], "é".encode()[1:], b"\xff", memoryview(b"!\n")):
        assert printed.buffer.write(part) == len(part)
    printed.buffer.flush()
    assert told == ["é\\xff!\n"]


def test_it_answers_as_a_file_does(told: list[str]) -> None:
    printed = Printed()
    assert printed.encoding == "utf-8"
    assert printed.errors == "strict"
    assert printed.name == "<stdout>"
    assert printed.writable()
    assert not printed.readable()
    assert not printed.isatty()
    assert printed.fileno() == printed.buffer.fileno() == 1
    printed.reconfigure(line_buffering=True)
    assert printed.write("a\n") == 2
    with pytest.raises(UnicodeEncodeError):
        printed.write("\udcff\n")
    with pytest.raises(TypeError):
        printed.write(5)  # type: ignore[arg-type]
    assert told == ["a\n"]
