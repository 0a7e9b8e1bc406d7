"""Makes pages of the kernel's trace ring, as `trace_pipe_raw` gives them, with victims of the OOM killer in them.

It is written from the kernel's documentation of the ring, and independent of the parser that it tests.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final

PAGE_BYTES: Final = 4096
MISSED, MISSED_STORED = 1 << 31, 1 << 30

_COMMON: Final = """\
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;
"""

#: as Linux 6.18 prints it
MARK_VICTIM: Final = f"""name: mark_victim
ID: 609
format:
{_COMMON}
\tfield:int pid;\toffset:8;\tsize:4;\tsigned:1;
\tfield:__data_loc char[] comm;\toffset:12;\tsize:4;\tsigned:0;
\tfield:unsigned long total_vm;\toffset:16;\tsize:8;\tsigned:0;
\tfield:unsigned long anon_rss;\toffset:24;\tsize:8;\tsigned:0;
\tfield:unsigned long file_rss;\toffset:32;\tsize:8;\tsigned:0;
\tfield:unsigned long shmem_rss;\toffset:40;\tsize:8;\tsigned:0;
\tfield:uid_t uid;\toffset:48;\tsize:4;\tsigned:0;
\tfield:unsigned long pgtables;\toffset:56;\tsize:8;\tsigned:0;
\tfield:short oom_score_adj;\toffset:64;\tsize:2;\tsigned:1;

print fmt: "pid=%d comm=%s total-vm=%lukB", REC->pid, __get_str(comm), REC->total_vm
"""

#: of kernels before 6.8
MARK_VICTIM_PID: Final = f"""name: mark_victim
ID: 500
format:
{_COMMON}
\tfield:int pid;\toffset:8;\tsize:4;\tsigned:1;

print fmt: "pid=%d", REC->pid
"""

VICTIM_CGROUP: Final = f"""name: victim_cgroup
ID: 1701
format:
{_COMMON}
\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;
\tfield:s32 pid;\toffset:16;\tsize:4;\tsigned:1;
\tfield:__data_loc char[] comm;\toffset:20;\tsize:4;\tsigned:1;
\tfield:u64 cgroup_id;\toffset:24;\tsize:8;\tsigned:0;
\tfield:s32 level;\toffset:32;\tsize:4;\tsigned:1;
\tfield:__data_loc char[] name;\toffset:36;\tsize:4;\tsigned:1;
\tfield:__data_loc char[] above;\toffset:40;\tsize:4;\tsigned:1;
\tfield:__data_loc char[] top;\toffset:44;\tsize:4;\tsigned:1;

print fmt: "(%lx) pid=%d", REC->__probe_ip, REC->pid
"""

#: as Linux 6.1 and 6.12 print it
CONSOLE: Final = f"""name: console
ID: 349
format:
{_COMMON}
\tfield:__data_loc char[] msg;\toffset:8;\tsize:4;\tsigned:0;

print fmt: "%s", __get_str(msg)
"""

_MARK: Final = struct.Struct("=HBBi iI QQQQ I4x Q h")
_PROBE: Final = struct.Struct("=HBBi Q iI Q i III")


def mark_victim(pid: int, comm: bytes = b"java", **values: int) -> bytes:
    """The payload of an event in the form of MARK_VICTIM. Sizes are KiB."""
    sizes = [values.get(name, 0) for name in ("total_vm", "anon_rss", "file_rss", "shmem_rss")]
    rest = values.get("uid", 0), values.get("pgtables", 0), values.get("oom_score_adj", 0)
    text = comm + b"\0"
    return _aligned(_MARK.pack(609, 0, 0, pid, pid, _MARK.size | len(text) << 16, *sizes, *rest) + text)


def victim_cgroup(pid: int, names: Iterable[bytes], comm: bytes = b"java", *, cgroup_id: int = 4711) -> bytes:
    """The payload of an event in the form of VICTIM_CGROUP. names: all names of the cgroup's path."""
    path = [b"", *names]
    texts = [comm, *[path[-at] if at <= len(path) else b"(fault)" for at in (1, 2, 3)]]
    places, body = [], b""
    for text in texts:
        places.append(_PROBE.size + len(body) | (len(text) + 1) << 16)
        body += text + b"\0"
    head = _PROBE.pack(1701, 0, 0, pid, 0, pid, places[0], cgroup_id, len(path) - 1, *places[1:])
    return _aligned(head + body)


def console(text: bytes) -> bytes:
    """The payload of an event in the form of CONSOLE."""
    return _aligned(struct.pack("=HBBi I", 349, 0, 0, 1, 12 | (len(text) + 1) << 16) + text + b"\0")


def page(events: Iterable[tuple[int, bytes]], *, missed: int | None = None) -> bytes:
    """One page with events: time in ns, and payload. missed: events that were lost before them, -1: not stored."""
    rows = list(events)
    begin_ns = rows[0][0] if rows else 0
    data, last_ns = b"", begin_ns
    for time_ns, payload in rows:
        delta, last_ns = time_ns - last_ns, time_ns
        if delta >= 1 << 27:
            data += _head(30, delta & (1 << 27) - 1) + struct.pack("=I", delta >> 27)
            delta = 0
        if len(payload) <= 28 * 4:
            data += _head(len(payload) // 4, delta) + payload
        else:
            data += _head(0, delta) + struct.pack("=I", len(payload) + 4) + payload
    commit, tail = len(data), b""
    if missed is not None:
        commit |= MISSED
    if missed is not None and missed >= 0:
        commit |= MISSED_STORED
        tail = struct.pack("@L", missed)
    raw = struct.pack("@QL", begin_ns, commit) + data + tail
    assert len(raw) <= PAGE_BYTES
    return raw.ljust(PAGE_BYTES, b"\0")


def files_of(formats: Mapping[str, str]) -> dict[str, str]:
    """The `format` files of events by their path in a tracefs."""
    return {f"events/{name}/format": text for name, text in formats.items()}


def _head(kind: int, delta: int) -> bytes:
    little = struct.pack("=H", 1)[0] == 1
    return struct.pack("=I", kind | delta << 5 if little else kind << 27 | delta)


def _aligned(payload: bytes) -> bytes:
    return payload + bytes(-len(payload) % 4)
