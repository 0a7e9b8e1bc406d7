"""A disk that hangs while the agent watches: nothing waits for it, and afterwards it has everything."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import pytest
from disk.loop_mount import Disk
from disk.scene import FREEZE_S, scene, spread_ms, stored_events, stored_kills
from support.waiting import eventually

from otel_oom import schema

PACE_S = 0.1
FIRST_S = 2.0
HANGING_S = 1.0
"""After this time without an answer of the disk, the counter is exported without it."""

COUNTER_S = 0.35  # the agent needs 0.1; a busy machine with two cores needs more


@pytest.mark.timeout(120 + 2 * FREEZE_S)
def test_a_hanging_disk_delays_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scene(tmp_path) as stage, Disk(tmp_path) as disk:
        spool = disk.path / "spool"
        with stage.agent("agent", spool) as agent:
            stage.receiver.exports(1)
            stage.kill(round(FIRST_S / PACE_S), every_s=PACE_S)
            stage.everything_arrives()
            before = list(stage.delays_ms().values())
            stage.becomes(schema.KILLS, len(before), "cgroup")

            with disk.frozen():
                frozen_s = time.monotonic()
                while time.monotonic() < frozen_s + FREEZE_S:
                    stage.kill(every_s=PACE_S)
                stage.everything_arrives()
                stage.becomes(schema.KILLS, stage.judge.counted, "cgroup")
                stage.becomes(schema.SPOOL_DURABLE, 0)
                thawed_s = time.monotonic()  # before the thaw: the agent may write before the thaw has returned
            durable_s = stage.becomes_durable(thawed_s, within_s=5)
            stage.kill()
            stage.everything_arrives()
            stage.becomes(schema.KILLS, stage.judge.counted, "cgroup")
            stage.becomes(schema.SPOOL_DURABLE, 1)
            # An event that was stored during its delivery is deleted with the next commit.
            assert eventually(lambda: stored_events(spool) == 0)
            said = agent.said()

        during = list(stage.delays_ms().values())[len(before) : -1]
        counters = stage.counter_delays_s()
        first, later = counters[len(before)], counters[len(before) :]
        waiting = [delay for delay in later if delay > COUNTER_S]
        durable = [value for _, value in stage.durable()]
        with capsys.disabled():
            print(f"\n| before       | {spread_ms(before)}; counter max {max(counters[: len(before)]) * 1000:.0f} ms |")  # noqa: T201
            print(f"| hangs {FREEZE_S:2.0f} s   | {spread_ms(during)}; counter first {first * 1000:.0f} ms,", end="")  # noqa: T201
            print(f" median {median(later) * 1000:.0f} ms, over {COUNTER_S} s: {len(waiting)} |")  # noqa: T201
            print(f"| durable again after {durable_s * 1000:.0f} ms |")  # noqa: T201

        assert median(during) <= 1.5 * median(before) + 1.0
        assert max(during) <= max(2 * max(before), 50.0)
        assert max(counters[: len(before)]) <= COUNTER_S
        assert max(later) <= HANGING_S + COUNTER_S
        # Only the kills of the first second wait, until its end.
        assert len(waiting) <= HANGING_S / PACE_S + 1
        assert durable_s <= 1.0
        assert [value for value, before_it in zip(durable, [None, *durable], strict=False) if value != before_it] == [
            1,
            0,
            1,
        ]
        assert said.count("continuing in memory only") == 1
        assert said.count("the spool is written again") == 1
        stage.assert_one_series()
        # Leaving the agent's context was a SIGKILL: what is stored was written before it.
        assert stored_kills(spool) == stage.judge.counted
        assert len(stage.receiver.delivered) == len(set(stage.receiver.delivered)) == stage.judge.counted
