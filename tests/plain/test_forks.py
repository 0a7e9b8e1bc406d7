"""A machine that may be another one now: what makes it so, and what the agent then does."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.agent_rig import IDENTITY, Rig, kill, line
from support.kernel import eventually

from otel_oom import grammar, host
from otel_oom.checkpoint import Origin, Totals
from otel_oom.forks import SETTLES_S, Forks
from otel_oom.host import Identity

COPY = replace(IDENTITY, mark="copy")


def fork(sequence: int, priority: int = 5) -> bytes:
    return line(grammar.FORKED, sequence, priority)


def origins(rig: Rig) -> list[str]:
    """Of all events, in order."""
    found = []
    while batch := rig.spool.peek(10_000, 1 << 30):
        found += [event.origin.instance_id for event in batch if event.origin]
        rig.spool.settle(len(batch))
    return found


class World:
    """A machine whose identity is looked at."""

    def __init__(self, *, is_always: bool = False, of_its_own: str = "") -> None:
        self.identity: Identity | None = IDENTITY
        self.looks = 0
        self.origin = IDENTITY.origin()
        self._forks = Forks(self._look, is_always=is_always, of_its_own=lambda: of_its_own, now_s=-math.inf)

    def moved(self, now_s: float, *, is_forked: bool) -> Origin | None:
        origin = self._forks.moved(self.origin, now_s, is_forked=is_forked)
        self.origin = origin or self.origin
        return origin

    def _look(self) -> Identity | None:
        self.looks += 1
        return self.identity


def test_without_a_fork_nobody_looks() -> None:
    world = World()
    world.identity = COPY
    assert world.moved(10.0, is_forked=False) is None
    assert world.looks == 0


@pytest.mark.parametrize("copy", [COPY, replace(IDENTITY, host_name="b"), replace(IDENTITY, machine_id="b")])
def test_a_fork_with_another_identity_makes_another_machine(copy: Identity) -> None:
    world = World()
    world.identity = copy
    assert world.moved(10.0, is_forked=True) == copy.origin()
    assert world.moved(20.0, is_forked=True) is None, "once"


def test_ten_resumes_of_one_machine_make_none() -> None:
    world = World()
    assert [world.moved(float(at), is_forked=True) for at in range(10)] == [None] * 10


def test_a_name_that_comes_later_is_waited_for() -> None:
    world = World()
    assert world.moved(100.0, is_forked=True) is None
    world.identity = COPY
    assert world.moved(100.0 + SETTLES_S, is_forked=False) == COPY.origin()
    world.identity = IDENTITY
    assert world.moved(101.0 + SETTLES_S, is_forked=False) is None, "not for ever"


def test_an_identity_that_cannot_be_told_is_no_difference() -> None:
    world = World()
    world.identity = None
    assert world.moved(1.0, is_forked=True) is None
    world.identity = IDENTITY
    assert world.moved(2.0, is_forked=False) is None
    world.identity = COPY
    assert world.moved(3.0, is_forked=False) == COPY.origin()


def test_a_machine_id_that_is_written_just_now_is_no_difference() -> None:
    world = World()
    world.identity = replace(IDENTITY, machine_id="")
    assert world.moved(1.0, is_forked=True) is None


def test_for_a_minute_after_the_start_a_name_may_come() -> None:
    forks = Forks(lambda: COPY, is_always=False, of_its_own=str, now_s=100.0)
    assert forks.moved(IDENTITY.origin(), 100.0 + SETTLES_S, is_forked=False) == COPY.origin()
    assert forks.moved(IDENTITY.origin(), 101.0 + SETTLES_S, is_forked=False) is None
    own = IDENTITY.origin(of_its_own="run")
    same = Forks(lambda: IDENTITY, is_always=False, of_its_own=str, now_s=100.0)
    assert same.moved(own, 100.0, is_forked=True) is None, "the part of one run is no difference"


def test_a_glance_does_not_wait_for_a_disk() -> None:
    hanging = threading.Event()
    looks: list[int] = []

    def look() -> Identity:
        looks.append(1)
        hanging.wait(10.0)
        return COPY

    glance = host.Glance(look)
    began_s = time.monotonic()
    assert (glance(), glance()) == (None, None)
    assert time.monotonic() - began_s < 1.0
    hanging.set()
    assert eventually(glance) == COPY
    assert len(looks) == 1, "one at a time"


@pytest.mark.parametrize("identity", [IDENTITY, None])
def test_always_is_each_time(identity: Identity | None) -> None:
    world = World(is_always=True, of_its_own="f00")
    world.identity = identity
    expected = Origin(f"{IDENTITY.instance_id}-f00", "host", "machine")
    assert world.moved(1.0, is_forked=True) == expected
    assert world.moved(2.0, is_forked=False) is None
    assert world.moved(3.0, is_forked=True) == expected, "its own part does not grow"


def test_the_identity_file_tells_copies_apart(tmp_path: Path) -> None:
    file = tmp_path / "identity"
    file.write_bytes(b" i-0123\n\xff\x1b[31m\n")
    marked, unmarked = host.identity(file), host.identity()
    assert marked.mark == r"i-0123\x0a\xff\x1b[31m", "any bytes, and harmless"
    assert marked.instance_id != unmarked.instance_id == host.identity(tmp_path / "none").instance_id
    file.write_bytes(b"x" * 100_000)
    assert len(host.identity(file).mark) == 4096


def test_what_was_before_a_fork_stays_what_the_machine_was() -> None:
    rig = Rig(identity=COPY).run(kill(1), fork(2), kill(3, cause="Out of memory"), kill(4))
    assert rig.spool.checkpoint.origin == COPY.origin()
    assert rig.kills == {"system": 1, "cgroup": 1}
    former = rig.spool.former
    assert former is not None
    assert (former.series.origin, former.series.totals.kills) == (Origin("instance"), {"cgroup": 1})
    assert origins(rig) == ["instance", COPY.instance_id, COPY.instance_id]


def test_before_the_first_export_and_at_the_stop_too() -> None:
    rig, another = Rig(identity=COPY), replace(COPY, mark="another")
    rig.source.put(kill(1), fork(2), kill(3))
    rig.agent.open()
    rig.agent.read_backlog()
    assert (rig.spool.checkpoint.origin, rig.kills) == (COPY.origin(), {"cgroup": 1})
    assert rig.spool.exportable.totals.kills == {"cgroup": 1}
    rig.identity = another
    rig.source.put(kill(4), fork(5), kill(6))
    rig.agent.stop()
    rig.agent.run()
    assert (rig.spool.checkpoint.origin, rig.kills) == (another.origin(), {"cgroup": 1})
    assert origins(rig) == ["instance", *[COPY.instance_id] * 2, another.instance_id]


def test_a_machine_that_became_another_while_no_agent_ran() -> None:
    """What the log holds from before is the old one's, as it is in each copy."""
    rig = Rig(identity=COPY, started_s=math.inf)
    rig.source.put(kill(1), kill(2))
    rig.agent.open()
    rig.agent.read_backlog()
    former = rig.spool.former
    assert former is not None
    assert (former.series.totals.kills, rig.kills) == ({"cgroup": 2}, {})
    assert origins(rig) == ["instance"] * 2


def test_what_could_not_be_passed_on_stays_before_the_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(identity=COPY)
    rig.fail_puts(monkeypatch, MemoryError(), MemoryError())
    with rig.running():
        rig.source.put(kill(1), fork(2), kill(3))
        assert eventually(lambda: rig.spool.checkpoint.origin == COPY.origin() and rig.kills)
    assert origins(rig) == ["instance", COPY.instance_id]


def test_a_fork_of_the_same_machine_changes_nothing() -> None:
    rig = Rig().run(kill(1), fork(2), kill(3))
    assert (rig.kills, rig.spool.former) == ({"cgroup": 2}, None)
    assert rig.health.renewals == 1, "but the connections may be dead"
    assert origins(rig) == ["instance"] * 2


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(fork(2, priority=13), id="user space wrote it"),
        pytest.param(line(f"x: {grammar.FORKED}", 2), id="another line's end"),
        pytest.param(line(f"{grammar.FORKED} x", 2), id="another line's beginning"),
        pytest.param(b"5;" + grammar.FORKED.encode(), id="no record"),
    ],
)
def test_only_the_kernel_says_that_it_was_forked(forged: bytes) -> None:
    rig = Rig(identity=COPY).run(kill(1), forged, kill(3))
    assert rig.spool.checkpoint.origin == Origin("instance")
    assert (rig.kills, rig.health.renewals) == ({"cgroup": 2}, 0)


def test_a_fork_that_was_read_before_a_restart_is_an_old_one() -> None:
    stored = replace(Rig().spool.checkpoint, cursor=1, uncounted=3)
    rig = Rig(checkpoint=stored, identity=COPY).run(kill(1), fork(2), kill(3))
    assert rig.spool.checkpoint.origin == Origin("instance")


def test_the_kernels_counter_is_still_compared_with_all_that_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kills before the fork, unaccounted ones too, are the old machine's; the new one does not tell them again."""
    monkeypatch.setattr("otel_oom.agent._LOOK_S", 0.01)
    monkeypatch.setattr("otel_oom.reconcile.APART_S", 0.02)
    rig = Rig(identity=COPY, counted=10)
    with rig.running():
        rig.counted = 13
        rig.source.put(kill(1))
        assert eventually(lambda: rig.spool.totals.unaccounted == 2)
        rig.source.put(fork(2))
        assert eventually(lambda: rig.spool.checkpoint.origin == COPY.origin())
        assert rig.spool.totals.unaccounted == 0
        rig.counted = 15
        rig.source.put(kill(3))
        assert eventually(lambda: rig.spool.totals.unaccounted == 1)
        time.sleep(0.1)
    assert (rig.kills, rig.spool.totals.unaccounted) == ({"cgroup": 1}, 1)
    assert origins(rig).count("instance") == 2


def test_new_totals_begin_when_the_machine_became_another() -> None:
    rig = Rig(identity=COPY).run(fork(1))
    assert rig.spool.totals == Totals(rig.spool.totals.start_ns)
    assert time.time_ns() - rig.spool.totals.start_ns < 10**10
