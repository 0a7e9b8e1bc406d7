"""Takes out of a damaged file what can be read, and leaves the file as it is.

Input: what SQLite gives of the file itself. If that is not all, repaired copies of it are read as well.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from otel_oom.spool.lost_checkpoint import checkpoint_from_events
from otel_oom.spool.repaired_copy import repaired_copies
from otel_oom.spool.store_reading import connect, read_content
from otel_oom.spool.store_tables import Content


def rescue(path: Path, content: Content, cut_off: int, first_page: bytes) -> Content:
    """All events that can be read, and the checkpoint to go on from.

    content: of the file as it is; cut_off: how many commits SQLite does not accept
    first_page: of an empty file of this format

    If events are lost, the checkpoint is the older one: what the kernel log still holds of them is read again.

    Raises: OSError, sqlite3.Error.
    """
    if cut_off or not content.is_complete:
        content = _with_copies(path, content, first_page)
    if content.checkpoint is None:
        content = replace(content, checkpoint=checkpoint_from_events(event for _, event in content.events))
    return content


def _with_copies(path: Path, content: Content, first_page: bytes) -> Content:
    copy = path.with_name(f"{path.name}.copy")
    try:
        os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        for repaired in repaired_copies(path, copy, first_page):
            with closing(connect(repaired)) as database:
                found = read_content(database)
            if found.is_complete:
                return replace(found, damage=content.damage)
            content = _joined(content, found)
        return content
    finally:
        copy.unlink(missing_ok=True)


def _joined(content: Content, found: Content) -> Content:
    events = {**dict(found.events), **dict(content.events)}
    count = content.event_count if found.event_count is None else found.event_count
    known = [lost for lost in (content.lost, found.lost) if lost is not None]
    lost = min(known, default=None) if count is None else max(0, count - len(events))
    return replace(
        content,
        events=tuple(sorted(events.items())),
        checkpoint=content.checkpoint or found.checkpoint,
        event_count=count,
        lost=lost,
    )
