"""The body of each event: a sentence for people."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import klog

from otel_oom import schema
from otel_oom.telemetry import event_bodies
from otel_oom.telemetry.container_from_cgroup import Owner, owner
from otel_oom.telemetry.kill_event import LiveFacts, kill_event

KILLS = {
    "cgroup": klog.kills(klog.memcg_report())[0],
    "system": klog.kills(klog.system_report())[0],
    "cgroup without a report": klog.kills([klog.killed()])[0],
    "old": klog.kills(["Killed process 9 (cut of"])[0],
}
POD = "/kubepods.slice/kubepods-pod8f3c2a1e_77aa_4b3c_9d2e_0123456789ab.slice"
CONTAINER = f"{POD}/cri-containerd-{'9c41d8a07f5e3b62' * 4}.scope"
UNREPORTED = "was OOM-killed: a memory cgroup's limit was reached, it held 12.4 MiB RSS"
LONG = f"/{'a' * 200}" * 20


@pytest.mark.parametrize(
    ("kill", "cgroup", "expected"),
    [
        ("old", None, "a process (pid 9) was OOM-killed: the machine was out of memory"),
        (
            "cgroup without a report",
            None,
            f"vic (pid 100) {UNREPORTED}",
        ),
        (
            "cgroup without a report",
            CONTAINER,
            f"vic (pid 100, pod uid 8f3c2a1e-77aa-4b3c-9d2e-0123456789ab, container 9c41d8a07f5e) {UNREPORTED}",
        ),
        (
            "cgroup without a report",
            "/lxc.payload.web",
            f"vic (pid 100, container web) {UNREPORTED}",
        ),
        (
            "cgroup without a report",
            "/system.slice/web.service",
            f"vic (pid 100, unit web.service) {UNREPORTED}",
        ),
        (
            "cgroup without a report",
            "/",
            f"vic (pid 100) {UNREPORTED}",
        ),
        (
            "cgroup without a report",
            LONG,
            f"vic (pid 100, cgroup …{'a' * 79}) {UNREPORTED}",
        ),
    ],
)
def test_who_and_whose(kill: str, cgroup: str | None, expected: str) -> None:
    assert expected == event_bodies.kill_body(KILLS[kill], owner(cgroup or ""), cgroup)


def test_a_cgroup_that_the_sentence_names_anyway_is_named_once() -> None:
    for scope, cgroup, times in (("cgroup", "/g", 1), ("cgroup", "/g/x", 2), ("system", "/g", 1)):
        assert event_bodies.kill_body(KILLS[scope], owner(cgroup), cgroup).count("/g") == times


def test_a_sentence_is_short_whatever_is_named() -> None:
    """Names of 4 KiB are whole in the attributes."""
    context = replace(KILLS["cgroup"].context, memcg_path=LONG)
    kill = replace(KILLS["cgroup"], context=context, cgroup=LONG + "/x")
    assert len(event_bodies.kill_body(kill, Owner(container_name="b" * 4096, unit=LONG), kill.cgroup)) < 300
    hostile = replace(kill, line=replace(kill.line, comm=r"\xff" * 5000))
    assert len(event_bodies.kill_body(hostile, Owner(), kill.cgroup)) == event_bodies.MAX_BODY_CHARS
    attributes = kill_event(kill, LiveFacts()).attributes
    assert (attributes[schema.VICTIM_CGROUP.name], attributes[schema.MEMCG_PATH.name]) == (LONG + "/x", LONG)


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
