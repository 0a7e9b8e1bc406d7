"""The agent's own numbers: each failure is counted and logged, but not logged a thousand times."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from otel_oom.health import Health
from otel_oom.kernel.kmsg_record import Malformed, Record
from otel_oom.totals import MAX_RETIRED_SERIES, ResourceIdentity

REFUSED = Record(priority=12, sequence=1, monotonic_us=2, flags="-", text="Killed process 1 (init) " + "x" * 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [1000.0]
    monkeypatch.setattr("otel_oom.rate_limited_log.time", SimpleNamespace(monotonic=lambda: now[0]))

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes


@pytest.mark.parametrize(
    ("failure", "counted", "line"),
    [
        (lambda h: h.records_lost(3), {"lost": 3}, "3 records of the kernel log were overwritten before the read"),
        (lambda h: h.record_malformed(Malformed("no ;", b"\xff\n")), {"malformed": 1}, r"no ;: b'\xff\n'"),
        (
            lambda h: h.record_failed(b"raw\n", MemoryError()),
            {"malformed": 1},
            r"not understood: MemoryError(): b'raw\n'",
        ),
        (lambda h: h.record_refused(REFUSED), {"refused": 1}, "(facility 1): Killed process 1 (init)"),
        (lambda h: h.spool_damaged("it is", 5), {"damaged": 5}, "it is; check the disk of this machine"),
        (lambda h: h.event_dropped("overflow", 4, "full"), {"overflow": 4}, "gave up 4 undelivered event(s): full"),
        (
            lambda h: h.export_failed("logs", "retry", "timed\nout", "a remedy"),
            {("logs", "retry"): 1},
            "cannot deliver logs, will retry: timed out; a remedy",
        ),
        (
            lambda h: h.export_failed("logs", "rejected", "HTTP 400", "a remedy"),
            {("logs", "rejected"): 1},
            "cannot deliver logs: HTTP 400; a remedy",
        ),
        (lambda h: h.device_down("gone"), {}, "cannot read the kernel log: gone; trying again every 5 s"),
        (lambda h: h.points_rejected(2, "old"), {}, "the collector rejected 2 metric point(s): old"),
        (lambda h: h.clock_jumped(-3600.0), {}, "the wall clock moved by -3600.0 s relative to the kernel's clock"),
        (lambda h: h.kills_found_in_trace(3), {}, "3 kill(s) that the kernel log lost are in the kernel's trace"),
        (lambda h: h.trace_ring_read(7), {}, "7 events of the kernel's trace ring were overwritten before the read"),
        (lambda h: h.forked(), {}, "the virtual machine was forked, or resumed; connections are opened again"),
        (
            lambda h: h.changed_identity(ResourceIdentity("copy"), 0),
            {},
            "the identity of this machine changed: continuing as instance copy",
        ),
        (
            lambda h: h.identity_file_unreadable(Path("/run/id")),
            {},
            "the identity file /run/id cannot be read, or is empty",
        ),
        (lambda h: h.clock_compared(2.1), {}, "the wall clock is +2.1 s off the collector's, and so are all stamps"),
        (lambda h: h.bug("the sender", ValueError("x")), {}, "bug in the sender, which continues: ValueError('x')"),
    ],
)
def test_each_failure_is_counted_and_logged(
    failure: Callable[[Health], None], counted: dict[object, int], line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    health = Health()
    failure(health)
    numbers: list[object] = [health.records, health.exports, health.dropped]
    assert [number for number in numbers if number] == ([counted] if counted else [])
    assert line in caplog.messages[0]
    assert len(caplog.messages) == 1


def test_a_kind_is_logged_once_a_minute_with_its_number(
    clock: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    health = Health()
    for _ in range(100):
        health.records_lost(1)
        clock(0.5)
    assert len(caplog.messages) == 1
    health.device_down("another kind is logged")
    assert len(caplog.messages) == 2
    clock(10.0)
    health.records_lost(1)
    assert caplog.messages[-1].endswith("(99 more like it before)")
    clock(60.0)
    health.records_lost(1)
    assert caplog.messages[-1].endswith("before the read")
    assert health.records["lost"] == 102


def test_a_recovery_is_logged_once(clock: Callable[[float], None], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    health = Health()
    health.exported("logs")
    assert not caplog.messages
    health.export_failed("logs", "retry", "refused", "a remedy")
    health.exported("metrics")
    health.exported("logs")
    health.exported("logs")
    assert caplog.messages[1:] == ["logs are delivered again"]
    for _ in range(50):  # it comes and goes
        health.export_failed("logs", "retry", "refused", "a remedy")
        health.exported("logs")
        clock(0.5)
    assert len(caplog.messages) == 2
    assert health.exports == {("logs", "retry"): 51, ("logs", "ok"): 53, ("metrics", "ok"): 1}
    clock(60.0)
    health.export_failed("logs", "retry", "refused", "a remedy")
    health.exported("logs")
    assert caplog.messages[3:] == ["logs are delivered again"]


def test_a_new_cause_of_a_failure_is_logged_at_once(
    clock: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    health = Health()
    for _ in range(3):
        health.export_failed("logs", "retry", "Connection refused", "check the endpoint")
        health.export_failed("logs", "retry", "HTTP 401", "set the key")
        health.export_failed("logs", "rejected", "HTTP 413", "check the endpoint")
        clock(0.5)
    assert [line.partition(": ")[2] for line in caplog.messages] == [
        "Connection refused; check the endpoint",
        "HTTP 401; set the key",
        "HTTP 413; check the endpoint",
    ]
    caplog.clear()
    clock(60.0)
    health.export_failed("logs", "retry", "timed out", "check the endpoint")
    assert [line.partition(": ")[2] for line in caplog.messages] == [
        "timed out; check the endpoint (2 more like it before)"
    ]


def test_totals_that_are_given_up_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    Health().changed_identity(ResourceIdentity("copy"), MAX_RETIRED_SERIES - 1)
    assert len(caplog.messages) == 1
    Health().changed_identity(ResourceIdentity("copy"), MAX_RETIRED_SERIES)
    assert "undelivered kills: from now on the oldest is given up" in caplog.messages[1]


def test_the_device_is_down_until_it_is_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    health = Health()
    reasons = [health.down_reason]
    health.device_up()
    reasons.append(health.down_reason)
    assert not caplog.messages
    health.device_down("gone")
    reasons.append(health.down_reason)
    health.device_up()
    reasons.append(health.down_reason)
    assert reasons == ["starting", None, "gone", None]
    assert health.down_reasons == {"gone"}
    assert caplog.messages[1:] == ["the kernel log is read again"]


def test_every_text_makes_one_line_of_bounded_length(caplog: pytest.LogCaptureFixture) -> None:
    Health().export_failed("logs", "retry", "<html>\r\n\x1b[2J" + "x" * 10_000, "a remedy")
    assert caplog.messages[0].isprintable()
    assert len(caplog.messages[0]) <= 600


def test_overwritten_trace_events_are_logged_where_their_number_grew(caplog: pytest.LogCaptureFixture) -> None:
    health = Health()
    numbers, lines = [health.trace_overwritten], [len(caplog.messages)]
    for overwritten in (0, 0, 4, 4):
        health.trace_ring_read(overwritten)
        numbers.append(health.trace_overwritten)
        lines.append(len(caplog.messages))
    assert (numbers, lines) == ([None, 0, 0, 4, 4], [0, 0, 0, 1, 1])
