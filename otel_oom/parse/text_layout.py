"""Lines for a terminal: labels with text beside them, bars, and sizes. No I/O.

Rules:
- No line is wider than the terminal (from 40 columns on), whatever a name holds: longer text is folded. Only a path
  may be wider.
- Callers pass printable text only (`text_escapes.printable`), so that names cannot move the cursor.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from otel_oom.printable_text import printable_text

NARROW: Final = 60
_INDENT: Final = 2
_LABEL: Final = 16
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_COLOUR: Final = re.compile(r"(\x1b\[(?:0|1|1;31|2)m)")  # those of `Style`, and no other
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(frozen=True, slots=True)
class Style:
    """What the terminal can show.

    columns: its width; is_colored: whether it shows colours; has_blocks: whether its encoding has block characters
    """

    columns: int = 80
    is_colored: bool = False
    has_blocks: bool = True

    def strong(self, text: str) -> str:
        """Text in bold."""
        return f"\x1b[1m{text}\x1b[0m" if self.is_colored else text

    def alarm(self, text: str) -> str:
        """Text in bold red: the victim."""
        return f"\x1b[1;31m{text}\x1b[0m" if self.is_colored else text

    def faint(self, text: str) -> str:
        """Text that is less important, dimmed."""
        return f"\x1b[2m{text}\x1b[0m" if self.is_colored else text

    def line(self, text: str) -> str:
        """A whole line, ready to be written: printable, except for colours if this terminal shows them."""
        if not self.is_colored:
            return printable_text(text)
        return "".join(part if _COLOUR.fullmatch(part) else printable_text(part) for part in _COLOUR.split(text))

    def bar(self, share: float, room: int) -> str:
        """A bar for a share of 1, padded to `room` columns."""
        share = min(1.0, max(0.0, share))
        if not self.has_blocks:
            return ("#" * round(share * room)).ljust(room)
        eighths = round(share * room * 8)
        whole, rest = divmod(eighths, 8)
        return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(room)


def width(text: str) -> int:
    """Columns that a printable text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def padded(text: str, columns: int) -> str:
    """A text with blanks up to a width in columns."""
    return text + " " * (columns - width(text))


def fold(text: str, columns: int) -> list[str]:
    """A text as lines of at most so many columns, broken at blanks, or inside a word that is too long.

    A path is never broken, so that it can be copied: the terminal shows it on several lines.
    """
    if width(text) <= columns:
        return [text.lstrip(" ")]
    lines, line = [], ""
    for word in text.split(" "):
        if line and width(line) + 1 + width(word) <= columns:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        line = word
        while width(line) > columns and not word.startswith("/"):
            cut = next(end for end in range(columns, 0, -1) if width(line[:end]) <= columns)
            lines.append(line[:cut])
            line = line[cut:]
    return [*lines, line]


def room(style: Style) -> int:
    """Columns that are free beside a label."""
    beside = 0 if style.columns < NARROW else _LABEL
    return max(10, style.columns - _INDENT - beside)


def entry(label: str, texts: list[str], style: Style) -> list[str]:
    """A label with texts beside it (on a narrow terminal: below it). Texts fit into `room`."""
    indent = " " * _INDENT
    if style.columns < NARROW:
        return [indent + style.faint(label), *(indent + text for text in texts)]
    labels = [style.faint(label.ljust(_LABEL)), *[" " * _LABEL] * (len(texts) - 1)]
    return [indent + beside + text for beside, text in zip(labels, texts, strict=True)]


def size(value: int) -> str:
    """Bytes for people."""
    amount, unit = float(value), 0
    while abs(amount) >= 1023.95 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{value} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"
