"""Limits take the least important attributes, and never what identifies a kill."""

from __future__ import annotations

from typing import Any

import pytest

from otel_oom import schema
from otel_oom.config.attribute_limits import PROTECTED, AttributeLimits
from otel_oom.otlp.attribute_limits import limited
from otel_oom.telemetry.event import Attributes

UID = "01234567-89ab-cdef-0123-456789abcdef"
FULL: dict[str, Any] = {item.name: f"{item.name} " + "x" * 40 for item in schema.ATTRIBUTES} | {
    "log.record.uid": UID,
    "oom.scope": "cgroup",
    "process.pid": 7,
    "oom.top_tasks": ({"pid": 1, "comm": "a long name"},),
}


def test_without_a_reason_nothing_is_dropped_or_moved() -> None:
    found = limited(FULL, AttributeLimits())
    assert (list(found), found.dropped) == (list(FULL), 0)
    assert dict(found) == FULL


@pytest.mark.parametrize("count", range(len(FULL) + 2))
def test_the_end_of_the_table_goes_first(count: int) -> None:
    found = limited(FULL, AttributeLimits(count))
    assert set(PROTECTED) <= set(found)
    assert len(found) == min(len(FULL), max(count, len(PROTECTED)))
    assert found.dropped == len(FULL) - len(found)
    others = [item.name for item in schema.ATTRIBUTES if item.name not in PROTECTED]
    assert set(found) - set(PROTECTED) == set(others[: len(found) - len(PROTECTED)])


def test_an_event_without_a_victim_keeps_what_it_has() -> None:
    event: Attributes = {"event.name": "kmsg_records_lost", "log.record.uid": UID, "oom.boot.id": "b", "oom.count": 3}
    assert dict(limited(event, AttributeLimits(0))) == {"event.name": "kmsg_records_lost", "log.record.uid": UID}
    assert set(limited(event, AttributeLimits(3))) == {"event.name", "log.record.uid", "oom.count"}


def test_an_unknown_attribute_goes_before_all_others() -> None:
    event: Attributes = {"new": 1, "event.name": "e", "log.record.uid": UID, "oom.boot.id": "b"}
    assert "new" not in limited(event, AttributeLimits(3))


def test_texts_are_cut_and_identifiers_are_not() -> None:
    found = limited(FULL, AttributeLimits(characters=4))
    tasks: Any = found["oom.top_tasks"]
    assert (found["log.record.uid"], found["oom.scope"], found["process.pid"]) == (UID, "cgroup", 7)
    whole = {
        "event.name",
        "log.record.uid",
        "oom.scope",
        "oom.boot.id",
        "oom.group.id",
        "container.id",
        "container.name",
        "k8s.pod.uid",
    }
    assert {name for name in FULL if isinstance(FULL[name], str) and found[name] == FULL[name]} == whole
    assert found["log.record.original"] == "log."
    assert [dict(task) for task in tasks] == [{"pid": 1, "comm": "a lo"}]
    arguments: dict[str, Any] = {"arguments": ("--long", "-s")}
    assert limited(arguments, AttributeLimits(characters=3))["arguments"] == ("--l", "-s")
    assert found.dropped == 0
