"""A spool that cannot be used: the agent goes on, says so, throws nothing away, and takes it when it is mended."""

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
from crash import ledger
from disk.loop import Disk
from disk.scene import Scene, scene, stored_kills
from support.agents import AgentProcess
from support.levels import missing

from otel_oom import schema

MENDS_S = 6.0
HELD = 75
WITHOUT_ROOTS_POWERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-chown,-fowner", "--inh-caps=-all"]


def works_in_memory(stage: Scene, agent: AgentProcess, why: str) -> None:
    stage.said(agent, "cannot write the spool, going on in memory alone")
    assert why in agent.said(), agent.said()
    stage.kill(2)
    stage.everything_arrives()
    stage.becomes(schema.KILLS, stage.judge.counted, "cgroup")
    stage.becomes(schema.SPOOL_DURABLE, 0)


def works_on_disk(stage: Scene) -> None:
    stage.becomes(schema.SPOOL_DURABLE, 1, within_s=MENDS_S)
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


def test_a_disk_that_fails_and_another_that_takes_its_place(tmp_path: Path) -> None:
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
    """Root's power over all files is given up: what is left is a user like any other who may read the kernel log."""
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    os.chown(spool, 65534, 65534)
    if shutil.which("setpriv") is None:
        missing("kernel", "no setpriv (util-linux)")
    weak = tmp_path / "python"
    weak.write_text(f'#!/bin/sh\nexec {" ".join(WITHOUT_ROOTS_POWERS)} {sys.executable} "$@"\n')
    weak.chmod(0o755)
    with scene(tmp_path) as stage:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(weak))
            starting = stage.agent("agent", spool)
        with starting as agent:
            works_in_memory(stage, agent, "Permission denied")
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


def garbage(spool: Path) -> None:
    (spool / "spool.db").write_bytes(os.urandom(8192))


def truncated(spool: Path) -> None:
    os.truncate(spool / "spool.db", 4096)


def flipped(spool: Path) -> None:
    """Every byte of all pages after the first one."""
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
            assert agent.said().count("the spool could not be read, and is kept as") == 1
            assert f"kept as {spool / name};" in agent.said()
            stage.kill(2)
            stage.everything_arrives()
            stage.becomes(schema.KILLS, 2, "cgroup")
            stage.becomes(schema.SPOOL_DURABLE, 1)
            assert agent.terminate() == 0
        assert (spool / name).read_bytes() == content
        assert stored_kills(spool) == 2
        # The old totals are out of reach: new ones begin at 0, and a store sees a reset.
        points = ledger.points(stage.receiver, schema.KILLS, "cgroup")
        assert ledger.increase(points) == stage.judge.counted == 3
        assert len({point.start_ns for point in points}) == 2
        assert [after.start_ns > before.start_ns for before, after in pairwise(points)] == [
            after.value < before.value for before, after in pairwise(points)
        ]


def test_a_spool_that_a_living_agent_holds(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with scene(tmp_path) as stage, stage.agent("first", spool) as first:
        stage.receiver.exports(1)
        second = stage.agent("second", spool)
        assert second.process.wait(5) == HELD
        assert second.said().count("\n") == 1
        assert f"another otel-oom (pid {first.process.pid}) uses the spool {spool}" in second.said()
        works_on_disk(stage)
