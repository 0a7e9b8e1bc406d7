"""Splits lines of JSON that hold several lines of a log: exports of log stores, batches, results of tools. No I/O.

    {"streams":[{"values":[["1795929538000000000","[   37.4] Out of memory: …"],…        each string becomes a line
    {"events":[{"timestamp":1795929538000,"message":"Out of memory: …"},…               each entry becomes a line

Rules:
- JSON of any shape has strings in it. An object with a message of its own stays one line, so that what it says about
  its writer is seen.
- Memory is bounded: a long line is split before its end, a long string where it has a line feed.
- A break that was not in the text is marked (`ADDED`), so that numbers of lines stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from otel_oom.parse.structured_lines import ADDED, MESSAGE_KEYS, decoded

_LINE: Final = 1 << 16
_FEW: Final = 200  # bytes before a JSON text: `node1 | CHANGED => `
_DECODER: Final = json.JSONDecoder()
_JSON: Final = re.compile(rb'[\[{]\s?(?:"(?!")|[\[{])')  # CSV doubles its quotes
_SEVERAL: Final = re.compile(rb'[\]}]\s*,\s*[\[{]|\[\s*["{]|\\n')
_OBJECT: Final = re.compile(
    rb'(?=\{\s*"(?:[^"\\]|\\.){0,200}"\s*:)'
)  # in a string, a backslash stands before each quote
_STRING: Final = re.compile(rb'"((?:[^"\\]|\\.)*)("?)(\s*:)?')
_STAMP: Final = re.compile(rb"[\d.:TZ+-]*")
_INSIDE: Final = ("jsonPayload", "json_payload", "_source", "fields", "result")
_NEXT_LINE: Final = re.compile(
    r"\n[^\n]*(?:Killed process \d|oom-kill:constraint|Memory cgroup out of memory: )"
)  # no name is so long
_MOST_SAID: Final = 100_000
_LONGEST_SAID: Final = 1 << 10  # no line of the kernel's is longer
_LONG: Final = 1 << 20  # a string


class Documents:
    """Splits lines of JSON that hold several lines of a log. Gives whole lines only."""

    def __init__(self) -> None:
        self._rest = b""
        self._said: set[bytes] | None = None
        """Inside a long line: see `_parts`."""

    def lines(self, block: bytes, *, is_last: bool) -> bytes:
        """The next block of a text, split, without what the next block may continue."""
        text, self._rest = self._rest + block, b""
        before = b""
        if self._said is not None:
            newline = text.find(b"\n")
            if newline < 0 and not is_last:
                return self._long(text, self._said)
            line, text = (text, b"") if newline < 0 else (text[:newline], text[newline + 1 :])
            before, self._said = _unmarked(_parts(line, self._said)), None
        cut = len(text) if is_last else text.rfind(b"\n") + 1
        whole, rest = text[:cut], text[cut:]
        if b'"' in whole and (b'{"' in whole or b'["' in whole or b'{ "' in whole):
            whole = b"".join(map(_split, re.findall(rb"[^\n]*\n|[^\n]+$", whole)))
        if len(rest) <= _LINE:
            self._rest = rest
            return before + whole
        if _JSON.search(rest, 0, _FEW) is None:
            return before + whole + rest
        self._said = set()
        return before + whole + self._long(rest, self._said)

    def _long(self, text: bytes, said: set[bytes]) -> bytes:
        """The first part of a long line, up to its last object or string."""
        begins = [found.start() for found in _OBJECT.finditer(text, max(0, len(text) - _LINE))]
        cut = begins[-1] if begins else max((found.start() for found in _STRING.finditer(text)), default=len(text))
        if len(text) - cut > _LONG:  # one string: it is split where it has a line feed
            end = text.rfind(b"\\n", cut)
            text, cut = (text[:end] + b'""' + text[end + 2 :], end + 1) if end > cut else (b'"', 0)
        self._rest = text[cut:]
        return b"".join(part + ADDED + b"\n" for part in _parts(text[:cut], said))


def _unmarked(parts: Iterator[bytes]) -> bytes:
    """Parts as lines, of which the last one ends where a line of the text ends."""
    return (ADDED + b"\n").join(parts) + b"\n"


def _split(line: bytes) -> bytes:
    begins = _JSON.search(line, 0, _FEW)
    if begins is None or b'"=>' in line or not _SEVERAL.search(line, begins.start()):
        return line
    whole = line[line.find(b"{") :].rstrip(b" ,\r\n")
    return line if whole == _entry(whole) else _unmarked(_parts(line, set()))


def _parts(line: bytes, said: set[bytes]) -> Iterator[bytes]:
    """Entries and strings of JSON. said: lines of longer texts, which may come once more as a list (ansible)."""
    for piece in _OBJECT.split(line):
        if (entry := _entry(piece)) is not None:
            yield entry
            continue
        for found in _STRING.finditer(piece):
            if found[3] or _STAMP.fullmatch(found[1]):
                continue
            text = decoded(found[1])
            lines = text.split(b"\n")
            if len(lines) > 1 and len(said) < _MOST_SAID:
                said.update(line for line in lines if len(line) <= _LONGEST_SAID)
            elif text in said:
                continue
            yield from lines


def _entry(piece: bytes) -> bytes | None:
    """The object that a piece of JSON begins with, if it is an entry of a log, with one line of the log in it."""
    text = piece.decode("utf-8", "surrogateescape")
    try:
        entry, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    parts = [entry, *(entry[key] for key in _INSIDE if isinstance(entry.get(key), dict))]
    message = next((part[key] for key in MESSAGE_KEYS for part in parts if isinstance(part.get(key), str | list)), None)
    is_one = message is not None and not (isinstance(message, str) and _NEXT_LINE.search(message))
    return text[:end].encode("utf-8", "surrogateescape") if is_one else None
