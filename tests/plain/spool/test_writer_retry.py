"""A store that cannot be opened is tried again after a pause, and not all the time."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from support.agent_rig import first_checkpoint
from support.waiting import eventually

from otel_oom.health import Health
from otel_oom.spool.spool import Spool
from otel_oom.spool.sqlite_store import SqliteStore
from otel_oom.spool.writer import SpoolWriter


def test_a_failing_store_is_opened_again_after_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened_s: list[float] = []

    def fail(_: SqliteStore) -> None:
        opened_s.append(time.monotonic())
        raise OSError("no such disk")

    monkeypatch.setattr(SqliteStore, "open", fail)
    monkeypatch.setattr("otel_oom.spool.writer._RETRY_S", 0.3)
    writer = SpoolWriter(tmp_path, 3600.0)
    assert writer.load(10.0) is None
    spool = Spool(Health(), first_checkpoint(), has_writer=True)
    writer.follow(spool)
    try:
        assert eventually(lambda: len(opened_s) >= 4)
    finally:
        assert writer.stop(10.0)
    # The first one is that of the start, and the stop tries once more without a pause.
    pauses_s = [after - before for before, after in pairwise(opened_s[1:4])]
    assert all(pause_s >= 0.29 for pause_s in pauses_s), pauses_s
