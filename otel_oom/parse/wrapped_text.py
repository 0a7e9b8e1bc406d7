"""Joins the lines of a text that was wrapped, by a mail program or at the edge of a terminal. No I/O.

    Out of memory: Killed process 7 (java) total-vm:36000kB, anon-rs       cut at 64 columns
    s:32000kB, file-rss:0kB

Rules:
- Several ways are tried. The one that makes most lines of a report complete is taken, and none if none does.
- A joined line leaves an empty line behind, so that numbers of lines stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from otel_oom.parse.line_prefix import has_words, split

_WIDEST: Final = 140  # columns: longer lines were not wrapped

# Lines of a report that are whole, and what of a report comes before what.
_COMPLETE: Final = re.compile(
    rb"Killed process \d+(?:, UID \d+,)? \([^\n]{0,99}(?:vm|vsz):\d+kB, anon-rss:\d+kB, file-rss:\d+kB"
    rb"|, shmem-rss:\d+kB"
    rb"|UID:\d+ pgtables:\d+kB oom_score_adj:-?\d+"
    rb"|invoked oom-killer: gfp_mask=0x\S{1,400},(?: nodemask=\S{1,99})? +order=-?\d+, oom\w+=-?\d+"
    rb"|oom-kill:constraint=[^ \n]{0,2000},task=[^\n]{0,60},pid=\d+,uid=\d+"
    rb"|memory: usage \d+kB, limit \d+kB, failcnt \d+"
    rb"|\[ *\d+\](?: +-?\d+){6,} \S|[Kk]ill process \d+ \([^\n]{0,60}\) score \d+ or [a-z ]{0,12}child"
    rb"|Task in /[^\n]{0,999} killed as a result of limit of /\S*"
)
_WHOLE_KILL: Final = re.compile(rb"Killed process \d+,? [^\n]{0,99}(?:vm|vsz):\d+kB, anon-rss:\d+kB, file-rss:\d+kB")
_KILLED: Final = re.compile(rb"Killed[\s>]+process[\s>]+\d")
_DATED: Final = re.compile(
    rb"[\s>|]*(?:<\d{1,3}>)?(?:\[ *\d+\.\d{6}\]|\[?\w{3} (?:\w{3} )?[ \d]\d \d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:)"
)
_OTHER_BEGINS: Final = re.compile(
    rb"\[ *\d+\] +\d| *(?:(?:in)?active_|isolated_|unevictable|dirty|slab_|mapped|kernel_misc|free)\w*:\d"
    rb"|Mem-Info|Call Trace|Node \d|\S+ cpuset=|[a-z_]+ \d+$"
)
_BEGUN: Final = re.compile(rb"Killed|[Kk]ill process|invoked oom-killer|oom-kill:c|memory: usage|Task in /|Comm:")
_NUMBER_BEGINS: Final = re.compile(rb":\d*k?$")
_NUMBER_ENDS: Final = re.compile(rb"\d*k?B?[, ]")
_TAIL: Final = re.compile(rb" *(?:,? ?UID|shmem-rss|pgtables|oom_score_adj)[: ]")
_ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")
_LONGEST: Final = 1024
_MOST: Final = 1 << 20  # bytes of a text: no mail is longer
_QUOTE: Final = re.compile(rb"(?:[>|] ?(?!_))*")  # not the bar of a gfp_mask


def _widest(lines: list[bytes]) -> int:
    """Bytes of the longest line that could be broken at a blank."""
    return max((_columns(line) for line in lines if b" " in line.strip(b" >|#")), default=0)


def _columns(line: bytes) -> int:
    return len(line) if line.isascii() else len(line.decode(errors="replace"))


def unwrapped(text: bytes) -> bytes:
    """The text with wrapped lines joined, in the way that completes the most of its reports; unchanged if none does."""
    if len(text) > _MOST:
        return text
    lines = [line.rstrip(b"\r") for line in text.split(b"\n")]
    longest, broken = max(map(_columns, lines)), _widest(lines)
    kills = len(_KILLED.findall(text)) if b"Killed" in text else 0
    if not (b"kB" in text or b"oom" in text) or (broken > _WIDEST and kills == len(_WHOLE_KILL.findall(text))):
        return text
    is_dated = 8 * sum(_DATED.match(line) is not None for line in lines) > len(lines)
    glues: list[_Glue] = [_unfinished, _with_head] if is_dated else [_unfinished]
    if broken <= _WIDEST:
        glues.insert(0, _broken_at(broken))
    if longest <= _WIDEST:
        glues.insert(0, lambda before, rest, _: rest if _columns(before) == longest else None)
    return max(
        (text, *(_joined(lines, glue, is_dated=is_dated) for glue in glues)),
        key=lambda way: len(_COMPLETE.findall(way)),
    )


_Glue = Callable[[bytes, bytes, bytes], bytes | None]
"""What a line adds to the line before it (before, line, before with all that was joined); None: it begins a line."""


def _joined(lines: list[bytes], glue_of: _Glue, *, is_dated: bool) -> bytes:
    joined: list[bytes] = []
    before, gap = b"", 0
    for line in lines:
        rest = line[_QUOTE.match(line).end() :]  # type: ignore[union-attr]
        begins = (
            not before or not rest.strip() or len(joined[-1]) > 8 * _LONGEST or _begins(before, rest, is_dated=is_dated)
        )
        glue = None if begins else glue_of(before, rest, joined[-1])
        if glue is None:
            joined += [b""] * gap
            joined.append(line)
            gap = 0
        else:
            joined[-1] = (joined[-1].rstrip() if glue.startswith(b" ") else joined[-1]) + glue
            gap += 1
        before = line
    return b"\n".join([*joined, *[b""] * gap])


def _begins(before: bytes, rest: bytes, *, is_dated: bool) -> bool:
    if is_dated or _DATED.match(rest):
        return _DATED.match(rest) is not None
    is_alike = before[:3].translate(_ALIKE) == rest[:3].translate(_ALIKE) and not rest[:3].isalpha()
    if _OTHER_BEGINS.match(rest) or (is_alike and rest[:3].strip(b"[( ")):  # numbers of lines, quotes of CSV
        return True
    return has_words(split(rest)) and not rest.startswith(b",") and not before.endswith((b": ", b"memory:"))


def _with_head(before: bytes, rest: bytes, joined: bytes) -> bytes:
    """What was cut: a blank, unless it was a hyphen, a number, or a word of the one line that has no blanks."""
    is_number = _NUMBER_ENDS.match(rest) and _NUMBER_BEGINS.search(before)
    is_summary = b"oom-kill:c" in joined and b" " not in rest.strip() and not before.endswith(b"]")
    return rest.strip() if before.endswith(b"-") or is_number or is_summary else b" " + rest.lstrip()


def _broken_at(columns: int) -> _Glue:
    return lambda before, rest, joined: (
        _with_head(before, rest, joined) if _columns(before) + 1 + len(rest.split()[0]) > columns else None
    )


def _unfinished(before: bytes, rest: bytes, joined: bytes) -> bytes | None:
    """A line after one of a report whose end is missing, in a text whose other lines were not wrapped."""
    if joined.endswith(b"("):  # a name that begins with a line feed
        return None
    if not _BEGUN.search(joined) or len(joined) > _LONGEST or (_COMPLETE.search(joined) and not _TAIL.match(rest)):
        return None
    return _with_head(before, rest, joined)
