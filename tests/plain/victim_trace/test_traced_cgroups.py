"""From a kill to its cgroup: event, join and path together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import klog
from support.trace_pages import VICTIM_CGROUP

from otel_oom.kernel.oom_kill import OomKill
from otel_oom.victim_trace import traced_cgroups
from otel_oom.victim_trace.trace_event_format import parse_format
from otel_oom.victim_trace.traced_cgroups import TracedCgroup, TracedCgroups, open_traced_cgroups
from otel_oom.victim_trace.traced_victim import TracedVictim
from otel_oom.victim_trace.tracefs_setup import Instance, Unavailable

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
    """Gives its victims at the first read."""

    victims: list[TracedVictim]
    asked_ns: list[int] = field(default_factory=list)

    def read_until(self, time_ns: int) -> list[TracedVictim]:
        self.asked_ns.append(time_ns)
        victims, self.victims = self.victims, []
        return victims


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
    assert TracedCgroups(Ring([victim]), Paths()).find(killed()) == expected


def test_without_a_cgroup_filesystem_the_names_remain() -> None:
    assert TracedCgroups(Ring([traced()]), None).find(killed()) == TracedCgroup(None, NAMES)


def test_the_ring_is_read_once_for_each_kill_up_to_its_line() -> None:
    ring = Ring([traced()])
    cgroups = TracedCgroups(ring, Paths())
    assert ring.asked_ns == []
    assert cgroups.find(killed(8)) is None
    assert cgroups.find(killed()) is not None
    assert cgroups.find(killed()) is None, "one event, one kill"
    assert ring.asked_ns == [LINE_NS] * 3


def test_a_name_is_compared_as_the_log_escapes_it() -> None:
    victim = TracedVictim(LINE_NS, 7, r"a\x0ab\x5c", cgroup_id=1, cgroup_level=1, cgroup_names=("c",))
    assert TracedCgroups(Ring([victim]), None).find(killed(comm=r"a\x0ab\x5c")) == TracedCgroup("/c", ("c",))


def made(monkeypatch: pytest.MonkeyPatch, instance: Instance | Unavailable) -> TracedCgroups | Unavailable:
    monkeypatch.setattr(traced_cgroups, "set_up", lambda *_, **__: instance)
    return open_traced_cgroups()


def test_a_set_up_instance_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event_format = parse_format(VICTIM_CGROUP)
    assert event_format is not None
    instance = Instance(tmp_path, (event_format,))
    first = made(monkeypatch, instance)
    assert isinstance(first, TracedCgroups)
    assert first.find(killed()) is None
    assert made(monkeypatch, instance) == Unavailable(f"another process reads {tmp_path}")


def test_what_is_not_to_be_had_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(monkeypatch, Unavailable("no tracefs")) == Unavailable("no tracefs")
    assert made(monkeypatch, Instance(tmp_path, (), "no probe")) == Unavailable("no probe")
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
    assert isinstance(made(monkeypatch, Instance(tmp_path, ())), TracedCgroups)
