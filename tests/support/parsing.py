"""Texts to kills, as `otel-oom parse` finds them: the fast way and the slow one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from support.answers import OURS

from otel_oom import schema
from otel_oom.oom import OomKill
from otel_oom.parse import rows
from otel_oom.parse.found import Text
from otel_oom.parse.window import BLOCK


def in_blocks(text: bytes, *sizes: int) -> Callable[[memoryview], int]:
    """Reads a text in blocks of these sizes; the last size goes on."""
    stream, left = io.BytesIO(text), list(sizes)

    def readinto(buffer: memoryview) -> int:
        return stream.readinto(buffer[: left.pop(0) if len(left) > 1 else left[0]] if left else buffer)

    return readinto


def text_of(text: bytes, *sizes: int, every_line: bool = False) -> tuple[Text, list[OomKill]]:
    """A text that was read to its end, and its kills."""
    found = Text(in_blocks(text, *sizes), 4096, every_line=every_line, block=BLOCK)
    return found, list(found.kills())


def kills(text: bytes, *sizes: int, every_line: bool = False) -> list[OomKill]:
    return text_of(text, *sizes, every_line=every_line)[1]


def json_rows(text: bytes) -> list[dict[str, Any]]:
    """The objects that `--output json` writes."""
    return [json.loads(rows.as_json(kill)) for kill in kills(text)]


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
