r"""Joins lines that are one record of the kernel: names with line feeds, and text that was wrapped. No I/O.

    <3>[    2.976346] Memory cgroup out of memory: Killed process 114 (      the name is "\n[1.0] x": dmesg repeats
    <3>[    2.976346] [1.0] x) total-vm:13524kB, …                           the record's own prefix

    [115879.769795] Killed process 1917 (php-cgi) vsz:467184kB, anon-        wrapped by a web page: no prefix
    rss:101196kB, file-rss:204kB

Rules:
- A line is continued only if its form shows that its end is missing, and only by lines that fit there.
- dmesg repeats the prefix, with the clock, after a line feed inside a record. A wrapped line has no prefix.
- Bounded: at most 16 lines of at most 1 KiB; a line that holds a marker is never joined to another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from otel_oom.kernel.oom_lines import OOM_MARKER, TASK_COMM_BYTES
from otel_oom.parse.line_prefix import OPENER, Line, has_words, shape
from otel_oom.parse.structured_lines import parse_line
from otel_oom.parse.text_window import Window

_MOST_LINES: Final = 16
_LONGEST: Final = 1024
_QUOTES: Final = (b"", b" ", b"\t", b">", b"#", b"|")  # how a line begins that has no prefix of its own


class _Form(NamedTuple):
    """A kind of line whose end may be missing.

    whole: matches the text once nothing is missing; goes_on: how a wrapped end begins; glue: what the wrap removed
    """

    whole: re.Pattern[bytes]
    goes_on: re.Pattern[bytes]
    glue: bytes = b" "


_KILL_BEGINS: Final = re.compile(rb"(?:[^:]{0,60}: )?Killed process \d+(?:$|,? )")
_KILL: Final = _Form(
    re.compile(rb".*\)(?:, UID \d+,)? (?:total-vm|vsz):", re.DOTALL),
    re.compile(
        rb"(?:total-vm:|vsz:|anon-|rss:|file-|shmem-|UID:|pgtables:|oom_score_adj:|, UID )"
        rb"|\(.{0,60}\)(?:, UID \d+,)? (?:total-vm|vsz):"
    ),
)
_ANNOUNCE_BEGINS: Final = re.compile(rb"[^:]{0,60}: [Kk]ill process \d+ \(")
_ANNOUNCE: Final = _Form(
    re.compile(rb".*\) score -?\d+ or (?:sacrifice|a) child", re.DOTALL),
    re.compile(rb"(?:score \d|\d+ or|or (?:sacrifice|a)\b|sacrifice child|a child|child)"),
)
_OPENER: Final = _Form(
    re.compile(rb".*oom\w+=-?\d", re.DOTALL),
    re.compile(rb"(?:gfp_mask=|nodemask=|order=|oom\w+=)"),
)
_SUMMARY: Final = _Form(
    re.compile(rb".*,pid=\d+,uid=\d+$", re.DOTALL),
    re.compile(rb"[^\s\[<(]\S*[=,/]\S*$"),
    b"",
)
_TASK_IN: Final = _Form(
    re.compile(rb".* killed as a result of limit of /", re.DOTALL),
    re.compile(rb"(?:killed as|as a result|a result|result of|of limit|limit of|of /|/)"),
)
_USAGE: Final = _Form(re.compile(rb".*failcnt \d"), re.compile(rb"(?:usage |limit |failcnt )"))
# One record of several lines, whatever is printed before each: "active_anon:661 …", " active_file:0 …", … " free:482 …"
_PAGES: Final = re.compile(rb" *[a-z_]+:\d+( [a-z_]+:\d+)*$")
# Lines that end in a name: the end is missing if the next line repeats the prefix and still fits into the name.
_ROW: Final = re.compile(rb"\[ *\d+\](?: +-?\d+){5,12} (?P<name>.{0,15})$")
_CURRENT: Final = re.compile(rb"(?:CPU: \d+ (?:UID: \d+ )?PID: \d+|Pid: \d+,) [Cc]omm: .{0,15}$")
_CURRENT_WHOLE: Final = re.compile(rb"\w+: .*?[Cc]omm: .{0,15}? (?:Not tainted|Tainted:)", re.DOTALL)


class LinesAround:
    """The lines of a window around the one from `start` to `end`."""

    def __init__(self, window: Window, start: int, end: int) -> None:
        self._window = window
        self._start = start
        self._end = end

    def is_repeated(self, head: bytes) -> bool:
        """Whether the next line has this prefix too."""
        data = self._window.data
        if data.startswith(head, self._start):
            return data.startswith(head, self._end)
        return parse_line(self._window.line(self._end)[0]).head == head  # behind another prefix

    def shapes(self) -> Iterator[re.Pattern[bytes]]:
        """How the nearest lines begin that have the kernel's words behind a prefix that is not known."""
        end = self._end
        for _ in range(_MOST_LINES):
            raw, end = self._window.line(end)
            line = parse_line(raw)
            if line.head and not line.is_known and OPENER not in line.text and has_words(line):
                yield shape(line.head)

    def following(self) -> Iterator[Line]:
        """The lines after it that may belong to it."""
        end = self._end
        for _ in range(_MOST_LINES):
            raw, next_line = self._window.line(end)
            if end == next_line or len(raw) > _LONGEST or OOM_MARKER.search(raw):
                return
            yield parse_line(raw)
            end = next_line

    def before(self) -> Iterator[Line]:
        """The lines before it that may belong to it, the nearest first."""
        data, end = self._window.data, self._start
        for _ in range(_MOST_LINES):
            start = data.rfind(b"\n", 0, max(0, end - 1)) + 1
            if end == 0 or end - start > _LONGEST:
                return
            yield parse_line(data[start : end - 1])
            end = start


def joined(line: Line, around: LinesAround) -> tuple[bytes, int]:
    """The text of the record that a line begins, and how many lines after the line are part of it."""
    text = line.text
    form = _form(text)
    if form is None:
        if text.startswith((b"active_anon:", b"Active_anon:")):
            return _pages(text, around)
        if line.has_clock and around.is_repeated(line.head):
            return _named(line, around)
        return text, 0
    if form is _OPENER and line.has_clock:
        text = _with_its_head(line, around)
    if form.whole.match(text):
        if form is not _KILL:
            return text, 0
    elif form in (_KILL, _SUMMARY) and line.has_clock:
        repeated, taken = _repeated(line, form.whole, around)
        if taken:
            return repeated, taken
    if line.head[:1] in _QUOTES or not around.is_repeated(line.head[:1]):  # else the next line has its own prefix
        return _wrapped(text, form, around)
    return text, 0


def _form(text: bytes) -> _Form | None:
    if b"rocess " in text:
        return _KILL if _KILL_BEGINS.match(text) else _ANNOUNCE if _ANNOUNCE_BEGINS.match(text) else None
    if text.startswith(b"oom-kill:"):
        return _SUMMARY
    if b" invoked oom-killer:" in text:
        return _OPENER
    if text.startswith(b"memory: usage "):
        return _USAGE
    return _TASK_IN if text.startswith(b"Task in /") else None


def _repeated(line: Line, whole: re.Pattern[bytes], around: LinesAround) -> tuple[bytes, int]:
    """A name with line feeds: the next lines repeat the prefix until the text is whole."""
    text = line.text
    for taken, following in enumerate(around.following(), start=1):
        if following.head != line.head:
            break
        text += b"\n" + following.text
        if whole.match(text):
            return text, taken
    return line.text, 0


def _wrapped(text: bytes, form: _Form, around: LinesAround) -> tuple[bytes, int]:
    taken = 0
    for following in around.following():
        if not following.is_bare or not form.goes_on.match(following.text):
            break
        text = text.rstrip()
        text += (b"" if text.endswith(b"-") else form.glue) + following.text.rstrip()
        taken += 1
        if form is not _KILL and form.whole.match(text):
            break
    return text, taken


def _pages(text: bytes, around: LinesAround) -> tuple[bytes, int]:
    lines = [text.rstrip()]
    for following in around.following():
        if not _PAGES.match(following.text):
            break
        lines.append(following.text.strip())
    return b"\n ".join(lines), len(lines) - 1


def _named(line: Line, around: LinesAround) -> tuple[bytes, int]:
    text, taken = line.text, 0
    if _CURRENT.match(text):
        return _repeated(line, _CURRENT_WHOLE, around)
    if row := _ROW.match(text):
        for following in around.following():
            if following.head != line.head or len(text) - row.start("name") + 1 + len(following.text) > TASK_COMM_BYTES:
                break
            text += b"\n" + following.text
            taken += 1
    return text, taken


def _with_its_head(line: Line, around: LinesAround) -> bytes:
    """An opener whose name began on lines before it: they repeat the prefix, and all fits into a name."""
    comm, mark, rest = line.text.partition(b" invoked oom-killer")
    for before in around.before():
        if before.head != line.head or len(before.text) + 1 + len(comm) > TASK_COMM_BYTES:
            break
        comm = before.text + b"\n" + comm
    return comm + mark + rest
