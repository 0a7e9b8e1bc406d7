"""The lock of a spool is held by a process that this one cannot see, as in another container."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from otel_oom.spool.directory_lock import LOCK, StoreHeldError
from otel_oom.spool.sqlite_store import SqliteStore

INVISIBLE_PID = 2**22 + 1
"""More than the kernel's greatest pid (PID_MAX_LIMIT)."""


def test_an_invisible_holder_is_an_agent_that_runs(tmp_path: Path) -> None:
    with (tmp_path / LOCK).open("w") as lock:
        lock.write(f"{INVISIBLE_PID}\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreHeldError, match=str(INVISIBLE_PID)):
            SqliteStore(tmp_path).open()
