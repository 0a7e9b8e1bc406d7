r"""Renders the manual page otel-oom(1) from the parser, the settings and the schema. No I/O.

Source: man(7), groff_man(7). `\-` is a minus sign that can be copied to a shell; a line that begins with a dot or an
apostrophe would be a request.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import datetime, timezone

from otel_oom import __version__, schema
from otel_oom.cli import arguments, main
from otel_oom.config.standard_variables import STANDARD

_FILES = {
    "/etc/otel-oom/otel-oom.env": "settings of the service",
    "/var/lib/otel-oom": "the spool: undelivered events, and the counters",
    "/dev/kmsg": "the kernel log",
    "/sys/kernel/tracing/instances/otel-oom": "what the kernel records of each kill (with victim-facts.conf)",
}


def manual(epoch_s: int) -> str:
    """The page. epoch_s: its date."""
    parser = arguments.parser()
    date = datetime.fromtimestamp(epoch_s, timezone.utc).date().isoformat()
    return "\n".join((
        f'.TH OTEL\\-OOM 1 "{date}" "otel\\-oom {__version__}" "User Commands"',
        *_section("NAME", ["otel\\-oom \\- OpenTelemetry agent that reports each kill by the OOM killer"]),
        *_section("SYNOPSIS", _synopsis(parser)),
        *_section("DESCRIPTION", [_text(parser.description or "")]),
        *(line for name, command in _commands(parser).items() for line in _command(name, command)),
        *_section("ENVIRONMENT", _terms({one.variable: f"{one.meaning} {_default(one.default_note or one.default)}"
                                         for one in STANDARD})),
        *_section("EVENTS", _terms({one.name: one.brief for one in schema.EVENTS.values()})),
        *_section("METRICS", _terms({one.name: one.brief for one in schema.METRICS})),
        *_section("EXIT STATUS", [_text(" ".join((main.__doc__ or "").partition("Exit codes ")[2].split()))]),
        *_section("FILES", _terms(_FILES)),
        *_section("SEE ALSO", [_text("dmesg(1), systemd.service(5), kmsg(4)")]),
        "",
    ))  # fmt: skip


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (found,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return dict(found.choices)


def _synopsis(parser: argparse.ArgumentParser) -> Iterable[str]:
    for name, command in _commands(parser).items():
        yield f".B otel\\-oom {name}"
        yield _text(" ".join(command.format_usage().split()[3:]))
        yield ".br"


def _command(name: str, command: argparse.ArgumentParser) -> Iterable[str]:
    yield f'.SH "COMMAND {name.upper()}"'
    yield _text(command.description or "")
    yield from _terms(
        {
            ", ".join(one.option_strings)
            + (f" {one.metavar}" if one.metavar and one.option_strings else str(one.metavar or "")): one.help or ""
            for one in command._actions
        }
    )


def _section(title: str, lines: Iterable[str]) -> Iterable[str]:
    yield f".SH {title}"
    yield from lines


def _terms(terms: dict[str, str]) -> Iterable[str]:
    for term, text in terms.items():
        yield ".TP"
        yield f".B {_text(term)}"
        yield _text(text)


def _default(default: str) -> str:
    return f"(default: {default})" if default else ""


def _text(text: str) -> str:
    escaped = text.strip().replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return f"\\&{escaped}" if escaped[:1] in {".", "'"} else escaped
