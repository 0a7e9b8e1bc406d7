r"""Trace events to `TracedVictim` values. No I/O.

Two kinds of events describe a victim (samples as `trace_pipe` prints them):

    mark_victim: pid=2110 comm=java total-vm=67880kB anon-rss=20480kB file-rss:1056kB shmem-rss:0kB uid=0 …
    victim_cgroup: (…) pid=2110 comm="java" cgroup_id=4711 level=2 name="docker-….scope" above="system.slice" …

The first is the kernel's (include/trace/events/oom.h). It has only the pid before 6.8, but stable kernels took the rest
(6.1.192). The second is ours, see `tracefs_setup`.

Rules:
- Each field may be absent. None: the event does not say it.
- One tracepoint writes both events of a victim, one right after the other: `merge` makes one value of them.
- The kernel also marks victims that are already exiting, without a kill line and without counting a kill. So a traced
  victim alone is no kill.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final

from otel_oom.kernel.text_escapes import escape
from otel_oom.victim_trace.trace_event_format import EventFormat, event_id_of
from otel_oom.victim_trace.trace_ring_page import Entry

_ONE_TRACEPOINT_NS: Final = 10_000_000  # an interrupt may come in between: 1.0 ms on an emulated processor


@dataclass(frozen=True, slots=True)
class TracedVictim:
    """A process that the OOM killer marked. None: the kernel's events do not say it.

    time_ns: when, by the clock of the kernel log
    comm: its name, escaped as in the kernel log
    total_vm, anon_rss, file_rss, shmem_rss, pgtables: bytes
    cgroup_id: id of its cgroup v2, which is the inode number of the cgroup's directory
    cgroup_level: how many names the cgroup's path has, 0 for the root
    cgroup_names: the last names of that path, escaped; the innermost one is the last
    """

    time_ns: int
    pid: int
    comm: str | None = None
    total_vm: int | None = None
    anon_rss: int | None = None
    file_rss: int | None = None
    shmem_rss: int | None = None
    pgtables: int | None = None
    user_id: int | None = None
    score_adj: int | None = None
    cgroup_id: int | None = None
    cgroup_level: int | None = None
    cgroup_names: tuple[str, ...] | None = None


def victims_of(entries: Iterable[Entry], formats: Iterable[EventFormat]) -> list[TracedVictim]:
    """One value for each event. Events of other kinds are left out."""
    by_id = {one.id: one for one in formats}
    described = ((entry, by_id.get(event_id_of(entry.payload) or -1)) for entry in entries)
    victims = (_victim(entry, event_format) for entry, event_format in described if event_format is not None)
    return [victim for victim in victims if victim is not None]


def merge(first: TracedVictim, second: TracedVictim) -> TracedVictim | None:
    """One value from the two events of one victim. None: they belong to two victims."""
    if first.pid != second.pid or abs(second.time_ns - first.time_ns) >= _ONE_TRACEPOINT_NS:
        return None
    if (first.cgroup_id is None) == (second.cgroup_id is None):  # two of one kind
        return None
    if first.comm != second.comm and None not in {first.comm, second.comm}:
        return None
    pairs = ((name, getattr(first, name), getattr(second, name)) for name in _NAMES)
    return TracedVictim(**{name: other if one is None else one for name, one, other in pairs})


_NAMES: Final = tuple(one.name for one in fields(TracedVictim))


def _victim(entry: Entry, event_format: EventFormat) -> TracedVictim | None:
    payload = entry.payload

    def number(name: str) -> int | None:
        return event_format.number(payload, name)

    def size(name: str) -> int | None:
        kib = event_format.number(payload, name)
        return None if kib is None else kib * 1024

    pid = number("pid")
    if pid is None:
        return None
    comm = event_format.text(payload, "comm")
    return TracedVictim(
        entry.time_ns,
        pid,
        None if comm is None else escape(comm),
        size("total_vm"),
        size("anon_rss"),
        size("file_rss"),
        size("shmem_rss"),
        size("pgtables"),
        number("uid"),
        number("oom_score_adj"),
        number("cgroup_id"),
        number("level"),
        _cgroup_names(event_format, payload, number("level")),
    )


def _cgroup_names(event_format: EventFormat, payload: bytes, level: int | None) -> tuple[str, ...] | None:
    """The last names of the path, outermost first. level: above the first name there is the nameless root."""
    names: list[str] = []
    for field in ("name", "above", "top")[:level]:
        name = event_format.text(payload, field)
        if not name:
            break
        names.insert(0, escape(name))
    return tuple(names) if names or level == 0 else None
