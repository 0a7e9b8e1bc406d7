"""Where in a text the next line stands that may open a report, count a kill or join kills to a group. No I/O.

Rules:
- Each byte is looked at once.
- An anchor that the end of a block cuts in two is found with the next one.
"""

from __future__ import annotations

import re
from typing import Final

from otel_oom.parse.joined import ANCHOR, LONGEST
from otel_oom.parse.window import Window

GROUP: Final = b"are going to be killed due"
GROUP_HEAD: Final = b"Tasks in "
AS_NUMBERS: Final = re.compile(rb'"MESSAGE" ?: ?\[')
"""How journald writes a message that is no UTF-8 text: looked for only where a journal's JSON begins the text."""
_BEGINNING: Final = 64 << 10
_GROUP_COMES: Final = 4_096


class Anchors:
    """Finds anchors ahead of a window's place. To be made when its first block is there."""

    def __init__(self, window: Window) -> None:
        self._window = window
        patterns = [ANCHOR, AS_NUMBERS] if b'"MESSAGE"' in window.data[:_BEGINNING] else [ANCHOR]
        self._known = dict.fromkeys(patterns, 0)
        """Where in the stream the next match of each is, or from where on it is to be looked for."""
        self._killed = -_GROUP_COMES

    def killed(self, offset: int) -> None:
        """A kill line ended here: for some KiB a group's line is known by its beginning, the end may be cut off."""
        self._killed = self._window.base + offset

    def is_group_near(self, offset: int) -> bool:
        """Whether a line here that begins as a group's does is one."""
        return self._window.base + offset < self._killed + _GROUP_COMES

    def next(self) -> int | None:
        """Where the next line with an anchor starts; None if there is none in the block."""
        window = self._window
        data, at, base = window.data, window.at, window.base
        first = len(data)
        for pattern, known in self._known.items():
            found = pattern.search(data, max(at, known - base))
            self._known[pattern] = base + (found.start() if found else window.whole_lines())
            first = min(first, found.start() if found else first)
        if self.is_group_near(at):
            offset = data.find(GROUP_HEAD, at, min(first, self._killed + _GROUP_COMES + LONGEST - base))
            first = offset if offset >= 0 else first
        return None if first == len(data) else data.rfind(b"\n", at, first) + 1 or at
