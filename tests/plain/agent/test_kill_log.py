"""One line a kill, but never a storm of lines, and never before the kill is in the spool."""

from __future__ import annotations

import logging

import pytest
from support.agent_rig import Rig, kill

from otel_oom import schema
from otel_oom.agent import kill_log
from otel_oom.agent.kill_log import KillLog
from otel_oom.telemetry.event import Event

MORE = "%d more kill(s) within 5 s have no line here; each has its event"


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def event(body: str = "java was OOM-killed", attribute: schema.Attribute | None = None) -> Event:
    return Event(schema.OOM_KILL, 1, body, {attribute.name: True} if attribute else {})


class World:
    """A log, and the time that it sees."""

    def __init__(self, *, is_on: bool = True) -> None:
        self.now_s = 1000.0
        self.log = KillLog(is_on=is_on, now_s=lambda: self.now_s)

    def passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.log.end_turn(is_backlog=False)


def test_each_kill_has_its_sentence(caplog: pytest.LogCaptureFixture) -> None:
    World().log.add([event("one"), event("two")])
    assert caplog.messages == ["one", "two"]
    assert {record.levelno for record in caplog.records} == {logging.INFO}


def test_other_events_have_none(caplog: pytest.LogCaptureFixture) -> None:
    World().log.add([Event(schema.NO_VICTIM, 1, "no victim", {})])
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("attribute", "line"),
    [
        (schema.BACKLOG, "java was OOM-killed (before this start)"),
        (schema.IS_UNCONFIRMED, "java was OOM-killed (the kernel did not count it)"),
    ],
)
def test_a_line_says_what_is_special(attribute: schema.Attribute, line: str, caplog: pytest.LogCaptureFixture) -> None:
    World().log.add([event(attribute=attribute)])
    assert caplog.messages == [line]


def test_500_kills_have_eleven_lines(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    for number in range(500):
        world.log.add([event(str(number))])
        world.passes(0.005)
    assert caplog.messages == [str(number) for number in range(10)]
    world.passes(5.0)
    assert caplog.messages[10:] == [MORE % 490]
    world.passes(60.0)
    assert len(caplog.messages) == 11, "the number is said once"
    world.log.add([event("the next")])
    assert caplog.messages[11:] == ["the next"]


def test_a_storm_without_end_has_eleven_lines_in_five_seconds(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    for _ in range(100):
        world.log.add([event()])
        world.now_s += 0.25
    shown = ["java was OOM-killed"] * 10
    assert caplog.messages == [*[*shown, MORE % 20] * 3, *shown]


@pytest.mark.parametrize("before_s", [0.0, 0.125, 4.875, 4.9375, 5.0])
def test_a_burst_has_eleven_lines_whenever_it_begins(before_s: float, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.passes(60.0)
    world.log.add([event("a kill before")])
    world.passes(before_s)
    for _ in range(500):
        world.log.add([event("burst")])
        world.passes(1 / 1024)
    world.passes(60.0)
    assert caplog.messages.count("burst") <= 10
    (more,) = [line for line in caplog.messages if "more" in line]
    assert more == MORE % (500 - caplog.messages.count("burst"))


def test_a_stop_does_not_forget_the_number(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.log.add([event()] * 12)
    world.log.close()
    world.log.close()
    assert caplog.messages[10:] == [MORE % 2]


def test_the_backlog_is_counted_when_it_was_read(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    for _ in range(2):
        world.log.add([event(attribute=schema.BACKLOG)] * 6)
        world.log.end_turn(is_backlog=True)
    assert len(caplog.messages) == 10
    world.passes(0.0)
    assert caplog.messages[10:] == ["found 12 kill(s) in the kernel log that are older than this start"]
    world.passes(5.0)
    assert caplog.messages[11:] == [MORE % 2]


def test_it_can_be_switched_off(caplog: pytest.LogCaptureFixture) -> None:
    world = World(is_on=False)
    world.log.add([event(attribute=schema.BACKLOG)] * 20)
    world.passes(10.0)
    world.log.close()
    assert caplog.messages == []


def test_a_line_that_cannot_be_logged_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    world = World()
    with monkeypatch.context() as patch:
        patch.setattr(kill_log.log, "makeRecord", fail)
        world.log.add([event()] * 3)
        world.log.end_turn(is_backlog=False)
    world.passes(5.0)
    assert caplog.messages == [MORE % 3]


def test_a_kill_is_logged_after_it_is_in_the_spool(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig()
    pending: list[int] = []

    class Looks(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "OOM-killed" in record.getMessage():
                pending.append(len(rig.spool))

    handler = Looks()
    logging.getLogger().addHandler(handler)
    try:
        rig.fail_puts(monkeypatch, MemoryError())
        rig.run(kill(1), kill(2))
    finally:
        logging.getLogger().removeHandler(handler)
    assert pending == [2, 2], "not at the first attempt, which put nothing"
    assert [line for line in caplog.messages if "OOM-killed" in line] == [one.body for one in rig.events]


def test_the_agent_says_at_its_stop_what_it_did_not_show(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig().run(*(kill(number) for number in range(1, 31)))
    assert len(rig.events) == 30
    assert [line for line in caplog.messages if "kill" in line][-1] == MORE % 20


def test_the_agent_counts_its_backlog(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(reads_backlog=True)
    rig.run(kill(1), kill(2))
    assert "found 2 kill(s) in the kernel log that are older than this start" in caplog.messages
