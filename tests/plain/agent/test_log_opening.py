"""A restart anywhere in the log: counted and shipped once, whatever was read twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.agent_rig import IDENTITY, Rig, first_checkpoint, kill, line
from support.klog import CAPTURES

from otel_oom import schema
from otel_oom.agent.log_opening import open_log
from otel_oom.health import Health
from otel_oom.kernel.kmsg_record import sequence_of
from otel_oom.kernel.log_source import Item, Lost, Reading
from otel_oom.spool.checkpoint import Checkpoint, resume
from otel_oom.totals import Totals

FIRST = first_checkpoint()
NEXT = replace(FIRST, totals=Totals(9_000))


class Log:
    """A kernel log, and what a device gives that begins at a record of it."""

    def __init__(self, raw: bytes) -> None:
        self.records = raw.splitlines(keepends=True)

    def since(self, cursor: int | None, upto: int) -> list[Reading]:
        items = [Item(one, place) for place, one in enumerate(self.records[:upto])]
        return [one for one in items if (sequence_of(one.raw) or 0) >= (cursor or 0)]


def stopped_at(log: Log, upto: int, checkpoint: Checkpoint) -> Rig:
    """An agent that has read so far, and is gone."""
    rig = Rig(checkpoint=checkpoint, reads_backlog=checkpoint is not FIRST)
    return rig.run(*log.since(checkpoint.cursor, upto))


def essence(rig: Rig) -> list[tuple[object, ...]]:
    """Events without what depends on the moment of reading."""
    keys = (schema.RECORD_UID.name, schema.GROUP_ID.name, schema.MEMCG_PATH.name, schema.REPORT.name, schema.COUNT.name)
    return [(event.name, *(event.attributes.get(key) for key in keys)) for event in rig.events]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: str(capture.stem))
def test_a_restart_after_any_record_changes_nothing(capture: Path) -> None:
    """But for the id of a group, where its first victim went out before the line that makes it one."""
    log = Log(capture.read_bytes())
    whole = stopped_at(log, len(log.records), FIRST)
    places = range(len(log.records)) if len(log.records) < 200 else range(0, len(log.records), 7)
    for place in places:
        before = stopped_at(log, place, FIRST)
        after = stopped_at(log, len(log.records), resume(before.spool.checkpoint, NEXT))
        assert [one[:2] for one in essence(before) + essence(after)] == [one[:2] for one in essence(whole)]
        assert essence(after) == essence(whole)[len(before.events) :]
        assert after.kills == whole.kills
        assert after.spool.checkpoint.lines == whole.spool.checkpoint.lines
        assert after.spool.totals.start_ns == FIRST.totals.start_ns


def log_of(sequences: list[int]) -> Log:
    return Log(b"".join(kill(one) if one % 3 == 0 else line("usb 1-1: new device", one) for one in sequences))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8).map(sorted))
def test_any_number_of_restarts_count_each_kill_once(stops: list[int]) -> None:
    log = log_of(list(range(100, 140)))
    checkpoint, uids = FIRST, []
    for stop in [*stops, 40]:
        rig = stopped_at(log, stop, checkpoint)
        uids += [event.uid for event in rig.events]
        checkpoint = resume(rig.spool.checkpoint, NEXT)
    expected = [event.uid for event in stopped_at(log, 40, FIRST).events]
    assert uids == expected
    assert checkpoint.totals.kills == {"cgroup": len(expected)}
    assert checkpoint.lines == len(expected)


def resumed(*readings: Reading | bytes, counted: int | None = None, **fields: int) -> Rig:
    """An agent that was at record 75 and must read again from 70."""
    stored = replace(FIRST, totals=Totals(5).plus("cgroup", 7).plus_surplus(1), cursor=70, first_uncounted=75, lines=2)
    checkpoint = replace(stored, **fields)  # type: ignore[arg-type]  # numbers all
    return Rig(checkpoint=checkpoint, reads_backlog=True, counted=counted).run(*readings)


def test_records_that_were_counted_before_are_context_only() -> None:
    rig = resumed(kill(72), kill(74), kill(75), kill(76))
    assert [event.attributes[schema.KMSG_SEQUENCE.name] for event in rig.events] == [75, 76]
    assert (rig.kills, rig.spool.checkpoint.lines) == ({"cgroup": 3}, 4)
    assert {event.attributes[schema.BACKLOG.name] for event in rig.events} == {True}


@pytest.mark.parametrize(
    ("lost", "missing"),
    [
        pytest.param(Lost(3, 9, 70), 0, id="all of it was counted"),
        pytest.param(Lost(5, 9, 70), 0, id="up to the last that was"),
        pytest.param(Lost(6, 9, 70), 1, id="one more"),
        pytest.param(Lost(30, 9, 70), 25, id="many more"),
        pytest.param(Lost(1, 9, None), 1, id="it is not known which"),
    ],
)
def test_a_gap_is_what_was_never_read(lost: Lost, missing: int) -> None:
    behind = (lost.first or 90) + lost.count
    rig = resumed(lost, kill(max(behind, 75)), counted=40, base=30)
    assert rig.health.records["lost"] == missing
    counts = [one.attributes[schema.COUNT.name] for one in rig.events if one.name == schema.RECORDS_LOST]
    assert counts == ([missing] if missing else [])
    if missing:
        assert (rig.kills, rig.spool.totals.unaccounted) == ({"cgroup": 2}, 1), "what no collector acknowledged stays"
        assert rig.spool.totals.start_ns > 5, "they begin again at 0"
        assert (rig.spool.checkpoint.base, rig.spool.checkpoint.lines) == (32, 1), (
            "with 2 lines; carried over: of no base"
        )
    else:
        assert (rig.kills, rig.spool.totals.start_ns) == ({"cgroup": 2}, 5)
        assert (rig.spool.checkpoint.base, rig.spool.checkpoint.lines) == (30, 3)


def test_a_log_that_ends_before_the_stored_place_is_read_from_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """A virtual machine was set back to a snapshot, and its spool was not: later records have smaller numbers."""
    totals = Totals(5).plus("cgroup", 7)
    stored = replace(FIRST, totals=totals, acknowledged=totals, cursor=70, first_uncounted=75)
    rig = Rig(checkpoint=stored, reads_backlog=True)
    rig.source.next_sequence = 40
    agent = rig.open()
    rig.source.put(kill(40), kill(41))
    rig.finish(agent)
    assert rig.kills == {"cgroup": 2}
    assert [event.attributes[schema.KMSG_SEQUENCE.name] for event in rig.events] == [40, 41]
    assert rig.spool.checkpoint.first_uncounted == 42
    assert "the spool is 35 records ahead of the kernel log" in caplog.text


def test_after_a_gap_acknowledged_counts_are_not_counted_again() -> None:
    totals = Totals(5).plus("cgroup", 7).plus("cgroup", 8)
    stored = replace(FIRST, totals=totals, acknowledged=totals.plus("cgroup", 9), cursor=70, first_uncounted=75)
    stored = replace(stored, totals=stored.totals.plus("cgroup", 9).plus("system", 9))
    rig = Rig(checkpoint=stored, reads_backlog=True).run(Lost(30, 9, 70), kill(100))
    assert rig.kills == {"cgroup": 1, "system": 1}
    again = Rig(checkpoint=rig.spool.checkpoint, reads_backlog=True).run()
    assert again.kills == {"cgroup": 1, "system": 1}


def test_carried_over_counts_change_no_comparison_although_the_first_put_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = replace(FIRST, boot_id="before", totals=Totals(5).plus_surplus(3), cursor=70, first_uncounted=75)
    rig = Rig(checkpoint=resume(stored, NEXT), reads_backlog=True, counted=1)
    agent = rig.open()
    rig.fail_puts(monkeypatch, MemoryError(), MemoryError())
    rig.source.put(kill(3))
    for _ in range(2):
        with pytest.raises(MemoryError):
            agent._turn()
    agent._turn()
    assert (rig.kills, rig.spool.totals.unaccounted) == ({"cgroup": 1}, 3)
    assert (rig.spool.checkpoint.base, rig.spool.checkpoint.lines) == (-3, 1)
    again = Rig(checkpoint=rig.spool.checkpoint, reads_backlog=True, counted=1)
    again.open()._turn()
    assert again.spool.totals.unaccounted == 3


def test_totals_that_begin_again_are_those_of_the_first_export() -> None:
    """The gap is known before the first export, though nothing behind it was read yet."""
    rig = Rig(checkpoint=replace(FIRST, totals=Totals(5).plus("cgroup", 7), cursor=70, first_uncounted=75))
    rig.source.put(Lost(30, 9, 70), kill(100))
    agent = rig.open()
    assert (rig.spool.exportable.totals.kills, rig.events) == ({}, [])
    assert rig.spool.checkpoint.first_uncounted == 75, "the loss is not reported yet"
    rig.finish(agent)
    assert rig.names == [schema.RECORDS_LOST, schema.OOM_KILL]
    assert rig.spool.checkpoint.first_uncounted == 101


def test_an_agent_that_ends_before_its_first_burst_counts_nothing_again() -> None:
    """What is committed at once must not go back to where reading begins."""
    first = Rig().run(kill(10), kill(11))
    second = Rig(checkpoint=first.spool.checkpoint)
    second.source.put(kill(11))
    second.open()
    third = Rig(checkpoint=second.spool.checkpoint).run(kill(11))
    assert (third.kills, third.events) == ({"cgroup": 2}, [])


def test_unacknowledged_kills_of_another_boot_are_the_first_increase_of_new_totals() -> None:
    """The machine was restarted while its collector was away: the totals begin again, the kills stay counted."""
    totals = Totals(5).plus("cgroup", 7).plus("cgroup", 8).plus_surplus(1)
    stored = replace(
        FIRST, boot_id="before", totals=totals, acknowledged=Totals(5).plus("cgroup", 7), cursor=70, first_uncounted=75
    )
    rig = Rig(checkpoint=resume(stored, NEXT), reads_backlog=True, counted=1)
    agent = rig.open()
    assert (rig.spool.exportable.totals.kills, rig.spool.exportable.totals.start_ns) == ({}, 9_000), "0 first"
    rig.source.put(kill(3))
    agent._turn()
    assert rig.kills == {"cgroup": 2}
    assert rig.spool.totals.unaccounted == 1
    assert rig.spool.checkpoint.carried_over is None
    assert (rig.spool.checkpoint.base, rig.spool.checkpoint.lines) == (-1, 1), "carried over: of no base"
    again = Rig(checkpoint=resume(rig.spool.checkpoint, NEXT), reads_backlog=True, counted=1).run()
    assert again.kills == {"cgroup": 2}


def test_what_was_refused_before_is_not_refused_again() -> None:
    rig = resumed(kill(72, priority=12), kill(76, priority=12))
    assert rig.health.records["refused"] == 1


def test_a_gap_while_it_runs_resets_no_totals() -> None:
    rig = resumed(kill(75), Lost(5, 9, 76), kill(81))
    assert rig.kills == {"cgroup": 3}
    assert rig.health.records["lost"] == 5


def test_after_a_crash_the_first_export_holds_what_the_log_holds() -> None:
    """The agent before may have exported it from memory, while its disk hung: a total must not go back."""
    rig = Rig(
        checkpoint=replace(FIRST, totals=Totals(5).plus("cgroup", 7), cursor=70, first_uncounted=75), reads_backlog=True
    )
    rig.source.put(kill(75), kill(76))
    agent = rig.open()
    assert rig.spool.exportable.totals.kills == {"cgroup": 1}
    agent.replay_backlog()
    assert rig.spool.exportable.totals.kills == {"cgroup": 3}
    rig.source.put(kill(77))
    rig.finish(agent)
    assert [event.attributes.get(schema.BACKLOG.name) for event in rig.events] == [True, True, None]


@pytest.mark.parametrize(("lines", "unconfirmed"), [(4, 0), (5, 1)])
def test_kills_while_the_log_is_opened_may_have_their_lines_later(lines: int, unconfirmed: int) -> None:
    """Three were counted after the log's end was found, and one before it was printed later. Later kills hide them."""
    rig, counter = Rig(), iter([40, 43])
    log = open_log(rig.source, rig.spool, Health(), IDENTITY, kernel_kills=lambda: next(counter), wall_ns=lambda: 1)
    assert log.reconciliation.compare(43, 0.0) == 0
    log.reconciliation.add_lines(lines)
    assert [log.reconciliation.compare(43, now_s) for now_s in (1.0, 6.0)] == [0, -unconfirmed]


@pytest.mark.parametrize(
    ("stored", "is_resumed"),
    [
        pytest.param(FIRST, False, id="a first start"),
        pytest.param(replace(FIRST, base=40, cursor=20, first_uncounted=20), True, id="a restart"),
        pytest.param(replace(FIRST, base=0, cursor=0), True, id="a new boot"),
        pytest.param(replace(FIRST, base=40, cursor=70, first_uncounted=75), False, id="set back to a snapshot"),
    ],
)
def test_the_comparison_goes_on_from_an_earlier_agent(stored: Checkpoint, *, is_resumed: bool) -> None:
    rig = Rig(checkpoint=stored, reads_backlog=True)
    rig.source.next_sequence = 40
    log = open_log(rig.source, rig.spool, Health(), IDENTITY, kernel_kills=lambda: 41, wall_ns=lambda: 1)
    assert log.is_resumed == is_resumed
