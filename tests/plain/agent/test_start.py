"""What holds before the first export: which totals, and under which identity a backlog counts."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from support.agent_rig import kill
from support.agents import environment
from support.pipelines import event
from support.sources import Script

from otel_oom import schema
from otel_oom.agent import start
from otel_oom.agent.start import ReadyAgent
from otel_oom.config.settings import load_config
from otel_oom.errors import NoSpoolError, SpoolHeldError, UsageError
from otel_oom.machine.identity import read_machine_identity
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.spool.spool import Commit
from otel_oom.spool.sqlite_store import SqliteStore
from otel_oom.spool.writer import SpoolWriter
from otel_oom.surroundings import CGROUP_NAMESPACE, PID_NAMESPACE
from otel_oom.telemetry.event import Attributes
from otel_oom.totals import ResourceIdentity, Totals

HERE = read_machine_identity()
STORED = Checkpoint(HERE.boot_id, HERE.resource_identity(), Totals(5, {"cgroup": 2}), cursor=10, first_uncounted=10)


def store(directory: Path, checkpoint: Checkpoint) -> None:
    """What an agent before this one left."""
    one = SqliteStore(directory)
    one.open()
    one.commit(Commit([], [], [], checkpoint, replaces_all=True, number=1))
    one.close()


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., ReadyAgent]:
    """Starts an agent on the spool in tmp_path, over a log that holds two kills; nothing runs yet."""

    def begin(**variables: str) -> ReadyAgent:
        for name in [name for name in os.environ if name.startswith("OTEL_")]:
            monkeypatch.delenv(name)
        source = Script()
        source.put(kill(10), kill(11))
        settings = environment(OTEL_OOM_SPOOL=str(tmp_path / "spool"), **variables)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        running = start.prepare(load_config(settings), source=source)
        assert running.writer is not None
        running.writer.stop(10.0)
        return running

    return begin


@pytest.mark.parametrize(
    ("stored", "exported"),
    [
        pytest.param(STORED, 4, id="after a crash the backlog is part of the first export"),
        pytest.param(replace(STORED, is_ended=True), 2, id="after a stop the old total comes first"),
        pytest.param(replace(STORED, boot_id="before"), 0, id="in a new boot 0 comes first"),
        pytest.param(None, 0, id="at a first start 0 comes first"),
        pytest.param(
            replace(STORED, carried_over=Totals(1, {"cgroup": 1})),
            2,
            id="what is carried over is not in the first export",
        ),
    ],
)
def test_which_totals_are_exported_first(
    stored: Checkpoint | None, exported: int, tmp_path: Path, begin: Callable[..., ReadyAgent]
) -> None:
    if stored is not None:
        store(tmp_path / "spool", stored)
    running = begin()
    assert running.spool.exportable.totals.kills.get("cgroup", 0) == exported


def test_a_damaged_spool_is_said_and_counted_and_the_agent_starts(
    tmp_path: Path, begin: Callable[..., ReadyAgent], caplog: pytest.LogCaptureFixture
) -> None:
    """Its checkpoint is lost. The log of this test holds the kills 10 and 11; the spool has an event of 10."""
    places: Attributes = {schema.BOOT_ID.name: HERE.boot_id, schema.KMSG_SEQUENCE.name: 10}
    saved = replace(event("saved"), attributes={**event("saved").attributes, **places}, identity=STORED.identity)
    one = SqliteStore(tmp_path / "spool")
    one.open()
    one.commit(Commit([(1, saved), (2, event("bad"))], [], [], STORED, replaces_all=True, number=1))
    one.close()
    with closing(sqlite3.connect(tmp_path / "spool" / "spool.db")) as database, database:
        database.execute("UPDATE events SET event = '[]' WHERE number = 2")
        database.execute("UPDATE checkpoint_odd SET state = CAST(x'ff' AS TEXT)")
    running = begin()
    assert [one.uid for one in running.spool.peek(9, 1 << 20)] == ["saved"]
    assert running.health.dropped == {"damaged": 1}
    (line,) = [message for message in caplog.messages if "the spool is damaged" in message]
    assert "1 undelivered event(s) of it are saved, 1 or more are lost; totals begin again at 0; check the disk" in line
    assert running.spool.exportable.totals.kills == {}, "0 is exported first"
    running.stop()
    running.run()
    assert running.spool.totals.kills == {"cgroup": 1}, "kill 10 was counted by the earlier agent"


def test_kills_from_before_an_identity_change_belong_to_the_old_identity(
    tmp_path: Path, begin: Callable[..., ReadyAgent]
) -> None:
    before = ResourceIdentity("another")
    store(tmp_path / "spool", replace(STORED, identity=before, is_ended=True))
    running = begin()
    assert (running.spool.exportable.identity, running.spool.totals.kills) == (HERE.resource_identity(), {})
    assert running.spool.retired is not None
    assert (running.spool.retired.series.identity, running.spool.retired.series.totals.kills) == (before, {"cgroup": 4})
    assert [event.identity for event in running.spool.peek(9, 1 << 20)] == [before, before]


def test_an_identity_file_that_cannot_be_read_yet_is_no_identity_change(
    tmp_path: Path, begin: Callable[..., ReadyAgent], caplog: pytest.LogCaptureFixture
) -> None:
    before = ResourceIdentity("another")
    store(tmp_path / "spool", replace(STORED, identity=before, is_ended=True))
    running = begin(OTEL_OOM_IDENTITY_FILE=str(tmp_path / "not written yet"))
    assert (running.spool.exportable.identity, running.spool.retired) == (before, None)
    assert any("cannot be read" in message for message in caplog.messages)


def test_without_a_spool_the_series_is_of_this_run_alone(begin: Callable[..., ReadyAgent], tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file is in its place")
    first, second = begin(), begin()
    identities = [one.spool.exportable.identity for one in (first, second)]
    ids = {identity.service_instance_id for identity in identities}
    assert len(ids | {HERE.instance_id}) == 3
    assert {UUID(one).version for one in ids} == {5}
    assert all(identity.is_of_machine(HERE.instance_ids) for identity in identities)
    assert first.health.is_durable is False


def test_a_required_spool_that_cannot_be_opened_ends_the_start(
    begin: Callable[..., ReadyAgent], tmp_path: Path
) -> None:
    (tmp_path / "spool").write_text("a file is in its place")
    with pytest.raises(NoSpoolError, match="cannot open the spool"):
        begin(OTEL_OOM_SPOOL_REQUIRED="true")


def test_a_start_that_fails_gives_the_spool_back(begin: Callable[..., ReadyAgent], tmp_path: Path) -> None:
    holder = SqliteStore(tmp_path / "spool")
    holder.open()
    with pytest.raises(SpoolHeldError, match=f"pid {os.getpid()}"):
        begin()
    holder.close()
    with pytest.raises(UsageError, match="is no header that HTTP can carry"):
        begin(OTEL_EXPORTER_OTLP_HEADERS="x-key=a%0Ab")
    assert begin().spool.exportable.totals.kills == {}


@pytest.mark.parametrize(
    ("sees_host_pids", "sees_host_cgroups", "warnings"),
    [
        (True, True, []),
        (
            False,
            True,
            [f"not in the initial pid namespace: events come without executable and parent ({PID_NAMESPACE.here()})"],
        ),
        (
            True,
            False,
            [f"not in the initial cgroup namespace: kills without a report have no cgroup ({CGROUP_NAMESPACE.here()})"],
        ),
    ],
)
def test_another_namespace_is_a_warning(
    begin: Callable[..., ReadyAgent],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    sees_host_pids: bool,
    sees_host_cgroups: bool,
    warnings: list[str],
) -> None:
    monkeypatch.setattr("otel_oom.machine.procfs.sees_host_pids", lambda: sees_host_pids)
    monkeypatch.setattr("otel_oom.agent.start.sees_host_cgroups", lambda: sees_host_cgroups)
    begin()
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == warnings


@pytest.mark.parametrize(
    ("has_stopped", "warnings"),
    [(True, []), (False, ["the spool's disk does not answer, and may hold this process until it does"])],
)
def test_a_disk_that_hangs_at_the_stop_is_a_warning(
    begin: Callable[..., ReadyAgent],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    has_stopped: bool,
    warnings: list[str],
) -> None:
    running = begin(OTEL_LOGS_EXPORTER="none", OTEL_METRICS_EXPORTER="none")
    monkeypatch.setattr(SpoolWriter, "stop", lambda *_: has_stopped)
    caplog.clear()
    running.stop()
    running.run()
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == warnings
    assert running.spool.checkpoint.is_ended
