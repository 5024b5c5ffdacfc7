"""The verbs, and what becomes of an error: one message, a hint, an exit status."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from typhoon.cli import _bench, _dev, _doctor, _graph, _new, _run, _version
from typhoon.cli._words import (
    CommandLineError,
    abandon_stdout,
    open_closed_streams,
    say,
    say_error,
)
from typhoon.errors import TyphoonError

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_WRONG_COMMAND_LINE = 2
EXIT_INTERRUPTED = 130

WORKER_THREADS = "typhoon-"
"""How the names of a worker's threads begin."""

USAGE_ERRORS: tuple[Any, ...] = typer.BadParameter.__mro__[1:2]
"""What typer raises for a wrong command line; the class has moved between its versions."""

app = typer.Typer(
    name="typhoon",
    help="Stream processing in Python, every tuple accounted for.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        _version.version()
        raise typer.Exit


@app.callback()
def typhoon(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="As typhoon version."
        ),
    ] = False,
) -> None:
    """Stream processing in Python, every tuple accounted for."""


app.command("run")(_run.run)
app.command("new")(_new.new)
app.command("dev")(_dev.dev)
app.command("graph")(_graph.graph)
app.command("doctor")(_doctor.doctor)
app.command("bench")(_bench.bench)
app.command("version")(_version.version)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line ``arguments`` (default: the process's own); return the exit status.

    0 it is done, 1 it failed, 2 the command line was wrong, 130 it was stopped by a second Ctrl-C,
    143 by a second SIGTERM, 129 by a second SIGHUP.
    What the user can mend is told on stderr without a traceback. Does not return, but ends the
    process, if a component is still inside a call: the interpreter cannot shut down around it.
    """
    open_closed_streams()
    status = _main(arguments)
    if any(thread.name.startswith(WORKER_THREADS) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _main(arguments: Sequence[str] | None) -> int:
    try:
        status = app(
            args=None if arguments is None else list(arguments),
            prog_name="typhoon",
            standalone_mode=False,
        )
        sys.stdout.flush()
    except USAGE_ERRORS as error:
        return _wrong_command_line(error)
    except CommandLineError as error:
        say_error(error)
        return EXIT_WRONG_COMMAND_LINE
    except (TyphoonError, ValueError) as error:
        say_error(error)
        return EXIT_FAILED
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our stdout has gone: it has read enough
        abandon_stdout()
        return EXIT_DONE
    except SystemExit as error:  # what typer makes of the same
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        abandon_stdout()
        return EXIT_DONE
    except OSError as error:
        abandon_stdout()
        hint = "is the disk full that standard output goes to?"
        say_error(TyphoonError(f"what was found out could not be written: {error}", hint=hint))
        return EXIT_FAILED
    return status if isinstance(status, int) else EXIT_DONE


def _wrong_command_line(error: Any) -> int:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the whole help
        say(message.rstrip())
        return EXIT_WRONG_COMMAND_LINE
    verb = context.command_path if context is not None else "typhoon"
    say_error(CommandLineError(message, hint=f"{verb} --help shows what it takes"))
    return EXIT_WRONG_COMMAND_LINE
