"""The file of a spool, as tests look into it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from otel_oom.spool.sqlite_store import SqliteStore, Stored

NEWEST_CHECKPOINT: Final = (
    "(SELECT * FROM checkpoint_even UNION ALL SELECT * FROM checkpoint_odd ORDER BY number DESC LIMIT 1)"
)
"""For SQL: the newest checkpoint as a table."""


def opened(directory: Path) -> Stored:
    """What a store returns when it is opened; it is closed again."""
    store = SqliteStore(directory)
    try:
        return store.open()
    finally:
        store.close()
