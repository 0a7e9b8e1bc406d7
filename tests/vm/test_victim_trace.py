"""Kills without a report get their cgroup from the kernel's trace events. The judge is the name of each victim."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from vm.container_storm import LONG_LOG, Containers, container_of, sources
from vm.kernels import GUEST
from vm.machine import Guest
from vm.scene import scene

from otel_oom import schema
from otel_oom.agent.reconciliation import MIN_SURPLUS_AGE_S

KILLS = 100
KILLS_LOST = 300
MEMORY_MIB = 1024
PATIENCE_S = 240.0
ACKNOWLEDGED_S = 3.0  # until the agent has stored what the receiver accepted
TRACEFS = "mount -t tracefs tracefs /sys/kernel/tracing"
FLOOD = 'import os; log = os.open("/dev/kmsg", os.O_WRONLY); [os.write(log, b"x" * 500) for _ in range(5000)]'
FROM_TRACE = "kills without a report get their cgroup from the kernel's trace events"
FROM_PROC = "kills without a report get their cgroup from /proc, which has it for some of them: "

pytestmark = pytest.mark.timeout(900)


def test_pids_that_are_used_again_at_once_give_no_wrong_owner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scene("6.12", tmp_path, memory_mib=MEMORY_MIB, boot_options=LONG_LOG) as stage:
        stage.guest.shell(TRACEFS)
        containers = Containers(stage.guest, 8)
        containers.make()
        stage.start()
        stage.guest.shell("echo 500 > /proc/sys/kernel/pid_max")
        received = stage.await_received(containers.storm(2 * KILLS, parallel=8))
        assert containers.wrong(received) == []
        pids = {kill[schema.PID] for kill in received}
        with capsys.disabled():
            print(f"\n| 6.12, 8 at a time | {len(received)} kills | {len(pids)} pids | {dict(sources(received))} |")  # noqa: T201
        assert len(pids) < len(received), "some pids were used again"


def test_kills_while_no_agent_runs_have_their_owner_also_if_the_pod_is_gone(tmp_path: Path) -> None:
    with scene("6.12", tmp_path, memory_mib=MEMORY_MIB, boot_options=LONG_LOG) as stage:
        stage.guest.shell(TRACEFS)
        containers = Containers(stage.guest, 8)
        containers.make()
        stage.start()
        stage.kill()
        stage.await_received(1)
        stage.signal("KILL")
        stage.await_end()
        kills = containers.storm(KILLS)
        containers.remove()
        stage.start()
        _, *received = stage.await_distinct(1 + kills)
        assert containers.wrong(received) == []
        assert all(schema.BACKLOG in kill for kill in received)


@pytest.mark.parametrize(
    ("name", "before", "reason"),
    [("6.12", "true", "tracefs is not mounted at /sys/kernel/tracing"), ("6.1", TRACEFS, "no typed probe (")],
)
def test_what_is_not_to_be_had_is_said_at_the_start(tmp_path: Path, name: str, before: str, reason: str) -> None:
    with scene(name, tmp_path) as stage:
        stage.guest.shell(before)
        stage.start()
        assert FROM_PROC + reason in stage.said()
        stage.kill()
        stage.await_received(1)


def start(guest: Guest, what: str) -> None:
    """Start the program that finds cgroups as the agent does, and wait until it is ready."""
    program = (GUEST / "find_cgroups.py").read_text()
    guest.shell(f"cat > /run/find_cgroups.py <<'END'\n{program}\nEND")
    guest.shell(f"setsid python3 /run/find_cgroups.py {what} > /run/found 2>&1 < /dev/null & echo $! > /run/pid")
    assert "unavailable" not in await_rows(guest, bool)[0]


def await_rows(guest: Guest, are_all: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Wait for that program's output: one object for each line."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        said = guest.shell("cat /run/found")
        assert "Traceback" not in said, said
        rows = [json.loads(line) for line in said.splitlines() if line.endswith("}")]
        if are_all(rows):
            return rows
        assert time.monotonic() < deadline_s, said[-2000:]
        time.sleep(0.2)


def test_the_event_is_there_when_the_kill_line_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its time is that of the log's clock: right before the line."""
    with scene("6.12", tmp_path, memory_mib=MEMORY_MIB, boot_options=LONG_LOG) as stage:
        stage.guest.shell(TRACEFS)
        containers = Containers(stage.guest, 8)
        containers.make()
        start(stage.guest, str(KILLS))
        containers.storm(KILLS)
        opened, *rows, last = await_rows(stage.guest, lambda rows: "rss_kib" in rows[-1])
        assert [row for row in rows if row["path"] != containers.path(container_of(row["comm"]))] == []
        took = sorted(row["took_us"] for row in rows)
        before = sorted(us for row in rows for us in row["before_us"])
        with capsys.disabled():
            print(  # noqa: T201
                f"\n| 6.12, {len(rows)} kills"
                f" | find: median {median(took):.0f} us, 99 % {took[-4]:.0f}, at most {took[-1]:.0f}"
                f" | event before the line: {before[0]:.1f} to {before[-1]:.1f} us, median {median(before):.1f}"
                f" | {opened} {last} |"
            )
        assert before[0] > -1.0
        assert last["overwritten"] == 0


def test_kills_that_the_log_lost_while_no_agent_ran_are_named_and_counted_once(tmp_path: Path) -> None:
    """The console prints no kill line either. A process that was already exiting is no kill: the counter says so."""
    with scene("6.12", tmp_path, memory_mib=MEMORY_MIB) as stage:
        stage.guest.shell(TRACEFS)
        containers = Containers(stage.guest, 8)
        containers.make()
        stage.start()
        stage.kill()
        stage.await_received(1)
        stage.await_total(1)
        time.sleep(ACKNOWLEDGED_S)
        stage.signal("KILL")
        stage.await_end()
        stage.guest.shell("echo on > /proc/sys/kernel/printk_devkmsg")
        kills = containers.storm(KILLS_LOST)
        stage.guest.shell(f"python3 -c '{FLOOD}'", within_s=PATIENCE_S)
        assert not any(line.is_kill for line in stage.log())
        stage.start()
        _, *lost = stage.await_received(1 + kills)
        assert containers.wrong(lost) == []
        assert {kill[schema.VICTIM_CGROUP_SOURCE] for kill in lost} == {"tracefs"}
        assert all(schema.IS_FROM_TRACE in kill and schema.BACKLOG in kill for kill in lost)
        assert all(kill[schema.TOTAL_VM] > 8 << 20 and kill[schema.SCORE_ADJ] == 0 for kill in lost)
        assert len({kill.uid for kill in lost}) == len({kill[schema.PID] for kill in lost}) == kills
        stage.kill()
        assert len(stage.await_received(2 + kills)) == 2 + kills
        stage.await_total(1 + kills)  # it began again at 0 with the gap, the first kill was acknowledged before
        time.sleep(2 * MIN_SURPLUS_AGE_S)  # by then a difference would be reported
        assert (stage.received(schema.UNACCOUNTED), stage.received(schema.UNCONFIRMED)) == ([], [])
        assert stage.counted == 2 + kills
