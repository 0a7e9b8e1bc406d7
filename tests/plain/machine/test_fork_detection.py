"""Identity changes after a fork: what counts as one, and what the agent then does."""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import replace

import pytest
from support.agent_rig import IDENTITY, Rig, kill, line
from support.waiting import eventually

from otel_oom.kernel import vm_fork_line
from otel_oom.machine.fork_detection import IDENTITY_READ_S, ForkDetection
from otel_oom.machine.identity import MachineIdentity
from otel_oom.totals import ResourceIdentity, Totals

COPY = replace(IDENTITY, mark="copy")


def fork(sequence: int, priority: int = 5) -> bytes:
    return line(vm_fork_line.VM_FORK, sequence, priority)


def instance_ids(rig: Rig) -> list[str]:
    """Of all events, in order."""
    found = []
    while batch := rig.spool.peek(10_000, 1 << 30):
        found += [event.identity.instance_id for event in batch if event.identity]
        rig.spool.remove_first(len(batch))
    return found


class World:
    """A machine whose identity is looked at."""

    def __init__(self, *, is_always: bool = False, random_part: str = "") -> None:
        self.machine: MachineIdentity | None = IDENTITY
        self.looks = 0
        self.identity = IDENTITY.resource_identity()
        self._forks = ForkDetection(self._look, is_always=is_always, random_part=lambda: random_part, now_s=math.inf)

    def changed_identity(self, now_s: float, *, is_forked: bool) -> ResourceIdentity | None:
        identity = self._forks.changed_identity(self.identity, now_s, is_forked=is_forked)
        self.identity = identity or self.identity
        return identity

    def _look(self) -> MachineIdentity | None:
        self.looks += 1
        return self.machine


def test_without_a_fork_the_identity_is_not_read() -> None:
    world = World()
    world.machine = COPY
    assert world.changed_identity(10.0, is_forked=False) is None
    assert world.looks == 0


@pytest.mark.parametrize("copy", [COPY, replace(IDENTITY, host_name="b"), replace(IDENTITY, machine_id="b")])
def test_a_fork_with_a_new_identity_is_an_identity_change(copy: MachineIdentity) -> None:
    world = World()
    world.machine = copy
    assert world.changed_identity(10.0, is_forked=True) == copy.resource_identity()
    assert world.changed_identity(20.0, is_forked=True) is None, "once"


def test_ten_resumes_of_one_machine_are_no_identity_change() -> None:
    world = World()
    assert [world.changed_identity(float(at), is_forked=True) for at in range(10)] == [None] * 10


def test_an_identity_that_changes_later_is_found_for_a_minute() -> None:
    world = World()
    assert world.changed_identity(100.0, is_forked=True) is None
    world.machine = COPY
    assert world.changed_identity(100.0 + IDENTITY_READ_S, is_forked=False) == COPY.resource_identity()
    world.machine = IDENTITY
    assert world.changed_identity(101.0 + IDENTITY_READ_S, is_forked=False) is None, "not for ever"


@pytest.mark.parametrize(
    ("is_forked", "read_at_s"), [(True, [0, *range(5, 61, 5)]), (False, [0, 5, 10, 20, 40, 60])], ids=["fork", "start"]
)
def test_each_reading_of_the_identity_is_due_at_its_time(is_forked: bool, read_at_s: list[int]) -> None:  # noqa: FBT001 a row
    """A reading starts a thread: the fewer the better, and none after the minute."""
    looks: list[float] = []
    now_s = 100.0
    forks = ForkDetection(lambda: looks.append(now_s - 100.0), is_always=False, random_part=str, now_s=100.0)
    identity = IDENTITY.resource_identity()
    forks.changed_identity(identity, now_s, is_forked=is_forked)
    while forks.due_s < math.inf:
        now_s = forks.due_s - 0.1
        forks.changed_identity(identity, now_s, is_forked=False)  # a turn for another reason
        now_s = forks.due_s
        forks.changed_identity(identity, now_s, is_forked=False)
    assert looks == read_at_s


def test_an_identity_that_cannot_be_read_is_no_change() -> None:
    world = World()
    world.machine = None
    assert world.changed_identity(1.0, is_forked=True) is None
    world.machine = IDENTITY
    assert world.changed_identity(6.0, is_forked=False) is None
    world.machine = COPY
    assert world.changed_identity(11.0, is_forked=False) == COPY.resource_identity()


def test_a_machine_id_that_is_being_written_is_no_change() -> None:
    world = World()
    world.machine = replace(IDENTITY, machine_id="")
    assert world.changed_identity(1.0, is_forked=True) is None


def test_the_identity_may_change_for_a_minute_after_the_start() -> None:
    forks = ForkDetection(lambda: COPY, is_always=False, random_part=str, now_s=100.0)
    assert (
        forks.changed_identity(IDENTITY.resource_identity(), 100.0 + IDENTITY_READ_S, is_forked=False)
        == COPY.resource_identity()
    )
    assert forks.changed_identity(IDENTITY.resource_identity(), 101.0 + IDENTITY_READ_S, is_forked=False) is None
    own = IDENTITY.resource_identity(random_part="run")
    same = ForkDetection(lambda: IDENTITY, is_always=False, random_part=str, now_s=100.0)
    assert same.changed_identity(own, 100.0, is_forked=True) is None, "the random part of one run is no change"


@pytest.mark.parametrize("random_part", ["", "-f00"])
def test_the_id_of_an_earlier_version_is_no_identity_change(random_part: str) -> None:
    world = World()
    former = str(uuid.uuid5(uuid.UUID("1c9bfad8-2c8c-5b55-a353-52ba67b6afd8"), "machine\0host"))
    world.identity = ResourceIdentity(former + random_part, "host", "machine")
    assert world.changed_identity(1.0, is_forked=True) is None
    world.machine = COPY
    assert world.changed_identity(6.0, is_forked=False) == COPY.resource_identity()


@pytest.mark.parametrize("machine", [IDENTITY, None])
def test_always_changes_the_identity_at_each_fork(machine: MachineIdentity | None) -> None:
    world = World(is_always=True, random_part="f00")
    world.machine = machine
    expected = ResourceIdentity(f"{IDENTITY.instance_id}/f00", "host", "machine")
    assert world.changed_identity(1.0, is_forked=True) == expected
    assert world.changed_identity(2.0, is_forked=False) is None
    assert world.changed_identity(3.0, is_forked=True) == expected, "its own part does not grow"


def test_what_was_read_before_a_fork_keeps_the_old_identity() -> None:
    rig = Rig(machine=COPY).run(kill(1), fork(2), kill(3, cause="Out of memory"), kill(4))
    assert rig.spool.checkpoint.identity == COPY.resource_identity()
    assert rig.kills == {"system": 1, "cgroup": 1}
    retired = rig.spool.retired
    assert retired is not None
    assert (retired.series.identity, retired.series.totals.kills) == (ResourceIdentity("instance"), {"cgroup": 1})
    assert instance_ids(rig) == ["instance", COPY.instance_id, COPY.instance_id]


def test_a_fork_in_the_backlog_and_at_the_stop() -> None:
    rig, another = Rig(machine=COPY), replace(COPY, mark="another")
    rig.source.put(kill(1), fork(2), kill(3))
    agent = rig.open()
    agent.replay_backlog()
    assert (rig.spool.checkpoint.identity, rig.kills) == (COPY.resource_identity(), {"cgroup": 1})
    assert rig.spool.exportable.totals.kills == {"cgroup": 1}
    rig.machine = another
    rig.source.put(kill(4), fork(5), kill(6))
    rig.finish(agent)
    assert (rig.spool.checkpoint.identity, rig.kills) == (another.resource_identity(), {"cgroup": 1})
    assert instance_ids(rig) == ["instance", *[COPY.instance_id] * 2, another.instance_id]


def test_an_identity_that_changed_while_no_agent_ran() -> None:
    """Records from before belong to the old identity, as they do in each copy."""
    rig = Rig(machine=COPY, started_s=time.monotonic())
    rig.source.put(kill(1), kill(2))
    agent = rig.open()
    agent.replay_backlog()
    retired = rig.spool.retired
    assert retired is not None
    assert (retired.series.totals.kills, rig.kills) == ({"cgroup": 2}, {})
    assert instance_ids(rig) == ["instance"] * 2


def test_what_could_not_be_passed_on_keeps_the_old_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(machine=COPY)
    rig.fail_puts(monkeypatch, MemoryError(), MemoryError())
    with rig.running():
        rig.source.put(kill(1), fork(2), kill(3))
        assert eventually(lambda: rig.spool.checkpoint.identity == COPY.resource_identity() and rig.kills)
    assert instance_ids(rig) == ["instance", COPY.instance_id]


def test_a_fork_of_the_same_machine_changes_nothing() -> None:
    rig = Rig().run(kill(1), fork(2), kill(3))
    assert (rig.kills, rig.spool.retired) == ({"cgroup": 2}, None)
    assert rig.health.reconnects == 1, "but the connections may be dead"
    assert instance_ids(rig) == ["instance"] * 2


def test_the_sender_is_woken_by_a_fork_without_a_kill() -> None:
    """Its connections are dead: they are made again at once, not with the next heartbeat."""
    rig = Rig()
    with rig.running():
        version = rig.spool.wait(-1, 0)
        rig.source.put(fork(1))
        assert rig.spool.wait(version, 5.0) > version


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(fork(2, priority=13), id="user space wrote it"),
        pytest.param(line(f"x: {vm_fork_line.VM_FORK}", 2), id="another line's end"),
        pytest.param(line(f"{vm_fork_line.VM_FORK} x", 2), id="another line's beginning"),
        pytest.param(b"5;" + vm_fork_line.VM_FORK.encode(), id="no record"),
    ],
)
def test_only_the_kernel_says_that_it_was_forked(forged: bytes) -> None:
    rig = Rig(machine=COPY).run(kill(1), forged, kill(3))
    assert rig.spool.checkpoint.identity == ResourceIdentity("instance")
    assert (rig.kills, rig.health.reconnects) == ({"cgroup": 2}, 0)


def test_a_fork_that_was_read_before_a_restart_is_an_old_one() -> None:
    stored = replace(Rig().spool.checkpoint, cursor=1, first_uncounted=3)
    rig = Rig(checkpoint=stored, machine=COPY).run(kill(1), fork(2), kill(3))
    assert rig.spool.checkpoint.identity == ResourceIdentity("instance")


def test_the_kernels_counter_is_compared_with_all_kills_across_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kills from before the fork, also unaccounted ones, count under the old identity."""
    monkeypatch.setattr("otel_oom.agent.comparison_times.MIN_SURPLUS_AGE_S", 0.01)
    monkeypatch.setattr("otel_oom.agent.reconciliation.MIN_SURPLUS_AGE_S", 0.02)
    rig = Rig(machine=COPY, counted=10)
    with rig.running():
        rig.counted = 13
        rig.source.put(kill(1))
        assert eventually(lambda: rig.spool.totals.unaccounted == 2)
        rig.source.put(fork(2))
        assert eventually(lambda: rig.spool.checkpoint.identity == COPY.resource_identity())
        assert rig.spool.totals.unaccounted == 0
        rig.counted = 15
        rig.source.put(kill(3))
        assert eventually(lambda: rig.spool.totals.unaccounted == 1)
        time.sleep(0.1)
    assert (rig.kills, rig.spool.totals.unaccounted) == ({"cgroup": 1}, 1)
    assert instance_ids(rig).count("instance") == 2


def test_new_totals_begin_at_the_identity_change() -> None:
    rig = Rig(machine=COPY).run(fork(1))
    assert rig.spool.totals == Totals(rig.spool.totals.start_ns)
    assert time.time_ns() - rig.spool.totals.start_ns < 10**10
