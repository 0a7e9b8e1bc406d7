"""The arguments of each command, and their help at the terminal's width."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from otel_oom import __version__
from otel_oom.config import options
from otel_oom.config.setting import Setting
from otel_oom.config.standard_variables import STANDARD
from otel_oom.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_COLUMN: Final = 31  # where the second column of a table in the help begins

_EPILOG: Final = """\
examples:
  otel-oom demo
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 otel-oom run
  journalctl -k | otel-oom parse -

Each command has its own help, such as `otel-oom run --help`.
Documentation: docs/ in the source
"""


def _default(item: Setting) -> str:
    default = item.default_note or item.default
    return f"default: {default}" if default else ""


_VARIABLES: Final = "\n".join(
    f"  {item.variable}\t{item.meaning} ({_default(item) or 'unset by default'})" for item in STANDARD
)
_RUN_EPILOG: Final = f"""\
standard variables of OpenTelemetry:
{_VARIABLES}

OTEL_EXPORTER_OTLP_LOGS_… and OTEL_EXPORTER_OTLP_METRICS_… override OTEL_EXPORTER_OTLP_… for one signal.

examples:
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 otel-oom run
  OTEL_EXPORTER_OTLP_PROTOCOL=grpc otel-oom run --from-ring
  OTEL_LOGS_EXPORTER=console OTEL_METRICS_EXPORTER=none \\
      otel-oom run --spool none

Documentation: docs/ in the source
"""

_PARSE_EPILOG: Final = """\
examples:
  dmesg | otel-oom parse -
  journalctl -k -o json | otel-oom parse -
  otel-oom parse --output json /var/log/kern.log /var/log/kern.log.*.gz
"""


_CHECK_EPILOG: Final = """\
examples:
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 otel-oom check
  otel-oom check --live
  docker exec NAME otel-oom check --live
"""


class _Parser(argparse.ArgumentParser):
    """Reports a usage error in one line, like every other error, and a text that cannot be written as an OSError."""

    def format_help(self) -> str:
        self.formatter_class = _Help  # at the terminal's width
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see {self.prog} --help")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        sys.stdout.flush()
        super().exit(status, message)

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        (file or sys.stderr).write(message)  # argparse ignores an OSError


class _Help(argparse.HelpFormatter):
    """Fills each line of a text to the terminal's width. Text after a tab is a column; an indented line stays whole."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(self._fill_line(line, width, indent) for line in text.splitlines())

    def _fill_line(self, line: str, width: int, indent: str) -> str:
        term, tab, text = line.partition("\t")
        if tab:
            begin = f"{term:<{_COLUMN}}" if len(term) < _COLUMN else f"{term}\n{' ' * _COLUMN}"
            return begin + f"\n{' ' * _COLUMN}".join(self._split_lines(text, width - _COLUMN))
        return line if line.startswith(" ") else "\n".join(indent + part for part in self._split_lines(line, width))

    def _split_lines(self, text: str, width: int) -> list[str]:
        import textwrap  # only a help needs it

        return textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)


_WithWidth: Final = partial(_Help, width=80)
"""argparse makes a formatter to check each argument. Without a width, each imports shutil, which takes 0.5 MiB."""


def parser() -> argparse.ArgumentParser:
    """The parser of `otel-oom`. `command` is None where no command is given. Its errors are UsageErrors."""
    top = _Parser(
        prog="otel-oom",
        formatter_class=_WithWidth,
        description="Reports each kill by the kernel's OOM killer over OTLP: as a log record, and in a counter.",
        epilog=_EPILOG,
    )
    top.add_argument("--version", action="version", version=f"otel-oom {__version__}")
    commands = top.add_subparsers(title="commands", dest="command", metavar="COMMAND", parser_class=_Parser)

    def add(
        name: str, summary: str, description: str, epilog: str = "", usage: str | None = None
    ) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=summary, description=description, epilog=epilog, usage=usage, formatter_class=_WithWidth
        )

    run = add(
        "run",
        "watch this machine and report every kill until stopped",
        "Watches the kernel log and reports every kill until it is stopped. A flag wins over its variable.",
        _RUN_EPILOG,
    )
    _add_settings(run)

    check = add(
        "check",
        "check what `run` needs on this machine, or ask the running agent whether it is alive (--live)",
        "Checks each thing that `otel-oom run` needs, also with an empty export to the collector, and exits with 1 if"
        " one of them is missing. Give it the flags and the environment of `otel-oom run`. A running agent is not"
        " disturbed.",
        _CHECK_EPILOG,
        usage="otel-oom check [--live] [--output {text,json}] [flags of run]",  # its own would list all of them
    )
    check.add_argument(
        "--live",
        action="store_true",
        help="only ask the running agent whether it reads the kernel log: for health checks, which run often",
    )
    check.add_argument(
        "--output", choices=("text", "json"), default="text", help="json: one object, for programs (default: text)"
    )
    _add_settings(check)

    add(
        "demo",
        "make one OOM kill and show its record, without any setup",
        "Shows one OOM kill on its way from the kernel log to an OTLP receiver in this process. As root the kill is"
        " real, in a memory cgroup that the demo makes and removes. Without root it replays a recorded kill.",
    )

    parse = add(
        "parse",
        "explain the kills in a kernel log: dmesg, journal, syslog, serial console, kmsg",
        "Finds every kill in kernel log text, of any kernel from 2.6.32 on, and explains it.",
        _PARSE_EPILOG,
    )
    parse.add_argument("files", nargs="*", metavar="FILE", help="text, compressed text, zip or tar; `-` or none: stdin")
    parse.add_argument(
        "--output", choices=("text", "json"), default="text", help="json: one line a kill (default: text)"
    )
    parse.add_argument(
        "--page-size",
        type=int,
        default=4096,
        metavar="BYTES",
        help="page size of the machine that wrote the text (default: 4096)",
    )
    parse.add_argument("--fail-if-none", action="store_true", help="exit with 1 if there is no kill, for scripts")

    schema = add(
        "schema",
        "print the events, attributes and metrics that otel-oom exports",
        "Prints every event, attribute and metric that otel-oom exports.",
    )
    schema.add_argument("--output", choices=("markdown", "json"), default="markdown", help="format (default: markdown)")
    return top


def _add_settings(command: argparse.ArgumentParser) -> None:
    """Add the flags of all settings."""
    for item in options.WITH_FLAG:
        text = f"{item.meaning} ({'; '.join(filter(None, (item.variable, _default(item))))})"
        if item.metavar:
            command.add_argument(item.flag, metavar=item.metavar, help=text)
        else:
            command.add_argument(item.flag, action=argparse.BooleanOptionalAction, default=None, help=text)
