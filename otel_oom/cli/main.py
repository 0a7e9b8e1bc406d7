"""Runs one command and turns its errors into an exit code.

Exit codes (sysexits(3) where it has a fitting one): 0 success (`run`: stopped on request; `parse`: all inputs were
read, with or without a kill), 1 `demo`: nothing arrived, 2 wrong usage, 66 `parse`: an input cannot be read, 69 no
kernel log device, 70 a bug, 73 `--spool-required`: the spool cannot be opened, 75 another agent uses the spool, 77 no
permission to read the device, 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final

from otel_oom import __version__
from otel_oom.cli import arguments, run
from otel_oom.errors import OtelOomError, UsageError

log = logging.getLogger(__name__)

_BUG: Final = 70


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. argv: without the program, None: those of the process."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="otel-oom: %(levelname)s: %(message)s")
    for level, word in ((logging.WARNING, "warning"), (logging.ERROR, "error"), (logging.INFO, "info")):
        logging.addLevelName(level, word)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a character that the terminal lacks must not end a command
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run_command(argv)
    except OtelOomError as error:
        log.error("%s", error)  # noqa: TRY400 one line without a trace: the user can correct it
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `otel-oom schema | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        log.exception("a bug in otel-oom %s; please report it with the lines below", __version__)
        return _BUG


def _run_command(argv: Sequence[str] | None) -> int:
    parser = arguments.parser()
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        program = " ".join(filter(None, (parser.prog, options.command)))
        raise UsageError(f"unrecognized arguments: {' '.join(unknown)}", f"see {program} --help")
    if options.command is None:
        parser.print_help()
        return 0
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "run": run.run,
        "demo": _demo,
        "parse": _parse,
        "schema": _schema,
    }
    return commands[options.command](options)


def _demo(_: argparse.Namespace) -> int:
    from otel_oom.demo import command

    return command.run()


def _parse(options: argparse.Namespace) -> int:
    from otel_oom.parse import command

    return command.run(options.files, options.output, options.page_size)


def _schema(options: argparse.Namespace) -> int:
    from otel_oom.schema import render

    print(render.as_json() if options.output == "json" else render.markdown())
    return 0
