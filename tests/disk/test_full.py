"""A disk that is full during a storm of kills."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from disk.loop_mount import Disk
from disk.scene import STORM, scene, spread_ms, stored_events, stored_kills
from support.waiting import eventually

from otel_oom import schema

_FIRST_COMMIT = """
import sqlite3, sys
from pathlib import Path
from support.agent_rig import first_checkpoint
from otel_oom.spool.spool import Commit
from otel_oom.spool.sqlite_store import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
try:
    store.open()
    store.commit(Commit((), (), (), first_checkpoint(), replaces_all=False, number=1))
    print("stored")
except (OSError, sqlite3.Error) as error:
    print(error)
"""
_TESTS = Path(__file__).parents[1]
RECOVERS_S = 6.0  # the writer tries again every 5 s


def test_a_full_disk_costs_durability_and_no_kill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scene(tmp_path) as stage, Disk(tmp_path, mib=4) as disk:
        spool = disk.path / "spool"
        with stage.agent("agent", spool) as agent:
            stage.receiver.exports(1)
            stage.kill(3)
            stage.becomes(schema.KILLS, 3, "cgroup")
            disk.fill()
            began_s = time.monotonic()
            stage.storm(STORM)
            storm_s = time.monotonic() - began_s
            stage.everything_arrives(within_s=30)
            stage.becomes(schema.KILLS, stage.judge.counted, "cgroup")
            stage.becomes(schema.SPOOL_DURABLE, 0)
            assert agent.said().count("cannot write the spool, continuing in memory only") == 1
            assert "full" in agent.said()

            disk.make_room()
            roomy_s = time.monotonic()
            durable_s = stage.becomes_durable(roomy_s, within_s=RECOVERS_S)
            assert agent.said().count("the spool is written again") == 1
            with capsys.disabled():
                delays = list(stage.delays_ms().values())[3:]
                print(f"\n| full | {STORM} kills in {storm_s:.1f} s | {spread_ms(delays)} |")  # noqa: T201
                print(f"| durable {durable_s:.2f} s after there was room |")  # noqa: T201
            stage.kill()
            stage.everything_arrives()
            stage.becomes(schema.KILLS, stage.judge.counted, "cgroup")
            # An event that was stored during its delivery is deleted with the next commit.
            assert eventually(lambda: stored_events(spool) == 0)
        assert stored_kills(spool) == stage.judge.counted
        stage.assert_one_series()
        assert len(stage.receiver.delivered) == len(set(stage.receiver.delivered))


def test_events_that_did_not_fit_on_the_disk_are_stored_when_there_is_room(tmp_path: Path) -> None:
    with scene(tmp_path) as stage, Disk(tmp_path, mib=4) as disk:
        spool = disk.path / "spool"
        with stage.agent("first", spool) as agent:
            stage.receiver.exports(1)
            disk.fill()
            stage.receiver.stop()
            stage.kill(20)
            stage.said(agent, "cannot write the spool")
            disk.make_room()
            stage.said(agent, "the spool is written again")
        assert stored_kills(spool) == stored_events(spool) == stage.judge.counted == 20
        stage.receiver.start()
        with stage.agent("second", spool):
            stage.everything_arrives()
            stage.becomes(schema.KILLS, 20, "cgroup")
        stage.assert_one_series()


def test_no_size_of_free_space_ends_the_process_by_a_signal(tmp_path: Path) -> None:
    """Blocks of 1 KiB: SQLite's index, which is mapped into memory, could have holes."""
    results = set()
    with Disk(tmp_path, mib=4) as disk:
        spool = disk.path / "spool"
        for free_kib in range(0, 160, 8):
            disk.fill(free_kib=free_kib)
            command = [sys.executable, "-c", _FIRST_COMMIT, str(spool)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_TESTS)
            assert (done.returncode, done.stderr) == (0, ""), f"{free_kib} KiB are free"
            results.add(done.stdout)
            disk.make_room()
            shutil.rmtree(spool, ignore_errors=True)
    assert "stored\n" in results
    assert any("disk is full" in result or "No space left" in result for result in results)
