"""What an index of the corpus says of a kill, and what we say: side by side, in the index's words."""

from collections.abc import Callable
from typing import Any

from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.text_escapes import printable


def _kb(size: int | None) -> int | None:
    return None if size is None else size // 1024


#: field of an index -> what we say; sizes of an index are kB
OURS: dict[str, Callable[[OomKill], object]] = {
    "pid": lambda kill: kill.pid,
    "comm": lambda kill: kill.comm,
    "oom_memcg": lambda kill: kill.context.memcg_path,
    "task_memcg": lambda kill: kill.cgroup,
    "uid": lambda kill: kill.real_user_id,
    "total_vm_kb": lambda kill: _kb(kill.line.total_vm),
    "anon_rss_kb": lambda kill: _kb(kill.line.rss_anon),
    "file_rss_kb": lambda kill: _kb(kill.line.rss_file),
    "shmem_rss_kb": lambda kill: _kb(kill.line.rss_shmem),
    "pgtables_kb": lambda kill: _kb(kill.line.pgtables),
    "oom_score_adj": lambda kill: kill.line.score_adj,
    "constraint": lambda kill: kill.context.constraint and f"CONSTRAINT_{kill.context.constraint.upper()}",
    "trigger_comm": lambda kill: kill.context.trigger_comm,
    "trigger_pid": lambda kill: kill.context.trigger_pid,
}


def theirs(kills: list[dict[str, Any]]) -> list[dict[str, object]]:
    """The index keeps the kernel's escapes; the contract decodes what is printable UTF-8."""
    return [
        {
            field: printable(kill[field]) if isinstance(kill[field], str) else kill[field]
            for field in OURS
            if field in kill
        }
        for kill in kills
    ]


def ours(kills: list[OomKill], answers: list[dict[str, Any]]) -> list[dict[str, object]]:
    """What we say of the fields that the answers have."""
    fields = [field for field in OURS if all(field in answer for answer in answers)]
    return [{field: OURS[field](kill) for field in fields} for kill in kills]
