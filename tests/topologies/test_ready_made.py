"""FileLines, Print and JsonLines: what they read, write, replay and refuse."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from typhoon import LocalCluster, ReliableSpout, TopologyBuilder, TopologyFailedError
from typhoon.components import FileLines, JsonLines, Print, StdinLines
from typhoon.components._files import _File
from typhoon.testing import Capture, complete_topology, run_bolt


def reading(spout, bolt=None, par=1):
    builder = TopologyBuilder("reading")
    builder.set_spout("lines", spout, par)
    builder.set_bolt("bolt", bolt or Capture()).shuffle_grouping("lines")
    return builder


def lines(spout, config=None, par=1):
    result = complete_topology(reading(spout, par=par), config=config)
    assert result.acked == len(result["lines"])
    return [line for (line,) in result["lines"]]


class Noted(FileLines):
    """Remembers how far it got, as an application would in a file."""

    def __init__(self, *args, marks, ids, **options):
        super().__init__(*args, **options)
        self.note = lambda: (marks, ids)  # a function is not copied with its task

    def progress(self, path, offset):
        self.note()[0][path] = offset

    def ack(self, tup_id):
        self.note()[1].append(tup_id)
        super().ack(tup_id)


# FileLines -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"to be\nor not\n", ["to be", "or not"]),
        (b"no newline at the end", ["no newline at the end"]),
        (b"windows\r\n\r\nlines\r\n", ["windows", "", "lines"]),
        (b"a carriage\rreturn\n", ["a carriage\rreturn"]),
        ("größer\n".encode(), ["größer"]),
        (b"", []),
    ],
)
def test_a_file_is_read_line_by_line(tmp_path, content, expected):
    file = tmp_path / "a.txt"
    file.write_bytes(content)
    assert lines(FileLines(file)) == expected
    assert lines(FileLines, {"input.path": str(file)}) == expected


@pytest.mark.parametrize("par", [1, 2, 5])
def test_files_are_dealt_out_to_the_tasks(tmp_path, par):
    for n in range(4):
        (tmp_path / f"{n}.txt").write_text(f"{n}a\n{n}b\n", encoding="utf-8")
    (tmp_path / "other").write_text("no", encoding="utf-8")
    read = lines(FileLines(f"{tmp_path}/*.txt"), par=par)
    assert sorted(read) == [f"{n}{x}" for n in range(4) for x in "ab"]
    if par == 1:
        assert read == sorted(read)


def test_a_list_of_paths_is_read_in_its_order_each_file_once(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(f"{name}\n", encoding="utf-8")
    assert lines(FileLines([tmp_path / "b", f"{tmp_path}/*"])) == ["b", "a"]


def test_a_file_that_breaks_off_fails_the_topology_when_the_others_are_read(tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / name).write_text(f"{name}1\n{name}2\n", encoding="utf-8")
    whole = _File.next_line

    def breaking(self, *, complete):
        if self.name.endswith("a") and self.offset:
            raise OSError(5, "Input/output error")
        return whole(self, complete=complete)

    monkeypatch.setattr(_File, "next_line", breaking)
    seen = Capture()
    builder = TopologyBuilder("broken")
    builder.set_spout("lines", FileLines(f"{tmp_path}/*"))
    builder.set_bolt("seen", seen).shuffle_grouping("lines")
    with LocalCluster() as cluster:
        running = cluster.submit("broken", builder)
        with pytest.raises(TopologyFailedError, match="could not be read from byte 3 on"):
            running.wait_until_drained(timeout=20)
    assert sorted(tup.values[0] for tup in seen.tuples) == ["a1", "b1", "b2"]


def test_encoding_and_errors(tmp_path, caplog):
    file = tmp_path / "a.txt"
    file.write_bytes("größer\n".encode("latin-1") + b"plain\n")
    assert lines(FileLines(file, encoding="latin-1")) == ["größer", "plain"]
    assert lines(FileLines(file, errors="replace")) == ["gr��er", "plain"]
    result = complete_topology(reading(FileLines(file)))
    assert result["lines"] == [("plain",)]
    said = result.stats.components[0].last_error
    assert f"{file}, the line that ends at byte" in said
    assert "errors='replace'" in said


@pytest.mark.parametrize("kind", [FileLines, StdinLines])
@pytest.mark.parametrize(
    ("encoding", "words"),
    [("utf-16", "lines cannot be told apart in 'utf-16'"), ("utf-9", "unknown encoding: utf-9")],
)
def test_an_encoding_without_plain_newlines_is_refused(kind, encoding, words):
    with pytest.raises(ValueError, match=words):
        kind(encoding=encoding)


def test_a_line_that_fails_is_read_again(tmp_path, journal):
    file = tmp_path / "a.txt"
    file.write_text("a\nbb\nccc\n", encoding="utf-8")

    def process(self, tup):
        journal.seen.append(tup[0])
        if tup[0] == "bb" and journal.seen.count("bb") <= 2:
            raise ConnectionError

    marks, ids = {}, []
    spout = Noted(file, marks=marks, ids=ids)
    result = complete_topology(reading(spout, journal.bolt(process)))
    assert (result.acked, result.failed) == (3, 2)
    assert sorted(journal.seen) == ["a", "bb", "bb", "bb", "ccc"]
    assert sorted(ids) == [(str(file), 2), (str(file), 5), (str(file), 9)]
    assert marks == {str(file): 9}


def test_a_line_that_is_given_up_does_not_hold_up_progress(tmp_path, journal):
    file = tmp_path / "a.txt"
    file.write_text("a\nbb\nccc\n", encoding="utf-8")

    def process(self, tup):
        if tup[0] == "bb":
            raise ConnectionError

    marks = {}
    spout = Noted(file, marks=marks, ids=[])
    result = complete_topology(reading(spout, journal.bolt(process)))
    assert (result.acked, result.failed) == (2, 1 + ReliableSpout.max_fails)
    assert marks == {str(file): 9}


def test_progress_never_passes_a_line_that_is_pending(tmp_path, journal, gate, wait_until):
    file = tmp_path / "a.txt"
    file.write_text("a\nbb\nccc\n", encoding="utf-8")

    def process(self, tup):
        if tup[0] == "bb":
            gate.wait(10)

    marks, ids = {}, []
    builder = reading(Noted(file, marks=marks, ids=ids))
    holding = journal.bolt(process, threaded=True)
    builder.set_bolt("holding", holding, 3).shuffle_grouping("lines")
    with LocalCluster() as cluster:
        topology = cluster.submit("reading", builder)
        wait_until(lambda: len(ids) == 2)
        assert marks == {str(file): 2}
        gate.set()
        topology.wait_until_drained(timeout=10)
    assert marks == {str(file): 9}


def test_reading_goes_on_where_it_stopped(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("a\nbb\nccc\n", encoding="utf-8")
    assert lines(FileLines(file, start_at={str(file): 2})) == ["bb", "ccc"]
    assert lines(FileLines(file, start_at={str(file): 9})) == []


def test_follow_emits_what_is_appended_once_its_line_is_complete(tmp_path, wait_until):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("a\n", encoding="utf-8")
    other.write_text("x\ny", encoding="utf-8")
    seen = Capture()
    with LocalCluster() as cluster:
        topology = cluster.submit("reading", reading(FileLines([one, other], follow=True), seen))
        wait_until(lambda: sorted(seen.values) == [("a",), ("x",)])
        with one.open("a", encoding="utf-8") as file:
            file.write("b\n")
        wait_until(lambda: ("b",) in seen.values)
        with other.open("a", encoding="utf-8") as file:
            file.write("z\n")
        wait_until(lambda: ("yz",) in seen.values)
        assert not topology.wait(0.05)
        assert topology.drain(timeout=10)
    assert len(seen.values) == 4


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ("{}/none.txt", "there is no file"),
        ("{}/*.txt", "there is no file"),
        ("{}", "are folders"),
        (None, "FileLines was given no path\nhint: FileLines('book.txt')"),
    ],
)
def test_no_file_is_an_error_at_the_start(tmp_path, paths, words):
    spout = FileLines(None if paths is None else paths.format(tmp_path))
    with pytest.raises(TopologyFailedError) as caught:
        complete_topology(reading(spout))
    assert words in str(caught.value)


def test_a_file_that_vanishes_fails_the_topology_too(tmp_path):
    one, other = tmp_path / "1", tmp_path / "2"
    for file in (one, other):
        file.write_text("x\n", encoding="utf-8")

    class Vanishing(FileLines):
        def initialize(self, conf, context):
            super().initialize(conf, context)
            one.unlink()

    with pytest.raises(TopologyFailedError, match="could not be read from byte 0 on"):
        complete_topology(reading(Vanishing([one, other])))


# Print ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (None, "to 1\nbe 2\n"),
        ("{word}: {n:>3}", "to:   1\nbe:   2\n"),
        ("{1} {0}", "1 to\n2 be\n"),
        (lambda tup: tup["word"].upper(), "TO\nBE\n"),
    ],
)
def test_print(capsys, template, expected):
    run = run_bolt(Print(template), [["to", 1], ["be", 2]], fields=["word", "n"])
    assert capsys.readouterr().out == expected
    assert len(run.acked) == 2


def test_what_cannot_be_printed_fails_alone(capsys):
    run = run_bolt(Print("{n:d}"), [[1], ["two"], [3]], fields=["n"])
    assert capsys.readouterr().out == "1\n3\n"
    assert (run.acked, run.failed) == ([[1], [3]], [["two"]])
    assert "ValueError" in run.stats.last_error


# JsonLines -----------------------------------------------------------------------------------

DAY = datetime(2026, 5, 4, tzinfo=UTC)


def test_json_lines_go_to_standard_output(capsys):
    rows = [["größer", 1.5, None], [DAY, [1, {"a": Path("b")}], True]]
    run_bolt(JsonLines, rows, fields=["a", "b", "c"])
    out = capsys.readouterr().out.splitlines()
    assert out[0] == '{"a": "größer", "b": 1.5, "c": null}'
    assert json.loads(out[1]) == {"a": str(DAY), "b": [1, {"a": "b"}], "c": True}


def test_json_lines_are_appended_to_a_file(tmp_path):
    file = tmp_path / "out.jsonl"
    for n in range(2):
        run_bolt(JsonLines(file, fields=False), [[n, "x"]])
    assert file.read_text(encoding="utf-8") == '[0, "x"]\n[1, "x"]\n'


def test_what_json_has_no_form_for(tmp_path):
    file = tmp_path / "out.jsonl"
    bolt = JsonLines(file, default=lambda value: value.year)
    run = run_bolt(bolt, [[DAY], [{(1, 2): 3}], ["ok"]], fields=["day"])
    assert file.read_text(encoding="utf-8") == '{"day": 2026}\n{"day": "ok"}\n'
    assert run.failed == [[{(1, 2): 3}]]
    assert "keys must be str" in run.stats.last_error


@pytest.mark.parametrize("threaded", [False, True])
def test_several_tasks_write_whole_lines_to_one_file(tmp_path, threaded):
    file = tmp_path / "out.jsonl"
    builder = TopologyBuilder("writing")
    builder.set_spout("rows", FileLines(tmp_path / "in.txt"))
    (tmp_path / "in.txt").write_text(
        "".join(f"{n} {'x' * (n % 300)}\n" for n in range(3000)), encoding="utf-8"
    )
    writers = builder.set_bolt("out", type("Out", (JsonLines,), {"threaded": threaded})(file), 3)
    writers.shuffle_grouping("rows")
    assert complete_topology(builder).acked == 3000
    written = [json.loads(line)["line"] for line in file.read_text(encoding="utf-8").splitlines()]
    assert sorted(int(line.split()[0]) for line in written) == list(range(3000))


def test_a_tuple_is_acked_when_its_line_is_written(tmp_path, journal, wait_until):
    file = tmp_path / "out.jsonl"
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    spout = FileLines(tmp_path / "in.txt", follow=True)  # so that nothing is closed meanwhile
    with LocalCluster() as cluster:
        topology = cluster.submit("writing", reading(spout, JsonLines(file)))
        wait_until(lambda: topology.stats().acked == 1)
        assert file.read_text(encoding="utf-8") == '{"line": "a"}\n'


# StdinLines; through a real pipe in tests/processes/test_stdin.py ----------------------------


def test_without_standard_input_there_are_no_lines(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert lines(StdinLines()) == []
    assert lines(StdinLines, par=3) == []
