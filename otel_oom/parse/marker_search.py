"""Where in a text the next line stands that may open a report, count a kill or join kills to a group. No I/O.

Rules:
- Each byte is looked at once, a block's at once.
- A line that the end of a block cuts in two is looked at with the next one.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

from otel_oom.parse.record_joining import LONGEST
from otel_oom.parse.text_window import Window

GROUP: Final = b"are going to be killed due"
GROUP_HEAD: Final = b"Tasks in "
AS_NUMBERS: Final = re.compile(rb'"MESSAGE" ?: ?\[')
"""How journald writes a message that is no UTF-8 text: looked for only where a journal's JSON begins the text."""
# `joined.ANCHOR` for searching: its lower case, and its `K`, which is so rare in most logs that to jump from one to the
# next costs a seventh of a search with `re`.
_LOWER: Final = re.compile(
    rb"kill(?:(?:ed)? process |(?<=oom-kill)(?:er)?:|(?<= kill)ed as a result of limit of "
    rb"|(?<=are going to be kill)ed due)"
)
_UPPER: Final = re.compile(rb"Kill(?:ed)? process ")
_RARE: Final = 256  # bytes for each `K`: where there are more, `re` is faster
_BEGINNING: Final = 64 << 10
_GROUP_COMES: Final = 4_096


class MarkerSearch:
    """Finds anchors ahead of a window's place. To be made when its first block is there."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._patterns = [_LOWER, AS_NUMBERS] if b'"MESSAGE"' in window.data[:_BEGINNING] else [_LOWER]
        self._places: deque[int] = deque()
        """Where in the stream they stand, as far as it was searched."""
        self._searched = 0
        self._killed = -_GROUP_COMES

    def killed(self, offset: int) -> None:
        """A kill line ended here: for some KiB a group's line is known by its beginning, the end may be cut off."""
        self._killed = self._window.base + offset

    def is_group_near(self, offset: int) -> bool:
        """Whether a line here that begins as a group's does is one."""
        return self._window.base + offset < self._killed + _GROUP_COMES

    def next(self) -> int | None:
        """Where the next line with an anchor starts; None if there is none in the block's whole lines."""
        window, places = self._window, self._places
        data, at, base = window.data, window.at, window.base
        while places and places[0] < base + at:
            places.popleft()
        if not places:
            self._search()
        first = places[0] - base if places else len(data)
        if self.is_group_near(at):
            offset = data.find(GROUP_HEAD, at, min(first, self._killed + _GROUP_COMES + LONGEST - base))
            first = offset if offset >= 0 else first
        return None if first == len(data) else data.rfind(b"\n", at, first) + 1 or at

    def _search(self) -> None:
        """All of a block at once: what is understood then finds its code in the processor's cache."""
        window = self._window
        data, base, end = window.data, window.base, window.whole_lines()
        begin = max(window.at, self._searched - base)
        found = [one.start() for pattern in self._patterns for one in pattern.finditer(data, begin, end)]
        self._places.extend(base + place for place in sorted(found + _upper(data, begin, end)))
        self._searched = base + max(begin, end)


def _upper(data: bytes, begin: int, end: int) -> list[int]:
    found = []
    at, jumps = data.find(b"K", begin, end), (end - begin) // _RARE
    while at >= 0 and jumps:
        if data.startswith(b"Kill", at) and _UPPER.match(data, at):
            found.append(at)
        at, jumps = data.find(b"K", at + 1, end), jumps - 1
    return found if at < 0 else found + [one.start() for one in _UPPER.finditer(data, at, end)]
