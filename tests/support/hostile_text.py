"""Characters that control a terminal, or that hide or reverse text on it, and what is left of them in an output.

The list is the tests' own: Unicode's general categories, not the rule of the package.
"""

from __future__ import annotations

import unicodedata

CLASSES = {
    "C0 and DEL": "".join(map(chr, (*range(1, 0x20), 0x7F))),  # NUL is in no argument and in no variable
    "C1": "".join(map(chr, range(0x80, 0xA0))),
    "bidirectional": "".join(map(chr, (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))),
    "separators of lines": "\u2028\u2029",
    "no width": "\xad\u200b\u200c\u200d\u2060\u2061\u2064\ufeff\ufff9\U000e0001\U000e0041",
    "private and unassigned": "\ue000\U000f0000\u0378",
    "bytes that are no UTF-8": "\udc80\udcff",
}
#: sets the clipboard of a terminal; clears it; a line that looks like a log line of its own
COMMANDS = "\x1b]52;c;Zm9yZ2Vk\x07\x1b[2J\notel-oom: error: forged"
HOSTILE = COMMANDS + "".join(CLASSES.values())
#: the same for the name of a file, which has 255 bytes at most, without the class of most bytes
SHORT = COMMANDS + "\x85\x9b\u202e\u2066\u200f\u061c\u2028\u200b\ufeff\xad\ue000\u0378\udcff"

_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def left_in(output: bytes) -> list[str]:
    """What a terminal would not show as it is, sorted: characters, bytes that are no UTF-8, forged lines."""
    text = output.decode("utf-8", "surrogateescape")
    found = {character for character in text if character != "\n" and unicodedata.category(character) in _CATEGORIES}
    forged = {line for line in text.split("\n") if line.startswith("otel-oom: error: forged")}
    return sorted(map(ascii, found | forged))
