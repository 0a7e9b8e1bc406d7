"""Reports with hostile lines among their own: the readers raise nothing, and keep numbers that telemetry can hold."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support import klog

from otel_oom.kernel.kmsg_record import Record

NUMBERS = st.one_of(
    st.integers(0, 2**70).map(str),
    st.integers(-9, -1).map(str),
    st.integers(1, 4_000).map(lambda digits: "9" * digits),
    st.sampled_from(["", "0x5", "00", "1.5", " 7", "٣"]),
)
FORMS = st.sampled_from(
    [
        "active_anon:{} inactive_anon:{} isolated_anon:0",
        r"active_anon:{} inactive_anon:{}\x0a slab_reclaimable:7\x0a free:{}",
        " slab_reclaimable:{} slab_unreclaimable:{}",
        "Node {} active_anon:{}kB kernel_stack:{}kB all_unreclaimable? no",
        "Node 0 Normal free:{}kB min:{}kB managed:{}kB kernel_stack:{}kB",
        "Node 0 hugepages_total={} hugepages_free={} hugepages_surp=0 hugepages_size={}kB",
        "{} pages RAM",
        "Free swap  = {}kB",
        "memory: usage {}kB, limit {}kB, failcnt {}",
        "memory+swap: usage {}kB, limit {}kB, failcnt 0",
        "Memory cgroup stats for /g: cache:{}KB rss:{}KB shmem:{}KB",
        "anon {}",
        r"anon {}\x0afile {}\x0aslab {}",
        "total_rss {}",
        "asker cpuset=/ mems_allowed={}",
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask={},cpuset=/,mems_allowed={},global_oom,task_memcg=/",
        klog.TABLE,
        "[{}]     7     9     3383 {}    61440        0            -5 x",
    ]
)
FOREIGN = st.sampled_from(["usb 1-1: new device", "x[7]: segfault at 0 ip 0 sp 0 error 4", "", "lowmem_reserve[]: 0 9"])


@st.composite
def lines(draw: st.DrawFn) -> klog.Line:
    """A line of a report with any numbers: whole, cut anywhere, as a fragment, or at the level of a mount."""
    form = draw(st.one_of(FORMS, FOREIGN))
    numbers = draw(st.lists(NUMBERS, min_size=4, max_size=4))
    text = form.format(*numbers).encode("ascii", "replace").decode()
    text = text[: draw(st.one_of(st.none(), st.integers(0, len(text))))]
    kind = draw(st.sampled_from(["whole", "whole", "whole", "fragment", "mount"]))
    if kind == "fragment":
        return klog.fragment(text)
    return klog.record(text, priority=3) if kind == "mount" else text


def numbers_of(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [number for part in value.values() for number in numbers_of(part)]
    if isinstance(value, tuple):
        return [number for part in value for number in numbers_of(part)]
    return [value] if isinstance(value, int) else []


@given(st.lists(lines(), max_size=30), st.sampled_from(["system", "cgroup"]), st.data())
def test_any_lines_in_a_report(among: list[klog.Line], scope: str, data: st.DataObject) -> None:
    report: list[klog.Line] = [*(klog.system_report() if scope == "system" else klog.memcg_report())]
    for line in among:
        report.insert(data.draw(st.integers(1, len(report) - 1)), line)
    (kill,) = klog.kills(report)
    context = asdict(kill.context)
    sizes = numbers_of({name: context[name] for name in ("memcg", "machine", "tasks")})
    assert all(0 <= size < 2**63 for size in sizes)
    unknown = "memcg" if scope == "system" else "machine"
    assert set(context[unknown].values()) == {None}


@given(st.lists(lines(), max_size=20))
def test_foreign_lines_between_those_of_a_report_change_no_fact(foreign: list[klog.Line]) -> None:
    among = [line for line in foreign if isinstance(line, Record) and line.priority == 3]  # a mount's
    for report in (klog.system_report(), klog.memcg_report()):
        (expected,) = klog.kills(report)
        (kill,) = klog.kills([report[0], *among, *report[1:-1], *among, report[-1]])
        assert expected.context.memcg == kill.context.memcg
        assert expected.context.machine == kill.context.machine
        assert expected.context.tasks == kill.context.tasks
