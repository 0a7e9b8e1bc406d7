"""Texts to kills as `otel-oom parse` finds them, by the fast way and by parsing every line; and texts to search."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.corpus_answers import OURS

from otel_oom import schema
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.parse import json_output
from otel_oom.parse.input_files import opened
from otel_oom.parse.kill_search import KillSearch
from otel_oom.parse.line_recovery import RecoveredLines


def in_blocks(text: bytes, *sizes: int) -> Iterator[bytes]:
    """A text in blocks of these sizes; the last size goes on."""
    stream = io.BytesIO(text)
    yield from (stream.read(size) for size in sizes[:-1])
    yield from iter(lambda: stream.read(sizes[-1] if sizes else 1 << 20), b"")


def recovered(text: bytes, *sizes: int) -> bytes:
    """The lines of a log in a text, which is read in blocks of these sizes."""
    blocks = in_blocks(text, *sizes)
    return b"".join(RecoveredLines(lambda: next(blocks, b"")))


def searched(text: bytes, *sizes: int, every_line: bool = False) -> tuple[KillSearch, list[OomKill]]:
    """A search that has read a text to its end, and the kills that it found."""
    search = KillSearch(in_blocks(recovered(text), *sizes), 4096, every_line=every_line)
    return search, list(search.kills())


def kills(text: bytes, *sizes: int, every_line: bool = False) -> list[OomKill]:
    return searched(text, *sizes, every_line=every_line)[1]


def kills_of_file(path: Path) -> list[OomKill]:
    """The kills of a file, an archive too."""
    found: list[OomKill] = []
    for source in opened(str(path)):
        found += KillSearch(RecoveredLines(source.read), 4096).kills()
    return found


def facts(found: list[OomKill]) -> list[tuple[object, ...]]:
    """What kills have in common if only the form of their text differs."""
    return [(kill.pid, kill.comm, kill.scope, kill.cgroup, kill.line, kill.context) for kill in found]


def json_rows(text: bytes) -> list[dict[str, Any]]:
    """The objects that `--output json` writes."""
    return [json.loads(json_output.as_json(kill)) for kill in kills(text)]


#: field of an index -> the attribute that says it, and whether it is a size
_ATTRIBUTES = {
    "pid": schema.PID,
    "comm": schema.COMM,
    "oom_memcg": schema.MEMCG_PATH,
    "task_memcg": schema.VICTIM_CGROUP,
    "uid": schema.REAL_USER_ID,
    "total_vm_kb": schema.TOTAL_VM,
    "anon_rss_kb": schema.RSS_ANON,
    "file_rss_kb": schema.RSS_FILE,
    "shmem_rss_kb": schema.RSS_SHMEM,
    "pgtables_kb": schema.PGTABLES,
    "oom_score_adj": schema.SCORE_ADJ,
    "constraint": schema.CONSTRAINT,
    "trigger_comm": schema.TRIGGER_COMM,
    "trigger_pid": schema.TRIGGER_PID,
}
assert _ATTRIBUTES.keys() == OURS.keys()


def answer(row: dict[str, Any]) -> dict[str, object]:
    """A JSON row in the words of an index."""
    said: dict[str, object] = {field: row.get(attribute.name) for field, attribute in _ATTRIBUTES.items()}
    for field, value in said.items():
        if field.endswith("_kb") and isinstance(value, int):
            said[field] = value // 1024
        elif field == "constraint" and isinstance(value, str):
            said[field] = f"CONSTRAINT_{value.upper()}"
    return said


HEADER = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
STATISTICS = ["anon 12345", "file 0", "kernel_stack 1"]


def report(pid: int, *, comm: str = "java", cgroup: str = "/a", rows: int = 8) -> list[str]:
    """The lines of a report of 6.1 with a table."""
    return [
        f"{comm} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=9",
        f"CPU: 1 PID: {pid} Comm: {comm} Not tainted 6.1.0 #1",
        "Call Trace:",
        " dump_stack_lvl+0x44/0x5c",
        "memory: usage 12288kB, limit 12288kB, failcnt 82",
        f"Memory cgroup stats for {cgroup}:",
        *STATISTICS,
        HEADER,
        *(
            f"[{pid + n:7}]     0 {pid + n:5}     9000 {(n * 7919) % 101:8}    65536        0            {n:2} t{n}"
            for n in range(rows)
        ),
        (
            f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={cgroup},"
            f"task_memcg={cgroup},task={comm},pid={pid},uid=0"
        ),
        (
            f"Memory cgroup out of memory: Killed process {pid} ({comm}) total-vm:36000kB, anon-rss:32000kB,"
            " file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:64kB oom_score_adj:9"
        ),
    ]


GROUP = "Tasks in /a are going to be killed due to memory.oom.group set"


def stamped(lines: list[str], us: int = 1_000_000, step_us: int = 137) -> bytes:
    return b"".join(
        f"[{at // 1_000_000:5}.{at % 1_000_000:06}] {line}\n".encode()
        for at, line in zip(range(us, us + step_us * len(lines), step_us), lines, strict=False)
    )


def noise(size: int) -> bytes:
    line = b"[    0.500000] docker0: port 1(veth1) entered disabled state of a process of user will\n"
    return line * (size // len(line) + 1)


def prefixed(lines: list[bytes], prefix: bytes) -> bytes:
    return b"".join(prefix + line for line in lines)
