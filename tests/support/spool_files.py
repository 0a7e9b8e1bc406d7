"""The file of a spool, as tests look into it."""

from __future__ import annotations

from typing import Final

NEWEST_CHECKPOINT: Final = (
    "(SELECT * FROM checkpoint_even UNION ALL SELECT * FROM checkpoint_odd ORDER BY number DESC LIMIT 1)"
)
"""For SQL: the newest checkpoint as a table."""
