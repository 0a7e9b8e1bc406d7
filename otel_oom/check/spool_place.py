"""Checks that the spool can be written, and that what is in it survives a restart.

Rules:
- The spool of a running agent is not written: that agent knows itself whether it is durable.
- Nothing is made: a directory that is not there is looked for in the directory above.
- The test of a write is a file of this check's own. It is removed at once.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_oom.check.finding import Finding, finding_of_line
from otel_oom.spool import file_trust
from otel_oom.spool.directory_lock import holder_of

_NAME: Final = "spool"
_REMEDY: Final = "repair it, or name another place with --spool"
_GONE: Final = {
    "tmpfs": "is in memory (tmpfs), and is gone after a reboot",
    "ramfs": "is in memory (ramfs), and is gone after a reboot",
    "overlay": "is in the container's own layer (overlay), and is gone with the container",
}


def check_spool_place(spool: Path | None) -> Finding:
    """The finding for the spool of the settings. None: without one."""
    if spool is None:
        return Finding(
            _NAME, "warning", "none: undelivered events and counts end with the process", "name a directory: --spool"
        )
    try:
        file_trust.check_links(spool)
        if not spool.exists():
            return _above(spool)
        os.close(file_trust.open_directory(spool))
        pid = _running_holder(spool)
        if pid is not None:
            return Finding(_NAME, "ok", f"{spool} is used by process {pid}, and was not written by this check")
        took_ms = _write(spool)
        warning = file_trust.warning(spool)
    except OSError as error:
        why = error.strerror or str(error)
        return Finding(_NAME, "failed", f"{spool} cannot be written: {why}", _REMEDY)
    if warning:
        return finding_of_line(_NAME, warning)
    return _lasting(spool, f"{spool} can be written; a write reached its disk within {took_ms:.0f} ms")


def filesystem_of(path: Path, mountinfo: str) -> str:
    """The type of the filesystem that a path is on, empty if unknown. mountinfo: text of /proc/self/mountinfo."""
    found, kind = Path(), ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        columns = before.split(" ")
        place = Path(columns[4]) if len(columns) > 4 else None
        # A later mount covers an earlier one.
        if place is not None and place in (path, *path.parents) and len(place.parts) >= len(found.parts):
            found, kind = place, after.partition(" ")[0]
    return kind


def _above(spool: Path) -> Finding:
    there = next(parent for parent in spool.parents if parent.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return _lasting(there, f"{spool} is not there yet, and can be made in {there}")
    return Finding(_NAME, "failed", f"{spool} cannot be made: no permission to write {there}", _REMEDY)


def _running_holder(spool: Path) -> str | None:
    """The process that holds the lock of a spool, None if it has ended, or is this one."""
    pid = holder_of(spool)
    return pid if pid is not None and pid != str(os.getpid()) and Path(f"/proc/{pid}").exists() else None


def _write(spool: Path) -> float:
    """Write a file to the disk and remove it. Returns how long that took, ms. Raises: OSError."""
    path = spool / f".check-{os.getpid()}"
    began_s = time.monotonic()
    try:
        with file_trust.create(path) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)
    return (time.monotonic() - began_s) * 1000


def _lasting(place: Path, text: str) -> Finding:
    kind = ""
    with suppress(OSError):
        kind = filesystem_of(Path(os.path.realpath(place)), Path("/proc/self/mountinfo").read_text("utf-8", "replace"))
    if kind in _GONE:
        return Finding(_NAME, "warning", f"{text}, but it {_GONE[kind]}", "give it a disk: a volume, or a host path")
    return Finding(_NAME, "ok", text)
