"""A spool that cannot be used: the agent works in memory, reports it, deletes nothing, and uses it once it can."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from disk.loop_mount import Disk
from disk.scene import Scene, scene, stored_kills
from support import received_telemetry
from support.agents import AgentProcess
from support.levels import missing

from otel_oom import schema
from otel_oom.spool.store_tables import APPLICATION_ID

RECOVERS_S = 6.0
HELD = 75
WITHOUT_FILE_CAPABILITIES = [
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search,-chown,-fowner",
    "--inh-caps=-all",
]


def works_in_memory(stage: Scene, agent: AgentProcess, why: str) -> None:
    stage.said(agent, "cannot write the spool, continuing in memory only")
    assert why in agent.said(), agent.said()
    stage.kill(2)
    stage.everything_arrives()
    stage.becomes(schema.KILLS, stage.judge.counted, "cgroup")
    stage.becomes(schema.SPOOL_DURABLE, 0)


def works_on_disk(stage: Scene) -> None:
    stage.becomes(schema.SPOOL_DURABLE, 1, within_s=RECOVERS_S)
    stage.kill()
    stage.everything_arrives()
    stage.becomes(schema.KILLS, stage.judge.counted, "cgroup")


def test_a_disk_mounted_read_only(tmp_path: Path) -> None:
    with scene(tmp_path) as stage, Disk(tmp_path) as disk:
        disk.make_read_only()
        with stage.agent("agent", disk.path) as agent:
            works_in_memory(stage, agent, "Read-only file system")
            disk.make_writable()
            works_on_disk(stage)
        assert stored_kills(disk.path) == stage.judge.counted


def test_a_disk_that_fails_and_another_one_mounted_in_its_place(tmp_path: Path) -> None:
    with scene(tmp_path) as stage, Disk(tmp_path) as failing:
        with stage.agent("agent", failing.path) as agent:
            stage.receiver.exports(1)
            stage.kill()
            stage.becomes(schema.SPOOL_DURABLE, 1)
            failing.fail()
            works_in_memory(stage, agent, str(failing.path))
            with Disk(tmp_path, name="other") as other:
                works_on_disk(stage)
                agent.process.kill()
                agent.process.wait()
                assert stored_kills(other.path) == stage.judge.counted
        stage.assert_one_series()


def test_a_directory_of_another_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent runs as root without the capabilities that overrule file permissions."""
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    os.chown(spool, 65534, 65534)
    if shutil.which("setpriv") is None:
        missing("kernel", "no setpriv (util-linux)")
    weak = tmp_path / "python"
    weak.write_text(f'#!/bin/sh\nexec {" ".join(WITHOUT_FILE_CAPABILITIES)} {sys.executable} "$@"\n')
    weak.chmod(0o755)
    with scene(tmp_path) as stage:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(weak))
            starting = stage.agent("agent", spool)
        with starting as agent:
            works_in_memory(stage, agent, f"{spool} belongs to uid 65534, not to root or to the agent's user")
            os.chown(spool, 0, 0)
            works_on_disk(stage)
        assert stored_kills(spool) == stage.judge.counted


def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.write_text("precious")
    with scene(tmp_path) as stage:
        with stage.agent("agent", spool) as agent:
            works_in_memory(stage, agent, "File exists")
            assert spool.read_text() == "precious"
            spool.rename(tmp_path / "moved")
            works_on_disk(stage)
        assert stored_kills(spool) == stage.judge.counted


def newer(spool: Path) -> None:
    with closing(sqlite3.connect(spool / "spool.db")) as database:
        database.execute("PRAGMA user_version = 99")
        database.execute(f"PRAGMA application_id = {APPLICATION_ID + 99}")


def garbage(spool: Path) -> None:
    (spool / "spool.db").write_bytes(os.urandom(8192))


def truncated(spool: Path) -> None:
    os.truncate(spool / "spool.db", 4096)


def flipped(spool: Path) -> None:
    """Invert every byte after the first page."""
    file = spool / "spool.db"
    content = file.read_bytes()
    file.write_bytes(content[:4096] + bytes(byte ^ 0xFF for byte in content[4096:]))


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (newer, "spool.db.version-99.0"),
        (garbage, "spool.db.damaged.0"),
        (truncated, "spool.db.damaged.0"),
        (flipped, "spool.db.damaged.0"),
    ],
)
def test_a_file_that_cannot_be_read_is_kept(spoil: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with scene(tmp_path) as stage:
        with stage.agent("first", spool) as agent:
            stage.receiver.exports(1)
            stage.kill()
            stage.everything_arrives()
            stage.becomes(schema.KILLS, 1, "cgroup")
            assert agent.terminate() == 0
        spoil(spool)
        content = (spool / "spool.db").read_bytes()
        with stage.agent("second", spool) as agent:
            assert agent.said().count("and is kept as") == 1
            assert f"kept as {spool / name};" in agent.said()
            stage.kill(2)
            stage.everything_arrives()
            stage.becomes(schema.KILLS, 2, "cgroup")
            stage.becomes(schema.SPOOL_DURABLE, 1)
            assert agent.terminate() == 0
        assert (spool / name).read_bytes() == content
        assert stored_kills(spool) == 2
        # The old totals cannot be read: the new ones begin at 0, and a metric store sees a reset.
        points = received_telemetry.points(stage.receiver, schema.KILLS, "cgroup")
        assert received_telemetry.increase(points) == stage.judge.counted == 3
        assert len({point.start_time_unix_nano for point in points}) == 2
        assert [after.start_time_unix_nano > before.start_time_unix_nano for before, after in pairwise(points)] == [
            after.value < before.value for before, after in pairwise(points)
        ]


def test_a_spool_that_a_running_agent_holds(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with scene(tmp_path) as stage, stage.agent("first", spool) as first:
        stage.receiver.exports(1)
        second = stage.agent("second", spool)
        assert second.process.wait(5) == HELD
        assert second.said().count("\n") == 1
        assert f"another otel-oom (pid {first.process.pid}) uses the spool {spool}" in second.said()
        works_on_disk(stage)
