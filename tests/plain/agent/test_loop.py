"""The loop over a scripted source: what goes in as readings comes out as events, totals and numbers."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from support.agent_rig import Rig, frozen_time, kill, line
from support.waiting import eventually

from otel_oom import schema
from otel_oom.errors import NoDeviceError
from otel_oom.kernel.log_source import Closed, Lost, Reading
from otel_oom.machine.service_manager import ServiceManager


def test_kills_are_counted_and_shipped_in_their_order() -> None:
    rig = Rig().run(kill(1), kill(2, cause="Out of memory"), line("usb 1-1: new device", 3), kill(4))
    assert [event.attributes[schema.PID.name] for event in rig.events] == [1001, 1002, 1004]
    assert rig.kills == {"cgroup": 2, "system": 1}
    assert rig.spool.totals.stamps_ns["cgroup"] == rig.events[2].observed_ns
    assert rig.health.records == {"read": 4}


def test_whose_the_victim_was_is_read_out_of_its_cgroup() -> None:
    pod, container = "1f2e3d4c-0000-4111-8222-333344445555", "ab" * 32
    where = f"/kubepods/burstable/pod{pod}"
    summary = (
        f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={where},"
        f"task_memcg={where}/{container},task=victim,pid=1003,uid=0"
    )
    opener = line("victim invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0", 1)
    rig = Rig().run(opener, line(summary, 2), kill(3), kill(4))
    known, unknown = (event.attributes for event in rig.events)
    assert (known[schema.CONTAINER_ID.name], known[schema.POD_UID.name]) == (container, pod)
    assert {schema.CONTAINER_ID.name, schema.POD_UID.name, schema.UNIT.name} & set(unknown) == set()


def test_what_user_space_wrote_is_refused() -> None:
    rig = Rig().run(kill(1, priority=12), line("hello", 2, 12), line("x invoked oom-killer: y", 3, 14), kill(4))
    assert rig.health.records == {"read": 4, "refused": 2}
    assert (rig.names, rig.kills) == ([schema.OOM_KILL], {"cgroup": 1})


def test_what_is_no_record_is_counted() -> None:
    rig = Rig().run(b"", b"\0" * 100, b"6,x,1,-;oom-kill:\n", kill(1))
    assert rig.health.records == {"read": 4, "malformed": 3}
    assert rig.kills == {"cgroup": 1}


def test_a_loss_is_an_event_and_a_count() -> None:
    rig = Rig().run(kill(1), Lost(5, 77), Lost(2, 99), kill(9))
    assert rig.health.records == {"read": 2, "lost": 7}
    (event,) = [event for event in rig.events if event.name == schema.RECORDS_LOST]
    assert (event.attributes[schema.COUNT.name], event.observed_ns) == (7, 99)
    assert rig.kills == {"cgroup": 2}


@pytest.mark.parametrize("jump_s", [30.0, -3600.0])
def test_a_jump_of_the_wall_clock_is_an_event(jump_s: float) -> None:
    step_ns = 0
    rig = Rig(wall_ns=lambda: time.time_ns() + step_ns)
    with rig.running():
        step_ns = int(jump_s * 1e9)
        rig.source.put(kill(1))
        assert eventually(lambda: rig.kills)
    jump, killed = rig.events
    assert (jump.name, killed.name) == (schema.CLOCK_JUMPED, schema.OOM_KILL)
    assert jump.attributes[schema.CLOCK_JUMP.name] == pytest.approx(jump_s, abs=0.1)
    assert jump.observed_ns == pytest.approx(time.time_ns() + step_ns, abs=5e9), "by the clock as it is now"
    assert rig.health.reconnects == 1


def test_what_the_kernel_counted_and_did_not_print_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("otel_oom.agent.loop.time", frozen_time(now))
    rig = Rig(counted=40)

    def look_again() -> None:
        now[0] += 5.0
        rig.source.wake()

    with rig.running():
        rig.counted = 43
        rig.source.put(kill(1))
        assert eventually(lambda: rig.kills == {"cgroup": 1})
        for _ in range(3):
            look_again()
            time.sleep(0.05)
        assert eventually(lambda: rig.spool.totals.unaccounted == 2)
        look_again()
        time.sleep(0.05)
    assert rig.names == [schema.OOM_KILL, schema.UNACCOUNTED]
    assert rig.events[1].attributes[schema.COUNT.name] == 2
    assert rig.kills == {"cgroup": 1}, "they are not counted as kills seen"


def test_a_kill_while_the_log_is_read_is_not_missing_later(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(counted=7)
    agent = rig.open()
    read = rig.source.read

    def killing(words: Sequence[bytes]) -> Reading:
        """As the kernel does: first it counts, then it prints."""
        if rig.counted == 7:
            rig.counted = 8
            rig.source.put(kill(1))
        return read(words)

    monkeypatch.setattr(rig.source, "read", killing)
    agent._turn()
    assert rig.kills == {"cgroup": 1}
    assert rig.spool.checkpoint.base == 7


def test_what_was_there_before_the_start_is_backlog() -> None:
    rig = Rig(reads_backlog=True)
    rig.source.put(kill(1))
    with rig.running():
        assert eventually(lambda: len(rig.events) == 1)
        rig.source.put(kill(2))
        assert eventually(lambda: len(rig.events) == 2)
    assert [event.attributes.get(schema.BACKLOG.name) for event in rig.events] == [True, None]
    assert [schema.KMSG_SKEW.name in event.attributes for event in rig.events] == [False, True]


def test_what_was_in_the_log_before_the_stop_is_passed_on() -> None:
    rig = Rig()
    rig.source.put(kill(1))
    rig.finish(rig.open())
    assert rig.kills == {"cgroup": 1}


def test_a_stop_reads_to_the_end_of_a_log_longer_than_a_burst() -> None:
    lines = [line("usb 1-1: new device", number) for number in range(1, 3_500)]
    rig = Rig()
    rig.source.put(*lines[:999], kill(1_000), *lines[1_000:], kill(3_500))
    rig.finish(rig.open())
    assert rig.kills == {"cgroup": 2}
    assert rig.health.records == {"read": 3_500}


def test_a_bug_outside_a_record_does_not_end_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    rig.fail_puts(monkeypatch, ValueError("bug"), MemoryError())
    with rig.running():
        rig.source.put(kill(1), kill(2))
        assert eventually(lambda: rig.kills == {"cgroup": 2}), "what was found goes out when it can"
    assert len(rig.events) == 2


class _Manager(ServiceManager):
    """A service manager that notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.longest_wait_s = 0.01

    def turned(self, now_s: float) -> None:
        del now_s
        self.turns += 1


def test_the_service_manager_hears_of_turns_also_while_nothing_happens_and_the_device_is_closed() -> None:
    rig, manager = Rig(), _Manager()
    agent = rig.open()
    thread = threading.Thread(target=agent.run, args=(manager,))
    thread.start()
    assert eventually(lambda: manager.turns > 3)
    rig.source.put(Closed("gone"))
    rig.source.open = lambda: (_ for _ in ()).throw(NoDeviceError("gone", "remedy"))  # type: ignore[method-assign]
    assert eventually(lambda: rig.health.down_reason == "gone")
    turns = manager.turns
    assert eventually(lambda: manager.turns > turns + 3)
    agent.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_a_turn_that_fails_is_no_sign_of_life(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig, manager = Rig(), _Manager()
    rig.fail_puts(monkeypatch, *[RuntimeError("a bug")] * 10_000)
    agent = rig.open()
    thread = threading.Thread(target=agent.run, args=(manager,))
    thread.start()
    assert eventually(lambda: "bug in the reader" in caplog.text)
    assert manager.turns == 0
    agent.stop()
    thread.join(10)


def test_a_flood_that_never_ends_still_reaches_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """`otel-oom check --live` is answered there. The wait has no time then."""
    rig = Rig()
    agent = rig.open()
    waits_s: list[float] = []
    monkeypatch.setattr(rig.source, "wait", waits_s.append)
    rig.source.put(*(line("usb 1-1: new device", sequence) for sequence in range(1, 2_500)))
    for _ in range(3):
        agent._turn()
    assert waits_s[:2] == [0, 0]
    assert waits_s[2] > 0
