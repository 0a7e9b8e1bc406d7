"""Facts from /proc about a victim. Reads through psutil, raises nothing.

A pid is used again: facts are taken only if the process still has the name in the kill line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, TypeAlias

import psutil

from otel_oom import schema
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.text_escapes import escape, printable

_COMMAND_LINE_BYTES: Final = 4096  # as many as `ps` shows; a process may have megabytes
_MAX_ARGS: Final = 256  # 4096 empty ones would be 16 KiB of OTLP

Fact: TypeAlias = str | int | tuple[str, ...]


def look_at_victim(kill: OomKill, *, with_command_line: bool) -> Mapping[str, Fact]:
    """Return the facts that /proc still has, by attribute name. Most victims are gone after some milliseconds."""
    found: dict[schema.Attribute, Fact] = {}
    try:
        process = psutil.Process(kill.pid)
        with process.oneshot():
            # Not process.name(): for a long name it reads the command line, which waits for the victim's memory lock.
            if safe_text(Path(f"/proc/{kill.pid}/comm").read_bytes().removesuffix(b"\n")) != kill.comm:
                return {}
            found[schema.PARENT_PID] = process.ppid()
            found[schema.CREATION_TIME] = datetime.fromtimestamp(process.create_time(), timezone.utc).isoformat()
            if path := process.exe():
                found[schema.EXECUTABLE_PATH] = safe_text(os.fsencode(path))
                found[schema.EXECUTABLE_NAME] = safe_text(os.fsencode(os.path.basename(path)))  # noqa: PTH119 a name, no file
            if with_command_line and (arguments := _command_args(Path(f"/proc/{kill.pid}/cmdline"))):
                found[schema.COMMAND_ARGS] = arguments
    except (psutil.Error, OSError, ValueError):
        pass  # the process has ended: the facts read so far are returned
    return {attribute.name: value for attribute, value in found.items()}


def _command_args(path: Path) -> tuple[str, ...]:
    r"""The arguments in /proc/PID/cmdline, each ended by NUL (proc_pid_cmdline(5)); the last may be cut.

    Sample: b"java\0-jar\0app.jar\0". A process that overwrites its arguments with a title leaves it as one argument,
    and NULs to the end: so empty arguments at the end are left out.
    """
    with path.open("rb") as file:
        line = file.read(_COMMAND_LINE_BYTES).rstrip(b"\0")
    return tuple(safe_text(argument) for argument in line.split(b"\0")[:_MAX_ARGS]) if line else ()


def safe_text(name: bytes) -> str:
    """Return bytes that a process or a user chose as printable text: escaped as in the kernel log."""
    return printable(escape(name))
