"""What fails inside the agent ends neither its loop nor a kill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from support.agent_rig import Rig, kill, line
from support.waiting import eventually

from otel_oom import schema
from otel_oom.kernel import kill_assembler, kill_facts
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.telemetry import kill_event
from otel_oom.telemetry.event import Event, Scalar


@pytest.mark.parametrize("error", [ValueError("bug"), MemoryError(), RecursionError(), OSError("/proc")])
def test_a_kill_is_shipped_without_what_could_not_be_looked_up(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def look(victim: OomKill) -> Mapping[str, Scalar]:
        if victim.pid == 1002:
            raise error
        return {schema.PARENT_PID.name: 1}

    rig = Rig(look=look).run(kill(1), kill(2), kill(3))
    assert [schema.PARENT_PID.name in event.attributes for event in rig.events] == [True, False, True]
    assert rig.kills == {"cgroup": 3}
    assert rig.health.records["malformed"] == 1
    assert f"was not understood: {error!r}" in caplog.text


def test_a_kill_counts_even_if_no_event_can_be_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    make = kill_event.kill_event

    def failing(victim: OomKill, *arguments: Any) -> Event:
        if victim.pid == 1002:
            raise ValueError("bug")
        return make(victim, *arguments)

    monkeypatch.setattr(kill_event, "kill_event", failing)
    rig = Rig().run(kill(1), kill(2), kill(3))
    assert (len(rig.events), rig.kills) == (2, {"cgroup": 3})
    rig = Rig().run(kill(2))
    assert (len(rig.events), rig.kills) == (0, {"cgroup": 1}), "alone as well"


def test_a_report_that_breaks_the_parser_does_not_take_its_kill_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """The held kill before it stays, and the kill line is read once more without its report."""
    interpret = kill_facts.interpret

    def failing(killed: Any, around: Any, *more: Any) -> Any:
        if around is not None:
            raise ValueError("bug")
        return interpret(killed, around, *more)

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

    def failing(*arguments: Any) -> Any:
        if failures and (error := failures.pop(0)):
            raise error
        return interpret(*arguments)

    monkeypatch.setattr(kill_assembler, "interpret", failing)
    rig = Rig().run(kill(1), kill(2))
    assert [event.attributes[schema.PID.name] for event in rig.events] == [1001, 1002]
    assert rig.kills == {"cgroup": 2}


def test_a_kill_line_that_nothing_can_read_is_unaccounted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_assembler, "interpret", lambda *_: (_ for _ in ()).throw(MemoryError()))
    rig = Rig().run(kill(1), kill(2))
    assert (rig.names, rig.health.records["malformed"]) == ([], 2)
    assert rig.spool.checkpoint.lines == 0, "the kernel's counter will show it"


def test_a_bug_outside_a_record_does_not_end_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    rig.fail_puts(monkeypatch, ValueError("bug"), MemoryError())
    with rig.running():
        rig.source.put(kill(1), kill(2))
        assert eventually(lambda: rig.kills == {"cgroup": 2}), "what was found goes out when it can"
    assert len(rig.events) == 2
