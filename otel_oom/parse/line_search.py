"""Which lines of a text matter: found in few passes over its bytes, before any line is parsed. No I/O.

Rules:
- Outside a report, only lines with a marker matter (`marker_lines`); inside, also those that `report_lines` finds.
- Both find a superset: a line too many costs microseconds, a line too few costs a fact or a kill.
- `re` is fast only where a pattern begins with a literal. So each pattern begins with rare letters, and looks behind
  them for what must stand before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from otel_oom.kernel import oom_lines
from otel_oom.kernel.memcg_statistics import STATISTIC_NAMES

_COMMON: Final = b"ill"  # in most markers: one search for it is faster than one search for each marker


def _patterns(markers: Iterable[bytes]) -> tuple[re.Pattern[bytes], ...]:
    together, alone = [], []
    for marker in markers:
        before, common, after = map(re.escape, marker.partition(_COMMON))
        if common:
            together.append(b"(?<=%b%b)%b" % (before, common, after))
        else:
            alone.append(re.compile(before))
    return re.compile(_COMMON + b"(?:" + b"|".join(together) + b")"), *alone


_MARKERS: Final = _patterns((*oom_lines.MARKERS, b"Task in /"))  # a wrap may cut the marker of this line, no other
_GROUP: Final = re.compile(re.escape(oom_lines.GROUP_MARKER))
_NEAR: Final = 4 << 10  # a group's line follows its first kill line, and may have lost its end
_MESSAGE: Final = b'"MESSAGE"'
_AS_NUMBERS: Final = re.compile(_MESSAGE + rb" ?: ?\[")  # how journald writes a message that is not UTF-8
_BEGINNING: Final = 64 << 10

# What the lines of a report hold that `Report.read` reads, and what continues them.
_REPORT: Final = (
    re.compile(
        rb":(?:(?<=CPU:|Pid:) | usage |(?<=ctive_anon:)|(?<=tive_file:)|(?<=evictable:)|(?<=reclaimable:)|(?<=mapped:)"
        rb"|(?<=pagetables:)|(?<=free:)|(?<=free_cma:))"
    ),
    re.compile(rb"Node (?=\d)"),
    re.compile(rb"\[(?= *(?:[0-9]{1,10}|pid) *\] )"),
    re.compile(rb" mems_allowed="),
    re.compile(b"(?:%s) (?=[0-9])" % b"|".join(name.encode() for name in STATISTIC_NAMES)),
    re.compile(rb"cgroup stats for "),
    re.compile(rb"Task in "),
    re.compile(rb"wap (?<= swap )"),
    re.compile(rb"RAM(?:(?<= pages RAM)|(?<= pages of RAM))"),
    re.compile(rb"killed as (?<= killed as )"),
    re.compile(rb",(?:cpuset=|global_oom|oom_memcg=|task)"),
)
_REPORT_OF_RECORDS: Final = (*_REPORT, re.compile(rb",c[,;]"), re.compile(rb",\+"))
"""In a capture of /dev/kmsg: also records whose flags mark them as fragments."""
_REPORT_IN_JSON: Final = (*_REPORT_OF_RECORDS, re.compile(rb"MESSAGE"))
"""In JSON: also every line with a message, because journald writes some messages as lists of numbers."""


def marker_lines(data: bytes, begin: int, end: int) -> list[int]:
    """Offsets of the lines that hold a marker, in order. begin, end: offsets between which the lines are whole."""
    is_journal = data.find(_MESSAGE, begin, min(end, begin + _BEGINNING)) >= 0
    patterns = (*_MARKERS, _AS_NUMBERS) if is_journal else _MARKERS
    near = max(0, begin - _NEAR)
    places = [found.start() for one in patterns for found in one.finditer(data, near, end)]
    places += list(_groups_near(data, sorted(places), end))
    return _line_starts(data, begin, (place for place in places if place >= begin))


def _groups_near(data: bytes, places: Iterable[int], end: int) -> Iterator[int]:
    """Where the text of a group's line stands, at most `_NEAR` behind one of these places, which are in order."""
    searched = 0
    for place in places:
        begin, searched = max(place, searched - len(oom_lines.GROUP_MARKER)), min(end, place + _NEAR)
        yield from (found.start() for found in _GROUP.finditer(data, begin, searched))


def report_lines(data: bytes, begin: int, end: int) -> list[int]:
    """Offsets of the lines of a report that matter, in order. begin, end: offsets between which the lines are whole."""
    is_json, is_capture = (data.find(sign, begin, end) >= 0 for sign in (b'"', b";"))
    patterns = _REPORT_IN_JSON if is_json else _REPORT_OF_RECORDS if is_capture else _REPORT
    return _line_starts(data, begin, (found.start() for one in patterns for found in one.finditer(data, begin, end)))


def _line_starts(data: bytes, begin: int, places: Iterable[int]) -> list[int]:
    return sorted({data.rfind(b"\n", begin, place) + 1 or begin for place in places})
