"""From a kill to its cgroup: event, join and path together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support import klog
from support.trace_pages import VICTIM_CGROUP

from otel_oom.kernel.oom_kill import OomKill
from otel_oom.victim_trace import victim_trace
from otel_oom.victim_trace.lost_lines import MIN_AGE_S
from otel_oom.victim_trace.trace_event_format import parse_format
from otel_oom.victim_trace.trace_ring import Traced
from otel_oom.victim_trace.traced_line import TracedLine
from otel_oom.victim_trace.traced_victim import TracedVictim
from otel_oom.victim_trace.tracefs_setup import Instance, Unavailable
from otel_oom.victim_trace.victim_trace import TracedCgroup, VictimTrace, open_victim_trace

NAMES = ("kubepods-burstable.slice", "kubepods-burstable-podx.slice", "cri-containerd-y.scope")
PATH = "/kubepods.slice/" + "/".join(NAMES)


def killed(pid: int = 7, comm: str = "java") -> OomKill:
    (kill,) = klog.kills([klog.killed(pid, comm)])
    return kill


LINE_NS = killed().record.monotonic_us * 1_000


def traced(level: int | None = 4, names: tuple[str, ...] | None = NAMES, cgroup_id: int | None = 4711) -> TracedVictim:
    return TracedVictim(LINE_NS - 5, 7, "java", cgroup_id=cgroup_id, cgroup_level=level, cgroup_names=names)


@dataclass
class Ring:
    """Gives its events at the first read."""

    events: Sequence[Traced]
    asked_ns: list[float] = field(default_factory=list)
    has_missed: bool = False

    def read_until(self, time_ns: float) -> list[Traced]:
        self.asked_ns.append(time_ns)
        events, self.events = self.events, []
        return list(events)

    def overwritten(self) -> int:
        return 12


class Paths:
    """Knows one cgroup."""

    def path_of(self, cgroup_id: int, name: str) -> str | None:
        return PATH if (cgroup_id, name) == (4711, NAMES[-1]) else None


@pytest.mark.parametrize(
    ("victim", "expected"),
    [
        pytest.param(traced(), TracedCgroup(PATH, NAMES), id="by its id"),
        pytest.param(traced(cgroup_id=4712), TracedCgroup(None, NAMES), id="removed"),
        pytest.param(
            traced(2, ("a", "b"), 4712), TracedCgroup("/a/b", ("a", "b")), id="removed, but all names are known"
        ),
        pytest.param(traced(0, (), 1), TracedCgroup("/", ()), id="the root"),
        pytest.param(traced(None, NAMES), TracedCgroup(PATH, NAMES), id="without a level"),
        pytest.param(traced(4, None), None, id="without names"),
        pytest.param(traced(None, None, None), None, id="without our probe"),
    ],
)
def test_the_path_is_looked_up_or_made_of_all_its_names(victim: TracedVictim, expected: TracedCgroup | None) -> None:
    assert VictimTrace(Ring([victim]), Paths()).find(killed()) == expected


def test_without_a_cgroup_filesystem_the_names_remain() -> None:
    assert VictimTrace(Ring([traced()]), None).find(killed()) == TracedCgroup(None, NAMES)


def test_the_ring_is_read_once_for_each_kill_up_to_its_line() -> None:
    ring = Ring([traced()])
    cgroups = VictimTrace(ring, Paths())
    assert ring.asked_ns == []
    assert cgroups.find(killed(8)) is None
    assert cgroups.find(killed()) is not None
    assert cgroups.find(killed()) is None, "one event, one kill"
    assert ring.asked_ns == [LINE_NS] * 3


def test_a_name_is_compared_as_the_log_escapes_it() -> None:
    victim = TracedVictim(LINE_NS, 7, r"a\x0ab\x5c", cgroup_id=1, cgroup_level=1, cgroup_names=("c",))
    assert VictimTrace(Ring([victim]), None).find(killed(comm=r"a\x0ab\x5c")) == TracedCgroup("/c", ("c",))


LINE = TracedLine(LINE_NS + 300, killed().record.text)


class Clock:
    """The agent's clock."""

    now_s = 10.0

    def __call__(self) -> float:
        return self.now_s


def test_a_kill_whose_line_is_lost_is_made_of_its_traced_line() -> None:
    clock, ring = Clock(), Ring([traced(), LINE])
    trace = VictimTrace(ring, Paths(), clock_s=clock)
    trace.log_lost(is_backlog=True)
    assert ring.asked_ns == [math.inf]
    assert trace.take_lost((), "boot", 5).lines == 0, "its record may still come"
    clock.now_s += MIN_AGE_S
    lost = trace.take_lost((), "boot", 5)
    (kill,) = lost.kills
    assert (lost.lines, kill.pid, kill.comm, kill.scope, kill.observed_ns) == (1, 7, "java", "cgroup", 5)
    assert (kill.line, kill.real_user_id) == (killed().line, killed().real_user_id)
    assert (kill.context.completeness, kill.record.has_sequence) == ("suppressed", False)
    assert trace.find(kill) == TracedCgroup(PATH, NAMES)
    assert trace.take_lost((), "boot", 6).lines == 0


def test_equal_lines_of_two_kills_have_two_uids() -> None:
    later = replace(LINE, time_ns=LINE_NS + 10**9)
    clock = Clock()
    trace = VictimTrace(
        Ring([traced(), LINE, replace(traced(), time_ns=later.time_ns - 5), later]), Paths(), clock_s=clock
    )
    trace.log_lost(is_backlog=False)
    clock.now_s += MIN_AGE_S
    uids = [kill.uid for kill in trace.take_lost((), "boot", 5).kills]
    assert len(set(uids)) == 2
    assert killed().uid not in uids


def test_a_kill_whose_line_came_is_not_lost() -> None:
    clock = Clock()
    earlier = replace(traced(), time_ns=LINE_NS - 20_000_000)  # the kernel marked it while it was already exiting
    trace = VictimTrace(Ring([earlier, traced(), LINE]), Paths(), clock_s=clock)
    assert trace.find(killed()) is not None
    trace.log_lost(is_backlog=False)
    clock.now_s += MIN_AGE_S
    assert trace.take_lost((), "boot", 5).lines == 0


def test_lines_from_before_the_counting_are_discarded_and_their_cgroups_stay() -> None:
    clock = Clock()
    trace = VictimTrace(Ring([traced(), LINE]), Paths(), clock_s=clock)
    trace.discard_lines()
    trace.log_lost(is_backlog=False)
    clock.now_s += MIN_AGE_S
    assert trace.take_lost((), "boot", 5).lines == 0
    assert trace.find(killed()) is not None


@pytest.mark.parametrize(("has_missed", "expected"), [(False, []), (True, [12])])
def test_events_that_were_overwritten_are_reported(*, has_missed: bool, expected: list[int]) -> None:
    numbers: list[int] = []
    VictimTrace(Ring([], has_missed=has_missed), None, overwritten=numbers.append).find(killed())
    assert numbers == expected


def made(monkeypatch: pytest.MonkeyPatch, instance: Instance | Unavailable) -> VictimTrace | Unavailable:
    monkeypatch.setattr(victim_trace, "set_up", lambda *_, **__: instance)
    return open_victim_trace()


def test_a_set_up_instance_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event_format = parse_format(VICTIM_CGROUP)
    assert event_format is not None
    instance = Instance(tmp_path, (event_format,))
    (tmp_path / "per_cpu" / "cpu0").mkdir(parents=True)
    (tmp_path / "per_cpu" / "cpu0" / "stats").write_text("overrun: 3\n")
    monkeypatch.setattr(victim_trace, "set_up", lambda *_, **__: instance)
    numbers: list[int] = []
    first = open_victim_trace(overwritten=numbers.append)
    assert isinstance(first, VictimTrace)
    assert (first.without_cgroups, numbers) == (None, [3])
    assert first.find(killed()) is None
    assert made(monkeypatch, instance) == Unavailable(f"another process reads {tmp_path}")


def test_what_is_not_to_be_had_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(monkeypatch, Unavailable("no tracefs")) == Unavailable("no tracefs")
    gone = made(monkeypatch, Instance(tmp_path / "gone", ()))
    assert isinstance(gone, Unavailable)
    assert "gone" in gone.reason


def test_a_low_limit_of_open_files_is_left_to_the_rest_of_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 17)
    monkeypatch.setattr("resource.getrlimit", lambda _: (64, 64))
    limited = made(monkeypatch, Instance(tmp_path, ()))
    assert isinstance(limited, Unavailable)
    assert "LimitNOFILE" in limited.reason
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert isinstance(made(monkeypatch, Instance(tmp_path, ())), VictimTrace)
    for number in range(17):  # a virtual machine to which processors can be added
        (tmp_path / "per_cpu" / f"cpu{number}").mkdir(parents=True)
    assert made(monkeypatch, Instance(tmp_path, ())) == limited


def test_without_cgroups_the_lines_are_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = made(monkeypatch, Instance(tmp_path, (), "no probe"))
    assert isinstance(trace, VictimTrace)
    assert trace.without_cgroups == "no probe"
