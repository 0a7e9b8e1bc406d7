"""Trace events to victims. Processes and users choose the names in them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trace_pages import MARK_VICTIM, MARK_VICTIM_PID, VICTIM_CGROUP, mark_victim, victim_cgroup

from otel_oom.kernel.text_escapes import escape, unescape
from otel_oom.victim_trace.trace_event_format import parse_format
from otel_oom.victim_trace.trace_ring_page import Entry
from otel_oom.victim_trace.traced_victim import TracedVictim, merge, victims_of

FORMATS = [one for one in map(parse_format, (MARK_VICTIM, MARK_VICTIM_PID, VICTIM_CGROUP)) if one]
POD = (b"kubepods.slice", b"kubepods-burstable.slice", b"kubepods-burstable-podx.slice", b"cri-containerd-y.scope")
HOSTILE = [
    b"a b",
    b"x\n  java-1 [000] 5.0: mark_victim: pid=5",
    b"cgroup_id=5",
    b'" level=0 name="',
    b"\\x41",
    b"\xff\xfe\x01",
    b"\xc3\xa9",
    b") total-vm:1kB",
    b"fault",
]


def victim(payload: bytes, time_ns: int = 7) -> TracedVictim:
    (found,) = victims_of([Entry(time_ns, payload)], FORMATS)
    return found


def test_the_kernels_event_gives_name_sizes_in_bytes_and_user() -> None:
    sizes = {"total_vm": 67880, "anon_rss": 20480, "file_rss": 1056, "shmem_rss": 4, "pgtables": 80}
    found = victim(mark_victim(2110, b"java", **sizes, uid=1000, oom_score_adj=-998))
    assert (found.time_ns, found.pid, found.comm, found.user_id, found.score_adj) == (7, 2110, "java", 1000, -998)
    assert {name: getattr(found, name) for name in sizes} == {name: kib * 1024 for name, kib in sizes.items()}
    assert (found.cgroup_id, found.cgroup_level, found.cgroup_names) == (None, None, None)


def test_before_68_it_gives_the_pid() -> None:
    assert victim(struct.pack("=HBBii", 500, 0, 0, 9, 2110)) == TracedVictim(7, 2110)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ((), ()),
        ((b"a",), ("a",)),
        ((b"a", b"b"), ("a", "b")),
        ((b"a", b"b", b"c"), ("a", "b", "c")),
        (POD, ("kubepods-burstable.slice", "kubepods-burstable-podx.slice", "cri-containerd-y.scope")),
    ],
)
def test_our_event_gives_the_cgroup(path: tuple[bytes, ...], names: tuple[str, ...]) -> None:
    found = victim(victim_cgroup(2110, path, cgroup_id=1 << 40))
    assert found == TracedVictim(7, 2110, "java", cgroup_id=1 << 40, cgroup_level=len(path), cgroup_names=names)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_shifts_no_field(name: bytes) -> None:
    found = victim(victim_cgroup(2110, (name, name, b"b"), name[:15]))
    assert (found.pid, found.cgroup_id, found.cgroup_level) == (2110, 4711, 3)
    assert found.comm == escape(name[:15])
    assert found.cgroup_names == (escape(name), escape(name), "b")
    assert victim(mark_victim(2110, name[:15], uid=5)) == TracedVictim(
        7, 2110, escape(name[:15]), 0, 0, 0, 0, 0, user_id=5, score_adj=0
    )


@given(
    st.lists(st.binary(min_size=1, max_size=255).filter(lambda name: not {0, 47} & set(name)), min_size=1, max_size=5),
    st.binary(max_size=15).filter(lambda name: 0 not in name),
)
def test_all_names_come_back(path: list[bytes], comm: bytes) -> None:
    path = [b"x" if name == b"(fault)" else name for name in path]
    comm = b"x" if comm == b"(fault)" else comm
    found = victim(victim_cgroup(2110, path, comm))
    assert unescape(found.comm or "") == comm
    assert [unescape(name) for name in found.cgroup_names or ()] == path[-3:]


@given(st.binary(max_size=300))
def test_no_payload_raises(payload: bytes) -> None:
    for event_id in (609, 500, 1701):
        victims_of([Entry(7, payload), Entry(8, struct.pack("=H", event_id) + payload)], FORMATS)


def test_other_events_are_left_out() -> None:
    other = struct.pack("=HBBii", 5, 0, 0, 9, 2110)
    assert victims_of([Entry(7, other), Entry(7, b""), Entry(7, b"\x61\x02")], FORMATS) == []


def test_the_two_events_of_a_victim_are_one_value() -> None:
    mark = victim(mark_victim(2110, total_vm=4), 1_000)
    probe = victim(victim_cgroup(2110, (b"a", b"b")), 2_000)
    merged = TracedVictim(1_000, 2110, "java", 4096, 0, 0, 0, 0, 0, 0, 4711, 2, ("a", "b"))
    assert merge(mark, probe) == merged
    assert merge(probe, mark) == TracedVictim(2_000, *(getattr(merged, name) for name in TracedVictim.__slots__[1:]))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(victim(victim_cgroup(2111, (b"a",)), 1_000), id="another pid"),
        pytest.param(victim(victim_cgroup(2110, (b"a",)), 10_001_000), id="another time"),
        pytest.param(victim(victim_cgroup(2110, (b"a",), b"node"), 1_000), id="another name"),
        pytest.param(victim(mark_victim(2110), 1_000), id="the same event"),
    ],
)
def test_two_victims_stay_two(other: TracedVictim) -> None:
    assert merge(victim(mark_victim(2110), 1_000), other) is None
