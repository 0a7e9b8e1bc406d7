r"""A line with cgroup paths, joined from its pieces. No I/O.

The kernel prints such a line with several calls. A piece is a record of its own, with the flag `c`, if it does
not fit into the record, or comes after a record of another CPU:

    6,7,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=
    4,8,1,c;/kubepods/pod1
    4,9,1,c;,task_memcg=/kubepods/pod1/x,task=v,pid=9,uid=0

Source: dump_oom_victim() in mm/oom_kill.c, mem_cgroup_print_oom_context() in mm/memcontrol.c.

Rules:
- A record holds whole pieces: it begins with a path, or with the kernel's words.
- A record with another caller or with a failed mount's level is no piece, see `chosen_text`.
- A record with a blank is no piece, except where the kernel prints one. Any user may make a record that begins like a
  piece (a process named `\x01c/x`), but the words behind the name hold a blank.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from otel_oom.kernel import cgroup_lines
from otel_oom.kernel.chosen_text import has_foreign_words, has_mount_level
from otel_oom.kernel.kmsg_record import Record

_MAX_PIECES: Final = 16  # the kernel's longest line has 9
_MAX_CHARS: Final = 40_000  # two escaped paths of 4 KiB, and the rest of the line
_LIMIT_OF: Final = " killed as a result of limit of "
_OPENER: Final = ""  # it has no first words
_PIECES: Final = {
    cgroup_lines.SUMMARY: re.compile(r"[/,][^ ]*|[/,].*,pid= *\d{1,10},uid= *\d{1,10}"),
    cgroup_lines.TASK_IN: re.compile(rf"(?:/[^ ]*)?(?:{_LIMIT_OF}[^ ]*)?"),
    cgroup_lines.STATS: re.compile(r"(?:[/:][^ ]*)?(?: \w+:\d+KB)*"),  # numbers: until 5.2
    # 4.11 to 4.14: `(null)` or numbers of nodes, and `,  order=0, oom_score_adj=0`
    _OPENER: re.compile(r"(?:\(null\)|[\d,-]*)(?:, +order=-?\d+, oom_score_adj=-?\d+)?"),
}
"""What may continue a line, by its first words."""
_CPUSET: Final = ",cpuset="  # a name follows
CONTINUATIONS: Final = (_CPUSET, ",global_oom", ",oom_memcg=", ",task_memcg=", ",task=", " killed as a result of ")
"""First words of pieces that texts, and kernels 3.15 to 3.19, print as separate lines."""
_SUMMARY_BEGINS: Final = "oom-kill:"
BEGINNINGS: Final = (_SUMMARY_BEGINS, *cgroup_lines.HEADS)
"""All lines with paths begin with one of these."""
_PARSERS: Final[dict[str, Callable[[str], object]]] = {
    cgroup_lines.SUMMARY: cgroup_lines.summary,
    cgroup_lines.TASK_IN: cgroup_lines.task_in,
    cgroup_lines.STATS: cgroup_lines.stats,
}


@dataclass(slots=True)
class PathLine:
    """One line.

    head: its first words, one of `cgroup_lines.HEADS`; empty for an opener (`of_opener`)
    parts: its pieces; caller: the thread or CPU that printed it, if the kernel prints that
    """

    head: str
    parts: list[str]
    caller: str | None

    @classmethod
    def of_opener(cls, record: Record) -> PathLine:
        """Return the opener of a report, which kernels 4.11 to 4.14 print in pieces too."""
        return cls(_OPENER, [record.text], record.caller)

    @classmethod
    def begin(cls, record: Record) -> PathLine | None:
        """Return the line that a record begins. None if it begins none, or if a user chose its text."""
        text = record.text
        head = _head(text, is_fragment=record.is_fragment) if text.startswith(BEGINNINGS) else None
        if head is None or has_mount_level(record):
            return None
        line = cls(head, [text], record.caller)
        if head == cgroup_lines.SUMMARY:
            is_chosen = has_foreign_words(text) and not line.is_whole
        elif head == cgroup_lines.TASK_IN:  # a name: `Task in /x (7) uses …`
            path = text.removeprefix(head).removesuffix(_LIMIT_OF)
            is_chosen = has_foreign_words(text) or (" " in path and not line.is_whole)
        else:
            is_chosen = has_foreign_words(text)
        return None if is_chosen else line

    @property
    def text(self) -> str:
        """The whole line."""
        return "".join(self.parts)

    @property
    def is_whole(self) -> bool:
        """Whether the pieces make a line that can be parsed."""
        return _PARSERS[self.head](self.text) is not None

    def append(self, record: Record) -> bool:
        """Append a piece, and return whether it is one."""
        text, parts = record.text, self.parts
        if record.caller != self.caller or has_mount_level(record):
            return False
        if len(parts) == _MAX_PIECES or sum(map(len, parts)) + len(text) > _MAX_CHARS:
            return False
        is_name = parts[-1].endswith(_CPUSET) and " " not in text
        if not is_name and _PIECES[self.head].fullmatch(text) is None:
            return False
        parts.append(text)
        return True


def _head(text: str, *, is_fragment: bool) -> str | None:
    if is_fragment:  # 3.5 to 4.8 mark the first piece of a line too; newer pieces begin with a path or a comma
        return next((head for head in (cgroup_lines.TASK_IN, cgroup_lines.STATS) if text.startswith(head)), None)
    if len(text) < len(cgroup_lines.SUMMARY) and cgroup_lines.SUMMARY.startswith(text):
        return cgroup_lines.SUMMARY
    return next((head for head in cgroup_lines.HEADS if text.startswith(head)), None)
