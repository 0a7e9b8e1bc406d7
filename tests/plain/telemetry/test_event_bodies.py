"""The body of each event: a sentence for people."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import klog

from otel_oom.kernel.oom_kill import OomKill
from otel_oom.telemetry import event_bodies

KILLS = {
    "cgroup": klog.kills(klog.memcg_report())[0],
    "system": klog.kills(klog.system_report())[0],
    "cgroup without a report": klog.kills([klog.killed()])[0],
    "old": klog.kills(["Killed process 9 (cut of"])[0],
}
NO_LIMIT = replace(KILLS["cgroup"], context=replace(KILLS["cgroup"].context, memcg_limit=None))


@pytest.mark.parametrize(
    ("kill", "expected"),
    [
        (KILLS["cgroup"], "vic (pid 100) was OOM-killed: 12.4 MiB RSS, cgroup /g at its 12.0 MiB limit"),
        (NO_LIMIT, "vic (pid 100) was OOM-killed: 12.4 MiB RSS, cgroup /g at its limit"),
        (KILLS["system"], "vic (pid 100) was OOM-killed: 12.4 MiB RSS, the machine was out of memory"),
        (
            KILLS["cgroup without a report"],
            "vic (pid 100) was OOM-killed: 12.4 MiB RSS, its cgroup was at its limit",
        ),
        (KILLS["old"], "a process (pid 9) was OOM-killed: the machine was out of memory"),
    ],
)
def test_a_kill(kill: OomKill, expected: str) -> None:
    assert expected == event_bodies.kill_body(kill)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (event_bodies.no_victim_body(), "the kernel was out of memory and found no process that it may kill"),
        (event_bodies.unaccounted_body(1), "the kernel counted 1 OOM kill that its log did not show"),
        (event_bodies.unaccounted_body(2), "the kernel counted 2 OOM kills that its log did not show"),
        (
            event_bodies.unconfirmed_body(1),
            "the kernel log showed 1 OOM kill that the kernel did not count: the text may be forged",
        ),
        (event_bodies.records_lost_body(1), "1 record of the kernel log was overwritten before the read"),
        (event_bodies.records_lost_body(2), "2 records of the kernel log were overwritten before the read"),
        (
            event_bodies.clock_jumped_body(-3600),
            "the wall clock left the kernel's clock by -3600.0 s: the machine slept, or the clock was set",
        ),
        (
            event_bodies.agent_killed_body(KILLS["cgroup"]),
            "otel-oom itself (pid 100) was OOM-killed; its next start found it in the kernel log",
        ),
    ],
)
def test_other_events(body: str, expected: str) -> None:
    assert expected == body
