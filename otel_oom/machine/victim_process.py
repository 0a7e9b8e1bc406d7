"""What /proc still knows of a victim. Reads /proc through psutil; raises nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

import psutil

from otel_oom import schema
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.text_escapes import escape, printable

_COMMAND_LINE_BYTES: Final = 4096  # as much as `ps` shows of it; a process may have megabytes


def look_at_victim(kill: OomKill, *, with_command_line: bool) -> Mapping[str, str | int]:
    """What /proc still knows of a victim, by attribute name. Mostly that is for some milliseconds."""
    found: dict[schema.Attribute, str | int] = {}
    try:
        process = psutil.Process(kill.pid)
        with process.oneshot():
            # Not process.name(): for a long name it reads the command line, and waits for the dying memory's lock.
            if safe_text(Path(f"/proc/{kill.pid}/comm").read_bytes().removesuffix(b"\n")) != kill.comm:
                return {}
            found[schema.PARENT_PID] = process.ppid()
            found[schema.CREATION_TIME] = datetime.fromtimestamp(process.create_time(), timezone.utc).isoformat()
            if path := process.exe():
                found[schema.EXECUTABLE_PATH] = safe_text(os.fsencode(path))
                found[schema.EXECUTABLE_NAME] = safe_text(os.fsencode(os.path.basename(path)))  # noqa: PTH119 a name, no file
            if with_command_line and (words := process.cmdline()):
                found[schema.COMMAND_LINE] = safe_text(os.fsencode(" ".join(words))[:_COMMAND_LINE_BYTES])
    except (psutil.Error, OSError, ValueError):
        pass  # it is gone, or half gone: what was read stays
    return {attribute.name: value for attribute, value in found.items()}


def safe_text(name: bytes) -> str:
    return printable(escape(name))
