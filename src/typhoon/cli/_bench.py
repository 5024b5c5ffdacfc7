"""``typhoon bench``: the project's own measurements, on your machine."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from typhoon.cli._options import Json
from typhoon.cli._words import CommandLineError, start_logging

if TYPE_CHECKING:
    from typhoon.cli._bench_report import Report


class Benchmark(StrEnum):
    """What is measured."""

    WORD_COUNT = "word-count"
    CONST = "const"
    LATENCY = "latency"


What = Annotated[Benchmark, typer.Argument(help="What is measured.")]
Seconds = Annotated[
    float | None,
    typer.Option("--seconds", metavar="S", min=0.01, help="How long one round lasts (2; 10)."),
]
Rounds = Annotated[
    int, typer.Option("--rounds", metavar="N", min=1, help="Rounds after a warm-up.")
]
Executors = Annotated[
    str | None,
    typer.Option(
        "--executors",
        metavar="S/B/B",
        help="word-count: spouts/splits/counts (one of each for each worker).",
    ),
]
Rate = Annotated[
    float, typer.Option("--rate", metavar="R", min=0.1, help="latency: events per second.")
]
EmitCounts = Annotated[
    bool, typer.Option("--emit-counts", help="word-count: the count emits each word's count.")
]
NoAck = Annotated[bool, typer.Option("--no-ack", help="Without tup_ids: nothing is tracked.")]
Batch = Annotated[bool, typer.Option("--batch", help="word-count: emit_many and process_many.")]
Native = Annotated[bool, typer.Option("--native", help="Bolts of the core in place of Python's.")]
Hops = Annotated[
    int,
    typer.Option("--hops", metavar="N", min=0, help="const: also with N more bolts: ns per hop."),
]
Input = Annotated[
    Path | None,
    typer.Option("--input", metavar="FILE", help="word-count: the text (the standard library's)."),
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="word-count: worker processes, each with the whole; latency: 2, half in each.",
    ),
]


class Transport(StrEnum):
    """What links worker processes."""

    UNIX = "unix"
    TCP = "tcp"


Link = Annotated[
    Transport, typer.Option("--transport", help="What links worker processes, where several run.")
]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "-c", metavar="KEY=VALUE", help="With --workers: one key of the topology's configuration."
    ),
]


def bench(
    what: What,
    seconds: Seconds = None,
    rounds: Rounds = 5,
    executors: Executors = None,
    rate: Rate = 500.0,
    emit_counts: EmitCounts = False,
    no_ack: NoAck = False,
    batch: Batch = False,
    native: Native = False,
    hops: Hops = 0,
    text: Input = None,
    workers: Workers = 1,
    transport: Link = Transport.UNIX,
    given: Given = None,
    as_json: Json = False,
) -> None:
    """Measure Typhoon here, beside a bare Python loop in the same run."""
    from typhoon.config import parse_assignments

    start_logging(0)
    if workers > 1 and (what is Benchmark.CONST or (what is Benchmark.LATENCY and workers != 2)):
        raise CommandLineError(
            f"--workers {workers}: {what} does not run on so many",
            hint="word-count runs on any number of workers, latency on 1 or 2, const on 1",
        )
    links = {**parse_assignments(given or []), "worker.link.transport": str(transport)}
    if what is Benchmark.WORD_COUNT:
        from typhoon.cli import _bench_word_count

        counted = _bench_word_count.WordCountOptions(
            seconds or 2.0,
            rounds,
            _executors(executors or "/".join([str(workers)] * 3)),
            emit_counts,
            not no_ack,
            batch,
            native,
            _text(text),
        )
        if workers > 1:
            from typhoon.cli import _bench_word_count_workers as several

            report = several.measure(several.WorkersOptions(counted, workers, links))
        else:
            report = _bench_word_count.measure(counted)
    elif what is Benchmark.CONST:
        from typhoon.cli import _bench_const

        report = _bench_const.measure(
            _bench_const.ConstOptions(seconds or 2.0, rounds, not no_ack, native, hops)
        )
    else:
        from typhoon.cli import _bench_latency

        latency = _bench_latency.LatencyOptions(seconds or 10.0, rate, not no_ack)
        if workers > 1:
            report = _bench_latency.measure_two(latency, links)
        else:
            report = _bench_latency.measure(latency)
    _show(report, as_json)


def _show(report: Report, as_json: bool) -> None:
    from typhoon.cli._bench_report import words

    answer = json.dumps(report.to_dict()) if as_json else words(report)
    sys.stdout.write(answer + "\n")


def _executors(text: str) -> tuple[int, int, int]:
    parts = text.split("/")
    if len(parts) != 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise CommandLineError(
            f"--executors {text}: three numbers from 1 up are wanted",
            hint="write spouts/splits/counts, as in --executors 1/4/4",
        )
    spouts, splits, counts = map(int, parts)
    return spouts, splits, counts


def _text(file: Path | None) -> tuple[str, str]:
    """The text to count and what to call it."""
    if file is None:
        from typhoon.cli._bench_word_count import standard_library

        return standard_library(), "the standard library's sources"
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandLineError(f"--input {file}: {reason}", hint="give a text file") from error
    if not text.split():
        raise CommandLineError(f"--input {file}: it has no words", hint="give a text file")
    return text, str(file)
