r"""Lines that are one record of the kernel: names with line feeds in them, and text that a page wrapped. No I/O.

    <3>[    2.976346] Memory cgroup out of memory: Killed process 114 (      the name is "\n[1.0] x": dmesg repeats
    <3>[    2.976346] [1.0] x) total-vm:13524kB, …                           the record's own prefix

    [115879.769795] Killed process 1917 (php-cgi) vsz:467184kB, anon-        a page wrapped it: no prefix
    rss:101196kB, file-rss:204kB

Rules:
- A line is continued only where its own form shows that its end is missing, and only by what fits there.
- A line feed inside a record repeats the prefix, clock and all. A wrapped line has none.
- Bounded: at most 16 lines of at most 1 KiB; a line that holds an anchor is never swallowed.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from otel_oom.kernel.oom_lines import TASK_COMM_BYTES
from otel_oom.parse.line_prefix import Line

MOST_LINES: Final = 16
LONGEST: Final = 1024

# Killed process, Kill process, kill process; oom-killer: and oom-kill:; memcgs until 4.20; groups. It begins with what
# they have in common: `re` searches only literals fast. What else must stand before is looked at then.
OOM_MARKER: Final = re.compile(
    rb"ill(?:(?<=[Kk]ill)(?:ed)? process |(?<=oom-kill)(?:er)?:"
    rb"|(?<= kill)ed as a result of limit of |(?<=are going to be kill)ed due)"
)
_QUOTES: Final = (b"", b" ", b"\t", b">", b"#", b"|")  # how a line begins that has no prefix of its own


Kind: TypeAlias = Literal["opener", "summary", "kill"]


class _Form(NamedTuple):
    """A kind of line that may miss its end.

    whole: matches it once nothing is missing; goes_on: how a wrapped end of it begins; glue: what the wrap took away
    name: up to where a name with line feeds in it may be open
    """

    begins: re.Pattern[bytes]
    whole: re.Pattern[bytes]
    goes_on: re.Pattern[bytes]
    glue: bytes = b" "
    kind: Kind | None = None


_KILL: Final = _Form(
    re.compile(rb"(?:[^:]{0,60}: )?Killed process \d+(?:$|,? )"),
    re.compile(rb".*\)(?:, UID \d+,)? (?:total-vm|vsz):", re.DOTALL),
    re.compile(
        rb"(?:total-vm:|vsz:|anon-|rss:|file-|shmem-|UID:|pgtables:|oom_score_adj:|, UID )"
        rb"|\(.{0,60}\)(?:, UID \d+,)? (?:total-vm|vsz):"
    ),
    kind="kill",
)
_ANNOUNCE: Final = _Form(
    re.compile(rb"[^:]{0,60}: [Kk]ill process \d+ \("),
    re.compile(rb".*\) score -?\d+ or (?:sacrifice|a) child", re.DOTALL),
    re.compile(rb"(?:score \d|\d+ or|or (?:sacrifice|a)\b|sacrifice child|a child|child)"),
)
_OPENER: Final = _Form(
    re.compile(rb".{0,60} invoked oom-killer:"),
    re.compile(rb".*oom\w+=-?\d", re.DOTALL),
    re.compile(rb"(?:gfp_mask=|nodemask=|order=|oom\w+=)"),
    kind="opener",
)
_SUMMARY: Final = _Form(
    re.compile(rb"oom-kill:constraint="),
    re.compile(rb".*,pid=\d+,uid=\d+$", re.DOTALL),
    re.compile(rb"[^\s\[<(]\S*[=,/]\S*$"),
    b"",
    "summary",
)
_TASK_IN: Final = _Form(
    re.compile(rb"Task in /"),
    re.compile(rb".* killed as a result of limit of /", re.DOTALL),
    re.compile(rb"(?:killed as|as a result|a result|result of|of limit|limit of|of /|/)"),
)
_USAGE: Final = _Form(
    re.compile(rb"memory: usage "), re.compile(rb".*failcnt \d"), re.compile(rb"(?:usage |limit |failcnt )")
)
# One record of several lines, whatever is printed before each: "active_anon:661 …", " active_file:0 …", … " free:482 …"
_PAGES: Final = _Form(
    re.compile(rb"[Aa]ctive_anon:\d"),
    re.compile(rb".*\n ?(?:free|mapped):.*\n ?(?:free|mapped):|.*\n ?free:\d+ .*free_cma:", re.DOTALL),
    re.compile(rb" *[a-z_]+:\d+( [a-z_]+:\d+)*$"),
)
# Lines that end in a name: its end is missing if the line after it repeats the prefix and still fits into the name.
_ROW: Final = re.compile(rb"\[ *\d+\](?: +-?\d+){5,12} (?P<name>.{0,15})$")
_CURRENT: Final = re.compile(rb"(?:CPU: \d+ (?:UID: \d+ )?PID: \d+|Pid: \d+,) [Cc]omm: (?P<name>.{0,15})$")


class Around(Protocol):
    """The lines around the one that is looked at."""

    def following(self, n: int) -> Line | None:
        """The n-th line after it, from 1 on; None where there is none that may be joined."""

    def before(self, n: int) -> Line | None:
        """The n-th line before it, from 1 on; None where there is none that may be joined."""

    def repeats(self, head: bytes) -> bool:
        """Whether the line after it begins with these bytes."""


def has_anchor(line: bytes) -> bool:
    """Whether a line may open a report, count a kill or join kills to a group."""
    return OOM_MARKER.search(line) is not None


def whole_anchor(text: bytes) -> Kind | None:
    """What a text with an anchor is if nothing of it is missing, as far as its form says."""
    form = _form(text)
    if form is None or form.kind is None or form.whole.match(text) is None or b"killed due" in text:
        return None
    return form.kind


def may_go_on(text: bytes) -> bool:
    """Whether the end of a text may be missing, by its form."""
    form = _form(text)
    return form is not None and (form is _PAGES or form.whole.match(text) is None)


def whole(line: Line, around: Around) -> tuple[bytes, int]:
    """The text of the record that a line begins, and how many lines after the line are part of it."""
    text = line.text
    form = None if text.startswith((b"[", b"CPU: ")) and b" invoked oom" not in text else _form(text)
    if form is None:
        if line.has_clock and around.repeats(line.head):
            return _named(line, around)
        return text, 0
    if form is _PAGES:
        return _pages(line, around)
    if form is _OPENER and line.has_clock:
        text = _with_its_head(line, around)
    if form.whole.match(text):
        if form is not _KILL:
            return text, 0
    elif form in (_KILL, _SUMMARY) and line.has_clock:
        joined, taken = _repeated(line, form, around)
        if taken:
            return joined, taken
    if line.head[:1] in _QUOTES or not around.repeats(line.head[:1]):  # else the next line has a prefix of its own
        return _wrapped(text, form, around)
    return text, 0


def _form(text: bytes) -> _Form | None:
    if b"rocess " in text:
        return _KILL if _KILL.begins.match(text) else _ANNOUNCE if _ANNOUNCE.begins.match(text) else None
    if text.startswith(b"oom-kill:"):
        return _SUMMARY
    if b" invoked oom-killer:" in text:
        return _OPENER
    if text.startswith((b"active_anon:", b"Active_anon:")):
        return _PAGES
    if text.startswith(b"memory: usage "):
        return _USAGE
    return _TASK_IN if text.startswith(b"Task in /") else None


def _repeated(line: Line, form: _Form, around: Around) -> tuple[bytes, int]:
    """A name with line feeds: the lines after it repeat the prefix until the form is whole."""
    text = line.text
    for taken in range(1, MOST_LINES):
        more = around.following(taken)
        if more is None or more.head != line.head:
            break
        text += b"\n" + more.text
        if form.whole.match(text):
            return text, taken
    return line.text, 0


def _wrapped(text: bytes, form: _Form, around: Around) -> tuple[bytes, int]:
    taken = 0
    while taken < MOST_LINES:
        more = around.following(taken + 1)
        if more is None or not more.is_bare or not form.goes_on.match(more.text):
            break
        text = text.rstrip()
        text += (b"" if text.endswith(b"-") else form.glue) + more.text.rstrip()
        taken += 1
        if form is not _KILL and form.whole.match(text):
            break
    return text, taken


def _pages(line: Line, around: Around) -> tuple[bytes, int]:
    text, taken = line.text.rstrip(), 0
    while taken < MOST_LINES:
        more = around.following(taken + 1)
        if more is None or not _PAGES.goes_on.match(more.text):
            break
        text += b"\n " + more.text.strip()
        taken += 1
    return text, taken


def _named(line: Line, around: Around) -> tuple[bytes, int]:
    text, taken = line.text, 0
    found = _ROW.match(text) or _CURRENT.match(text)
    while found and taken < MOST_LINES:
        more = around.following(taken + 1)
        if more is None or more.head != line.head:
            break
        name = found["name"] + text[found.end() :] + b"\n" + more.text
        is_row = text.startswith(b"[")
        name_end = len(name) if is_row else max(name.find(b" Not tainted"), name.find(b" Tainted:"))
        if is_row and len(name) > TASK_COMM_BYTES:
            break
        text += b"\n" + more.text
        taken += 1
        if not is_row and name_end >= 0:
            return (text, taken) if name_end <= TASK_COMM_BYTES else (line.text, 0)
    return (text, taken) if text.startswith(b"[") else (line.text, 0)


def _with_its_head(line: Line, around: Around) -> bytes:
    """An opener whose name began on lines before it: they repeat the prefix, and all fits into a name."""
    comm, mark, rest = line.text.partition(b" invoked oom-killer")
    for taken in range(1, MOST_LINES):
        more = around.before(taken)
        if more is None or more.head != line.head or len(more.text) + 1 + len(comm) > TASK_COMM_BYTES:
            break
        comm = more.text + b"\n" + comm
    return comm + mark + rest
