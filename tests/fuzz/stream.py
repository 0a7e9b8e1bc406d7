"""Bytes to the records of a kernel log: lines of every form, mutated, in any order, with fragments, gaps and times.

Rules:
- Any bytes are a stream, and each byte has a small effect: a small change of the bytes is a small change of the stream.
- The meaning of bytes never changes, because the named inputs of corpus/ depend on it. So lines.txt and WORDS may
  only be extended at the end.

The first byte belongs to the caller. Steps follow:

    0..0x9F     the line of lines.txt with this number, where there is one; then a style and its edits
    0xA0..0xDF  one of the most important lines; then a style and its edits
    0xE0..0xEF  a line of the bytes that follow: their number is the next byte's; then a style and its edits
    0xF0..0xF7  records are missing here
    0xF8..0xFB  a burst ends here: everything was read
    0xFC, 0xFD  a whole report of a memory cgroup, of a system
    0xFE, 0xFF  the last line again: twice; or 2 to 16 or 64 times, by the next byte

A style is one byte: bits 0..1 edits (0..3), bits 2..4 priority and flags, bits 5..7 time. An edit is three bytes:
position, replacement, and length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from support import klog

from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.text_escapes import escape

HERE: Final = Path(__file__).resolve().parent
LINES: Final = (HERE / "lines.txt").read_text().splitlines()
WORDS: Final = (
    ")", " (", ",", " ", "/", ":", "=", r"\x0a", r"\x5c", r"\xff", r"\xc3\xa9", "[", "]", "-", "kB", "0", "1", "99",
    "9" * 19, "9" * 400, "(" * 60, " " * 60, "/a" * 60, ") total-vm:", " total-vm:1kB", ", anon-rss:1kB",
    ",pid=1,uid=0", ",task=", ",task_memcg=/a", ",oom_memcg=/a", ",global_oom,", ",cpuset=", ",mems_allowed=0",
    "constraint=", "UID:1", " killed as a result of limit of ", " killed as a result of limit of /a", "Killed process ",
    "Killed process 1 (", "Kill process 1 (", "Out of memory: ", "Memory cgroup out of memory: ", "oom-kill:",
    " invoked oom-killer: ", "order=", "Tasks in ", "Task in ", " are going to be killed due to memory.oom.group set",
    "Memory cgroup stats for ", "pgtables:", r"\x0a[    1.000000] ", " is already exiting. Skip killing the task",
    "oom_score_adj:-5", ", UID 0,", "+0x1/0x2", ")" * 60, ") total-vm:1kB" * 9, ", anon-rss:1kB" * 30,
    ", UID 1," * 20, ",task=a" * 20, ",task_memcg=/a" * 12, ",oom_memcg=/a" * 12,
    " killed as a result of limit of /a" * 8, r"\xff" * 60, " 1" * 60, " (" * 40, "a=1 " * 40,
)  # fmt: skip
NUMBERS: Final = ("0", "-1", "9" * 10, "9" * 18, "9" * 19, str(2**63 - 1), str(2**63 // 1024), str(2**64 - 1))
OFTEN: Final = [
    *(klog.killed(), klog.opener(), klog.summary(), klog.group(), klog.row(100, 3182, "vic"), klog.TABLE),
    *(klog.killed(cause="Out of memory"), klog.global_summary(), klog.killed(), klog.killed(pid=101)),
    *("Task in /g/x killed as a result of limit of /g", "Memory cgroup stats for /g:", "Killed process 100 (vic)"),
    *("Memory cgroup out of memory: Kill process 100 (vic) score 9 or sacrifice child", "/x,task=vic,pid=100,uid=7"),
    "Out of memory and no killable processes...",
]

LOST: Final = "lost"
SETTLE: Final = "settle"
Step = Record | Literal["lost", "settle"]

_NUMBER: Final = re.compile(r"\d+")
_WRITERS: Final = ((6, "-"), (3, "-"), (6, "-"), (4, "c"), (4, "c"), (6, "+"), (12, "-"), (6, "-"))  # priority, flags
_LATER_US: Final = (1_000, 1_000, 0, 1_000, 400_000, 6_000_000, 11_000_000, -20_000_000)
_REPORTS: Final = (klog.memcg_report(), klog.system_report())


def steps(data: bytes, most: int = 32, *, is_one_boot: bool = False) -> list[Step]:
    """The stream of these bytes. Records are numbered from 1.

    most: no step follows this number of records; is_one_boot: the log's clock never goes back
    """
    found: list[Step] = []
    number = us = 0
    last = ""
    end = len(data)
    data += bytes(16)  # missing bytes of the last step are 0
    at = 1
    while at < end and number < most:
        what = data[at]
        at += 1
        (priority, flags), later = _WRITERS[0], 1_000
        if what < 0xF0:
            if what < 0xA0:
                last = LINES[what] if what < len(LINES) else ""
            elif what < 0xE0:
                last = OFTEN[what & 15]
            else:
                last = escape(data[at + 1 : at + 1 + data[at]])
                at += 1 + data[at]
            style = data[at] if at < end else 0
            at += 1
            for _ in range(style & 3):
                where, word, length = data[at : at + 3] if at < end else (0, 0, 0)
                last = _edited(last, where, word, length)
                at += 3
            (priority, flags), later = _WRITERS[style >> 2 & 7], _LATER_US[style >> 5]
            lines = [last]
        elif what < 0xF8:
            found.append(LOST)
            continue
        elif what < 0xFC:
            found.append(SETTLE)
            continue
        elif what < 0xFE:
            lines = _REPORTS[what & 1]
        elif what == 0xFE:
            lines = [last] * 2
        else:
            lines = [last] * (64 if data[at] == 0xFF else 2 << (data[at] & 3))
            at += 1
        for line in lines:
            number += 1
            us = max(us if is_one_boot else 0, us + later)
            found.append(Record(priority, number, us, flags, line, "T7" if flags == "+" else None))
    return found


def records(stream: list[Step]) -> Iterator[Record]:
    """Only the records of a stream."""
    return (step for step in stream if isinstance(step, Record))


def _edited(line: str, where: int, what: int, length: int) -> str:
    """A line with a part removed, doubled, or replaced by a word, a number or another line."""
    if what >= 0xF0:
        numbers = list(_NUMBER.finditer(line))
        if not numbers:
            return line
        number = numbers[len(numbers) * where >> 8]
        return line[: number.start()] + NUMBERS[length & 7] + line[number.end() :]
    at = len(line) * where >> 8
    if what < len(WORDS):
        return line[:at] + WORDS[what] + line[at + (length & 31) :]
    if what < 0xC0:
        return line[:at] + line[at + 1 + length :]
    if what < 0xE0:
        return line[: at + length] + line[at:]
    other = LINES[length % 100]  # a remainder of all lines would change its meaning with each new line
    return line[:at] + other[len(other) * (what & 0x1F) >> 5 :]
