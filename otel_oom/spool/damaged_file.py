"""Reads as much as possible of a damaged file, and leaves the file as it is.

First comes what SQLite reads in the file itself. If that is not everything, repaired copies of the file are read as
well. Then each page of a copy is read by itself: one bad page near the root hides all pages below it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from otel_oom.spool.file_trust import create
from otel_oom.spool.lost_checkpoint import checkpoint_from_events
from otel_oom.spool.repaired_copy import leaf_pages, repaired_copies
from otel_oom.spool.sqlite_connection import connect
from otel_oom.spool.store_reading import read_content, read_leaf_pages
from otel_oom.spool.store_tables import Content


def rescue(path: Path, content: Content, cut_off: int, first_page: bytes) -> Content:
    """Return all events that can be read, and the checkpoint to go on from.

    content: of the file as it is; cut_off: how many commits SQLite does not accept
    first_page: of an empty file of this format

    The checkpoint may be an older one: the kernel log is read again from there, as far as it reaches. A collector may
    have newer totals than this checkpoint. So it is marked as one of a crash, and the log is read before the first
    export.

    Raises: OSError, sqlite3.Error.
    """
    if cut_off or not content.is_complete:
        has_read = not cut_off and bool(content.events or content.checkpoint)
        content = _with_copies(path, content, first_page, has_read=has_read)
        content = replace(content, checkpoint=content.checkpoint and replace(content.checkpoint, is_ended=False))
    if content.checkpoint is None:
        content = replace(content, checkpoint=checkpoint_from_events(event for _, event in content.events))
    return content


def _with_copies(path: Path, content: Content, first_page: bytes, *, has_read: bool) -> Content:
    """Return the content, with what repaired copies of the file hold in addition.

    has_read: SQLite finds the tables, so a copy with another first page would give nothing new
    """
    copy = path.with_name(f"{path.name}.copy")
    try:
        create(copy).close()
        for repaired in repaired_copies(path, copy, first_page):
            if has_read:
                continue
            with closing(connect(repaired)) as database:
                found = read_content(database)
            if found.is_complete:
                return replace(found, damage=content.damage)
            content = _joined(content, found)
            has_read = bool(found.events or found.checkpoint)
        if content.lost != 0:
            content = _with_leaves(copy, content)
        return content
    finally:
        copy.unlink(missing_ok=True)


def _with_leaves(copy: Path, content: Content) -> Content:
    """Return the content, with the events of pages that the tree of the table does not reach any more.

    Such pages may also hold events that were delivered before. Events with lower numbers than the stored ones are left
    out.
    """
    with closing(connect(copy)) as database:
        found = read_leaf_pages(database, leaf_pages(copy), dict(content.events))
    newest = max(found, default=0)
    oldest = min((number for number, _ in content.events), default=0)
    if content.event_count is not None:
        oldest = newest - content.event_count + 1
    events = tuple((number, event) for number, event in found.items() if number >= oldest)
    return _joined(content, replace(content, events=events))


def _joined(content: Content, found: Content) -> Content:
    """Return the events of both. For an event or a checkpoint in both, that of `content` is used."""
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
