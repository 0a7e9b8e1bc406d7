"""Which lines of a text matter outside a report: found in few passes over its bytes, before any line is parsed. No I/O.

Rules:
- It finds a superset: a line too many costs microseconds, a line too few costs a kill.
- `re` is fast only where a pattern begins with a literal. So the pattern of the markers begins with what all of them
  hold, and looks behind it for what must stand before.
"""

from __future__ import annotations

import re
from typing import Final

from otel_oom.kernel import oom_lines

_MARKER: Final = re.compile(
    b"ill(?:%b)"
    % b"|".join(b"(?<=%bill)%b" % tuple(map(re.escape, marker.split(b"ill", 1))) for marker in oom_lines.MARKERS)
)
_TASKS: Final = re.compile(rb"Task(?:s in | in /)")  # a group; the cgroup of old kernels, whose marker a wrap may cut
_MESSAGE: Final = b'"MESSAGE"'
_AS_NUMBERS: Final = re.compile(_MESSAGE + rb" ?: ?\[")  # how journald writes a message that is not UTF-8


def marker_lines(data: bytes, begin: int, end: int) -> list[int]:
    """Offsets of the lines that hold a marker, in order. begin, end: offsets between which the lines are whole."""
    patterns = (_MARKER, _TASKS, _AS_NUMBERS) if _MESSAGE in data else (_MARKER, _TASKS)
    places = (found.start() for one in patterns for found in one.finditer(data, begin, end))
    return sorted({data.rfind(b"\n", begin, place) + 1 or begin for place in places})
