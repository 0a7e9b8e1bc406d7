"""Runs one command and turns its errors into an exit code.

Exit codes (sysexits(3) where it has a fitting one): 0 success (`run`: stopped on request; `parse`: all inputs were
read, with or without a kill), 1 `check`: a check has failed, `demo`: nothing arrived, `parse --fail-if-none`: no kill,
2 wrong usage, 66 `parse`: an input cannot be read, 69 no kernel log device, 70 a bug, 71 a limit of the process is too
small, 73 `--spool-required`: the spool cannot be opened, 74 stdout cannot be written, 75 another agent uses the spool,
77 no permission to read the device, 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from otel_oom import URL, __version__
from otel_oom.cli import arguments, run
from otel_oom.cli.log_output import LogOutput
from otel_oom.config.redaction import redactor
from otel_oom.errors import OtelOomError, OutputError, ProcessLimitError, UsageError, shortage

log = logging.getLogger(__name__)

_BUG: Final = 70

# Errors of write(2) to stdout. `parse` itself handles inputs that cannot be read; an error of open(2) has a filename.
_STDOUT_ERRORS: Final = frozenset({
    errno.EAGAIN, errno.EBADF, errno.ECONNRESET, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC
})  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. argv: without the program, None: those of the process."""
    try:
        _open_closed_streams()
    except OSError as error:  # no /dev/null: a later file would get the number of the stream
        with suppress(OSError):
            os.write(2, f"otel-oom: error: a standard stream is closed, and {error}; open it, or mount /dev\n".encode())
        return ProcessLimitError.exit_code
    if isinstance(sys.stdout, io.TextIOWrapper):  # a character that the terminal lacks must not end a command
        sys.stdout.reconfigure(errors="backslashreplace")
    with LogOutput(sys.stderr, redactor(os.environ)) as output:
        return _exit_code(argv, output)


def _exit_code(argv: Sequence[str] | None, output: LogOutput) -> int:
    try:
        return _run_command(argv, output)
    except OtelOomError as error:
        log.error("%s", error)  # noqa: TRY400 one line without a trace: the user can correct it
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `otel-oom schema | head`
        _discard_stdout()
        return 0
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in _STDOUT_ERRORS:
            _discard_stdout()
            failure = OutputError(f"stdout cannot be written: {os.strerror(error.errno)}", "write to another place")
            log.error("%s", failure)  # noqa: TRY400 the same
            return failure.exit_code
        if (lack := shortage(error)) is not None:
            log.error("%s", lack)  # noqa: TRY400 the same
            return lack.exit_code
        log.exception("a bug in otel-oom %s; please report it at %s/issues with the lines below", __version__, URL)
        return _BUG


def _open_closed_streams() -> None:
    """Open /dev/null for standard streams that were closed at the start (`>&-`).

    Otherwise a socket or a database gets their number. A write to a stdout that was closed still fails with EBADF,
    because /dev/null is opened for reading. Lines for a stderr that was closed are lost.
    """
    for fd, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:  # noqa: PERF203 three streams
            os.open(os.devnull, mode)  # the lowest free number, which is fd
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def _discard_stdout() -> None:
    """Send what stdout still buffers to /dev/null: the interpreter flushes stdout at its end, and would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run_command(argv: Sequence[str] | None, output: LogOutput) -> int:
    options = _parse_arguments(argv)
    if options.command == "run":
        return run.run(options, output)
    commands: dict[str | None, Callable[[argparse.Namespace], int]] = {
        None: _help,
        "check": _check,
        "demo": _demo,
        "parse": _parse,
        "schema": _schema,
    }
    code = commands[options.command](options)
    sys.stdout.flush()  # here a failure has a line and an exit code
    return code


def _parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Its own function, so that no command holds the parser, which has all texts of the help."""
    parser = arguments.parser()
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        program = " ".join(filter(None, (parser.prog, options.command)))
        flags = [argument.partition("=")[0] for argument in unknown if argument.startswith("-")]
        # What follows an unknown flag may be a key, and is not shown.
        raise UsageError(f"unrecognized arguments: {' '.join(flags or unknown)}", f"see {program} --help")
    return options


def _help(_: argparse.Namespace) -> int:
    arguments.parser().print_help()
    return 0


def _check(options: argparse.Namespace) -> int:
    from otel_oom.check import command

    if not options.live:
        from otel_oom.cli.sdk_warnings import replace_sdk_warnings

        replace_sdk_warnings()  # before the import of the SDK
    return command.run(options)


def _demo(_: argparse.Namespace) -> int:
    from otel_oom.demo import command

    return command.run()


def _parse(options: argparse.Namespace) -> int:
    from otel_oom.parse import command

    return command.run(options.files, options.output, options.page_size, fail_if_none=options.fail_if_none)


def _schema(options: argparse.Namespace) -> int:
    from otel_oom.schema import render

    print(render.as_json() if options.output == "json" else render.markdown())
    return 0
