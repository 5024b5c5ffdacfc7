"""``FileLines``: the lines of files, replayed when they fail."""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from typhoon.components._lines import check_encoding, text_of
from typhoon.topology import ReliableSpout

Paths: TypeAlias = "str | os.PathLike[str] | Iterable[str | os.PathLike[str]]"

PATH_KEY = "input.path"


WHERE = "{}, the line that ends at byte {}"


class FileLines(ReliableSpout):
    """Emits each line of the files as ``[line]``, without its newline.

    ``paths`` is a path, a pattern such as ``logs/*.txt``, or a list of such; None: what the
    configuration names by ``input.path``. The files are read one after the other, those of a
    pattern in alphabetical order; several tasks deal them out among themselves. No file at all is
    an error at the start.

    A line is tracked under ``(path, offset)``, the offset in bytes at which the next line begins,
    and emitted again when it fails, ``max_fails`` times. A line that ``encoding`` and ``errors``
    cannot decode is reported and left out; a file that breaks off ends the topology as failed,
    once the others are read. With ``follow`` the end of a file is not its end: what is appended is
    emitted as soon as its line is complete, and the spout never ends.

    To go on where an earlier run stopped, override ``progress`` to remember how far it got, and
    give what was remembered as ``start_at``: a path → the offset of the first line to emit.
    """

    outputs = ("line",)

    def __init__(
        self,
        paths: Paths | None = None,
        *,
        encoding: str = "utf-8",
        errors: str = "strict",
        follow: bool = False,
        start_at: Mapping[str, int] | None = None,
    ) -> None:
        check_encoding(encoding)
        self.paths = None if paths is None else _listed(paths)
        self.encoding = encoding
        self.errors = errors
        self.follow = follow
        self.start_at = dict(start_at or {})

    broken: str | None = None
    """Which file has not given all its lines; the topology then ends as failed, once drained."""

    def progress(self, path: str, offset: int) -> None:
        """Every line of ``path`` that ends at or before ``offset`` is acked or given up.

        Called on the executor's thread each time that this moves on. Does nothing; override it.
        """

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        names = _names(conf.get(PATH_KEY) if self.paths is None else self.paths)
        tasks = len(context.tasks_of(context.component_id))
        mine = names[context.task_index :: tasks]
        self._files: deque[_File] = deque()
        self._marks = {name: _Marks() for name in mine}
        for name in mine:
            self._files.append(_File(name, self.start_at.get(name, 0)))

    def next_tuple(self) -> None:
        for _ in range(len(self._files)):
            file = self._files[0]
            line = self._next_line(file)
            if line:
                self._emit_line(file, line)
                return
            if self.follow:
                self._files.rotate(-1)
            else:
                self._files.popleft().close()
        if not self._files:
            raise StopIteration

    def _next_line(self, file: _File) -> bytes:
        try:
            return file.next_line(complete=self.follow)
        except OSError:
            self._files.popleft().close()
            self.broken = f"{file.name} could not be read from byte {file.offset} on"
            raise

    def _emit_line(self, file: _File, line: bytes) -> None:
        offset = file.offset
        text = text_of(line, self.encoding, self.errors, WHERE, file.name, offset)
        self._marks[file.name].begin(offset)
        self.emit([text], tup_id=(file.name, offset))

    def ack(self, tup_id: Any) -> None:
        super().ack(tup_id)
        self._settle(*tup_id)

    def fail(self, tup_id: Any) -> None:
        super().fail(tup_id)
        self._settle_if_given_up(tup_id)

    def fail_by_worker_death(
        self, tup_id: Any, max_worker_deaths: int, death: Hashable = None
    ) -> None:
        super().fail_by_worker_death(tup_id, max_worker_deaths, death)
        self._settle_if_given_up(tup_id)

    def close(self) -> None:
        while self._files:
            self._files.pop().close()

    def _settle_if_given_up(self, tup_id: Any) -> None:
        if tup_id not in self.unacked_tuples:
            self._settle(*tup_id)

    def _settle(self, path: str, offset: int) -> None:
        done = self._marks[path].end(offset)
        if done is not None:
            self.progress(path, done)


class _File:
    """One file that is read; opened at its first line, so that a thousand files are not open at
    once."""

    def __init__(self, name: str, offset: int) -> None:
        self.name = name
        self.offset = offset
        self._stream: BinaryIO | None = None

    def next_line(self, *, complete: bool) -> bytes:
        """The next line as it stands in the file; empty where there is none (or, if it must be
        ``complete``, none that has its newline already)."""
        if self._stream is None:
            self._stream = Path(self.name).open("rb")  # noqa: SIM115 - until close
            self._stream.seek(self.offset)
        line = self._stream.readline()
        if complete and not line.endswith(b"\n"):
            self._stream.seek(self.offset)
            return b""
        self.offset += len(line)
        return line

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


class _Marks:
    """The offsets of one file that are under way, and how far everything is done."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._done: set[int] = set()

    def begin(self, offset: int) -> None:
        self._open.append(offset)

    def end(self, offset: int) -> int | None:
        """``offset`` is done; the offset up to which now all is, if that moved."""
        self._done.add(offset)
        reached = None
        while self._open and self._open[0] in self._done:
            reached = self._open.popleft()
            self._done.discard(reached)
        return reached


def _listed(paths: Any) -> list[str | os.PathLike[str]]:
    """The paths and patterns in ``paths``; ``TypeError`` for what can be none."""
    several = isinstance(paths, Iterable) and not isinstance(paths, str | bytes | os.PathLike)
    given = list(paths) if several else [paths]
    for one in given:
        if not isinstance(one, str | os.PathLike):
            raise TypeError(
                f"FileLines takes a path, a pattern or a list of such, not {one!r}\n"
                "hint: FileLines('logs/*.txt')"
            )
    return given


def _names(paths: Paths | None) -> list[str]:
    """The files that ``paths`` means, each once."""
    if paths is None:
        raise ValueError(
            f"FileLines was given no path\nhint: FileLines('book.txt'), or -c {PATH_KEY}=book.txt"
        )
    given = _listed(paths)
    found: dict[str, None] = {}
    for one in given:
        path = os.fspath(one)
        names = [path] if Path(path).exists() else sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - keeps the form in which the path was given
        if not names:
            raise FileNotFoundError(
                f"there is no file {path!r}\nhint: mind its spelling, and the folder {Path.cwd()}"
            )
        found.update(dict.fromkeys(name for name in names if not Path(name).is_dir()))
    if not given:
        raise ValueError("FileLines was given an empty list\nhint: FileLines('book.txt')")
    if not found:
        raise FileNotFoundError(f"{given!r} are folders\nhint: name files, as in 'folder/*.txt'")
    return list(found)
