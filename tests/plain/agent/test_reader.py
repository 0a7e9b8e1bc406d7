"""The reader alone: where it stops, and what it counts."""

from __future__ import annotations

from typing import Any

import pytest
from support.agent_rig import IDENTITY, Rig, kill, line
from support.sources import Script

from otel_oom import schema
from otel_oom.agent.read_batch import Drained, More
from otel_oom.agent.reader import Reader
from otel_oom.health import Health
from otel_oom.kernel import kill_assembler, kill_facts, vm_fork_line
from otel_oom.kernel.log_source import Closed, Lost, Reading
from otel_oom.machine.victim_cgroup import Glance


def reader(*readings: Reading | bytes, first_uncounted: int = 0, until: float = float("inf")) -> Reader:
    source = Script()
    source.put(*readings)
    return Reader(source, Health(), IDENTITY, first_uncounted=first_uncounted, until=until)


def sequences(one: Reader) -> list[int]:
    return [finding.record.sequence for finding in one.batch.findings]


def test_a_burst_says_what_ended_it() -> None:
    flood = [line("usb 1-1: new device", number) for number in range(1, 1_500)]
    one = reader(*flood, Closed("gone"))
    assert (one.burst(), one.burst(), one.burst()) == (More(), Closed("gone"), Drained())


def test_it_stops_before_the_first_record_of_another_reader() -> None:
    one = reader(kill(78), kill(79), kill(80), kill(81), until=80)
    assert one.burst() == Drained()
    assert (sequences(one), one.kill_lines) == ([78, 79], 2)


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        pytest.param(Lost(5, 9, 74), 4, id="the first of them was counted"),
        pytest.param(Lost(3, 9, 78), 2, id="the last of them is another reader's"),
        pytest.param(Lost(20, 9, 70), 5, id="both"),
        pytest.param(Lost(5, 9, 80), 0, id="all of them are another reader's"),
    ],
)
def test_a_loss_is_what_this_reader_would_have_read(lost: Lost, expected: int) -> None:
    one = reader(lost, first_uncounted=75, until=80)
    one.burst()
    assert one.batch.lost == expected


def test_a_batch_stays_until_it_is_cleared() -> None:
    one = reader(kill(1), Lost(2, 9, 2), kill(4))
    one.burst()
    first = one.batch
    assert (one.batch, first.lost, sequences(one)) == (first, 2, [1, 4])
    one.clear_batch()
    assert (one.batch.findings, one.batch.lost, one.kill_lines) == ([], 0, 2)


def test_nothing_is_read_behind_a_fork_before_the_batch_is_cleared() -> None:
    one = reader(kill(1), line(vm_fork_line.VM_FORK, 2, 5), kill(3))
    assert (one.burst(), one.burst(), sequences(one), one.batch.is_forked) == (More(), More(), [1], True)
    one.clear_batch()
    assert (one.burst(), sequences(one), one.batch.is_forked) == (Drained(), [3], False)


@pytest.mark.timeout(20)
def test_reading_everything_does_not_stop_at_a_fork() -> None:
    one = reader(kill(1), line(vm_fork_line.VM_FORK, 2, 5), kill(3))
    one.read_all()
    assert (sequences(one), one.batch.is_forked) == ([1, 3], False)


def test_a_report_that_breaks_the_parser_does_not_take_its_kill_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """The held kill before it stays, and the kill line is read once more without its report."""
    interpret = kill_facts.interpret

    def failing(killed: Any, around: Any, *more: Any, **named: Any) -> Any:
        if around is not None:
            raise ValueError("bug")
        return interpret(killed, around, *more, **named)

    monkeypatch.setattr(kill_assembler, "interpret", failing)
    opener = line("victim invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0", 2)
    rig = Rig(counted=0)
    rig.run(kill(1), opener, line("CPU: 0 PID: 1 Comm: victim Not tainted", 3), kill(4), kill(5))
    assert [event.attributes[schema.PID.name] for event in rig.events] == [1001, 1004, 1005]
    assert rig.kills == {"cgroup": 3}
    assert rig.health.records["malformed"] == 1
    assert rig.spool.checkpoint.lines == 3


def test_a_line_that_breaks_the_parser_does_not_take_the_kill_before_it_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill is held until the next line is understood."""
    interpret, failures = kill_facts.interpret, [None, MemoryError()]

    def failing(*arguments: Any, **named: Any) -> Any:
        if failures and (error := failures.pop(0)):
            raise error
        return interpret(*arguments, **named)

    monkeypatch.setattr(kill_assembler, "interpret", failing)
    rig = Rig().run(kill(1), kill(2))
    assert [event.attributes[schema.PID.name] for event in rig.events] == [1001, 1002]
    assert rig.kills == {"cgroup": 2}


def test_a_kill_line_that_nothing_can_read_is_unaccounted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kill_assembler, "interpret", lambda *_, **__: (_ for _ in ()).throw(MemoryError()))
    rig = Rig().run(kill(1), kill(2))
    assert (rig.names, rig.health.records["malformed"]) == ([], 2)
    assert "bug in the reading of a kill line, which continues: MemoryError()" in caplog.text
    assert rig.spool.checkpoint.lines == 0, "the kernel's counter will show it"


def test_a_victim_that_cannot_be_looked_at_is_delivered(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: int) -> Glance:
        raise MemoryError

    rig = Rig(glance=fail).run(kill(1), kill(2))
    assert (rig.kills, rig.names) == ({"cgroup": 2}, [schema.OOM_KILL] * 2)
    assert caplog.messages == ["bug in the look at a victim in /proc, which continues: MemoryError()"]


def test_proc_is_asked_for_a_victim_without_a_report_right_after_its_line() -> None:
    asked: list[tuple[int, int | None]] = []
    found = Glance(b"0::/a", b"")
    source = Script()

    def look(pid: int) -> Glance | None:
        asked.append((pid, source.next_sequence))
        return found if pid != 1004 else None

    source.put(
        kill(1),
        line("x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0", 2),
        kill(3),
        kill(4),
        line("Killed process? No", 5),
        kill(6),
    )
    one = Reader(source, Health(), IDENTITY, look=look)
    one.burst()
    assert asked == [(1001, 2), (1004, 5), (1006, 7)], "before the next record; the third has a report"
    assert one.batch.glances == {1: found, 6: found}
    one.clear_batch()
    assert not one.batch.glances
