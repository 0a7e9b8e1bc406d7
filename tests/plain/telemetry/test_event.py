"""Findings and observations to events: the attributes of each kind of event, and no others."""

from __future__ import annotations

from uuid import UUID

import pytest
from support import klog

from otel_oom import schema
from otel_oom.kernel.oom_kill import NoVictim, event_uid
from otel_oom.telemetry import kill_event, other_events
from otel_oom.telemetry.event import Event
from otel_oom.telemetry.kill_event import LiveFacts

NOW_NS = 1_790_000_000 * 10**9
KILL = klog.kills(klog.memcg_report())[0]
NO_VICTIM = NoVictim(klog.record("Out of memory and no killable processes..."), NOW_NS)


def events() -> list[Event]:
    return [
        kill_event.kill_event(KILL, LiveFacts(skew_s=0.5, is_backlog=True, process={schema.PARENT_PID.name: 1})),
        other_events.no_victim_event(NO_VICTIM, "boot", 3),
        other_events.surplus_event(2, "boot", NOW_NS),
        other_events.surplus_event(-2, "boot", NOW_NS),
        other_events.records_lost_event(4, "boot", NOW_NS),
        other_events.clock_jumped_event(-2.5, "boot", NOW_NS),
        other_events.agent_killed_event(KILL),
    ]


def test_every_kind_of_event_is_made() -> None:
    assert [event.name for event in events()] == list(schema.EVENTS)


@pytest.mark.parametrize("event", events(), ids=lambda event: event.name)
def test_an_event_has_only_attributes_of_its_kind(event: Event) -> None:
    allowed = {attribute.name for attribute in schema.ATTRIBUTES if event.name in attribute.events}
    assert set(event.attributes) <= allowed
    assert event.attributes[schema.EVENT_NAME.name] == event.name
    assert event.attributes[schema.BOOT_ID.name] == "boot"
    required = {one.name for one in schema.ATTRIBUTES if event.name in one.events and one.requirement == "required"}
    assert required <= set(event.attributes)
    assert None not in event.attributes.values()
    assert event.size_bytes > len(event.body)


def test_the_values_of_a_kill() -> None:
    event, *_, agent_killed = events()
    expected = {
        schema.SCOPE: "cgroup",
        schema.PID: 100,
        schema.COMM: "vic",
        schema.REAL_USER_ID: 7,
        schema.TOTAL_VM: 13532 * 1024,
        schema.RSS: (12288 + 440 + 4) * 1024,
        schema.RSS_ANON: 12288 * 1024,
        schema.RSS_FILE: 440 * 1024,
        schema.RSS_SHMEM: 4 * 1024,
        schema.PGTABLES: 60 * 1024,
        schema.SCORE_ADJ: -5,
        schema.VICTIM_CGROUP: "/g/x",
        schema.MEMCG_PATH: "/g",
        schema.KMSG_SEQUENCE: KILL.record.sequence,
        schema.KMSG_TIMESTAMP: KILL.record.monotonic_us / 1e6,
        schema.KMSG_SKEW: 0.5,
        schema.BACKLOG: True,
        schema.PARENT_PID: 1,
        schema.RECORD_ORIGINAL: f"6,{KILL.record.sequence},{KILL.record.monotonic_us},-;{klog.killed()}",
    }
    assert {attribute: event.attributes[attribute.name] for attribute in expected} == expected
    assert (event.observed_ns, event.uid) == (KILL.observed_ns, KILL.uid)
    assert agent_killed.attributes[schema.SCORE_ADJ.name] == -5
    assert agent_killed.uid == event_uid(schema.AGENT_KILLED, "boot", KILL.record)


def test_an_unknown_value_is_left_out() -> None:
    event = kill_event.kill_event(klog.kills(["Killed process 9 (x)"])[0], LiveFacts())
    names = {schema.RSS.name, schema.TGID.name, schema.KMSG_SKEW.name, schema.BACKLOG.name, schema.TOP_TASKS.name}
    assert set(event.attributes) & names == set()


def test_an_event_without_a_kernel_record_has_a_random_id() -> None:
    first, second = (other_events.records_lost_event(4, "boot", NOW_NS) for _ in range(2))
    assert UUID(first.uid).version == 4
    assert first.uid != second.uid
