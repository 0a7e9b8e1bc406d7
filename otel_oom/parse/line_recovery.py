"""The lines of a log out of texts whose lines are others: JSON documents, wrapped text, newest-first exports. No I/O.

    {"streams":[{"values":[["1795929538000000000","[   37.4] Out of memory: …"],…     each string becomes a line
    Out of memory: Killed process 7 (java) total-vm:36000kB, anon-rs                  cut at 64 columns: joined again
    s:32000kB, file-rss:0kB

Rules:
- Every other text passes unchanged, and a pipe's without waiting for its end.
- Text is joined only if this completes lines of a report, and turned only if its reports are the wrong way round.
- Memory is bounded: text of more than 4 MiB is not joined; newest-first text is turned in pieces of this size, and a
  report on the edge of a piece loses what the other piece holds. A long string of JSON is split before its end.
- Numbers of lines stay: a break that was not in the text is marked (`ADDED`), and a removed one leaves an empty line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Final

from otel_oom.parse.line_prefix import has_words, split
from otel_oom.parse.structured_lines import ADDED, decoded, is_entry

_WHOLE: Final = 4 << 20
_LINE: Final = 1 << 16
_FEW: Final = 200  # bytes before a JSON text: `node1 | CHANGED => `
_DECODER: Final = json.JSONDecoder()
_JSON: Final = re.compile(rb'[\[{]\s?["\[{]')
_SEVERAL: Final = re.compile(rb'[\]}]\s*,\s*[\[{]|\[\s*["{]|\\n')
_OBJECT: Final = re.compile(rb'(?=\{\s*"(?:[^"\\]|\\.){0,200}"\s*:)')  # in a string, a backslash stands before each quote
_STRING: Final = re.compile(rb'"((?:[^"\\]|\\.)*)("?)(\s*:)?')
_STAMP: Final = re.compile(rb"[\d.:TZ+-]*")
_MOST_SAID: Final = 100_000

# Lines of a report that are whole, and what of a report comes before what.
_COMPLETE: Final = re.compile(
    rb"Killed process \d+,? [^\n]*(?:vm|vsz):\d+kB, anon-rss:\d+kB, file-rss:\d+kB(?:, shmem-rss:\d+kB)?"
    rb"(?:, UID:\d+ pgtables:\d+kB oom_score_adj:-?\d+)?|invoked oom-killer: gfp_mask=0x[^\n]*order=-?\d+, oom\w+=-?\d+"
    rb"|oom-kill:constraint=[^ \n]*,task=[^\n]*,pid=\d+,uid=\d+|memory: usage \d+kB, limit \d+kB, failcnt \d+"
    rb"|\[ *\d+\](?: +-?\d+){6,} \S|[Kk]ill process \d+ \([^\n]*\) score \d+ or [^\n]*child"
    rb"|Task in /[^\n]* killed as a result of limit of /\S*"
)
_KILLED: Final = re.compile(rb"Killed[\s>]+process[\s>]+\d")
_WHOLE_KILL: Final = re.compile(rb"Killed process \d+,? [^\n]*(?:vm|vsz):\d+kB, anon-rss:\d+kB, file-rss:\d+kB")
_KINDS: Final = re.compile(rb"( invoked oom-killer)|(\[ *pid *\])|(oom-kill:constraint)|(Killed process \d)")
_FORWARD: Final = {(1, 2), (1, 3), (2, 3), (2, 4), (3, 4)}
_DATED: Final = re.compile(
    rb"[\s>|]*(?:<\d{1,3}>)?(?:\[ *\d+\.\d{6}\]|\[?\w{3} (?:\w{3} )?[ \d]\d \d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:)"
)
_OTHER_BEGINS: Final = re.compile(rb"\[ *\d+\] +\d| *[a-z_]+:\d+( |$)|Mem-Info|Call Trace|Node \d|\S+ cpuset=|[a-z_]+ \d+$")
_QUOTE: Final = re.compile(rb"(?:[>|] ?)*")
_WIDEST: Final = 140  # columns of a text that was wrapped


class RecoveredLines:
    """Reads a text, and gives the lines of its log.

    readinto: see `Window`; is_waiting: whether the next read would wait for a writer
    """

    def __init__(self, readinto: Callable[[memoryview], int], is_waiting: Callable[[], bool] = lambda: False) -> None:
        self._readinto = readinto
        self._is_waiting = is_waiting
        self._block = memoryview(bytearray(1 << 20))
        self._documents = _Documents()
        self._text = b""
        self._is_first, self._is_last = True, False
        self._lines = 0
        self._turned: list[tuple[int, int]] = []
        self.is_newest_first = False

    def readinto(self, buffer: memoryview) -> int:
        """Put the next bytes into a buffer; returns how many, 0 at the end."""
        while not self._text and not self._is_last:
            self._text = self._first() if self._is_first else self._turn(self._read()) if self.is_newest_first else self._read()
        count = min(len(buffer), len(self._text))
        buffer[:count] = self._text[:count]
        self._text = self._text[count:]
        return count

    def number(self, line: int) -> int:
        """Number of a line in the text, by its number in what `readinto` gave."""
        first, count = next((piece for piece in reversed(self._turned) if piece[0] <= line), (0, 0))
        return max(1, 2 * first + count - 1 - line) if count else line

    def _read(self) -> bytes:
        count = self._readinto(self._block)
        self._is_last = not count
        return self._documents.lines(bytes(self._block[:count]), is_last=self._is_last)

    def _first(self) -> bytes:
        text, order, longest, self._is_first = b"", 0, 0, False
        while not self._is_last and len(text) < _WHOLE and (order <= 0 or longest <= _WIDEST) and not (text and self._is_waiting()):
            block = self._read()
            order += _order(block)
            longest = max(longest, _widest(block.split(b"\n")))
            text += block
        if self._is_last:
            text = unwrapped(text)
        self.is_newest_first = _order(text) < 0
        return self._turn(text) if self.is_newest_first else text

    def _turn(self, text: bytes) -> bytes:
        """A text of whole lines, up to the size of a piece, in the opposite order."""
        while not self._is_last and len(text) < _WHOLE:
            text += self._read()
        lines = text.removesuffix(b"\n").split(b"\n")
        added = [False, *(line.endswith(ADDED) for line in lines)]
        self._turned.append((self._lines + 1, len(lines) - sum(added)))
        self._lines += len(lines) - sum(added)
        pairs = zip(reversed(lines), added[-2::-1], strict=True)
        return b"".join(line.removesuffix(ADDED) + (ADDED if is_added else b"") + b"\n" for line, is_added in pairs)


class _Documents:
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
        if len(text) - cut > _WHOLE // 4:  # one string: it is split where it has a line feed
            end = text.rfind(b"\\n", cut)
            text, cut = (text[:end] + b'""' + text[end + 2 :], end + 1) if end > cut else (b'"', 0)
        self._rest = text[cut:]
        return b"".join(part + ADDED + b"\n" for part in _parts(text[:cut], said))


def _unmarked(parts: Iterator[bytes]) -> bytes:
    """Parts as lines, of which the last one ends where a line of the text ends."""
    return (ADDED + b"\n").join(parts) + b"\n"


def _split(line: bytes) -> bytes:
    begins = _JSON.search(line, 0, _FEW)
    if begins is None or not _SEVERAL.search(line, begins.start()) or is_entry(line):
        return line
    return _unmarked(_parts(line, set()))


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
                said.update(lines)
            elif text in said:
                continue
            yield from lines


def _entry(piece: bytes) -> bytes | None:
    """The object that a piece of JSON begins with, if it is an entry of a log."""
    text = piece.decode("utf-8", "surrogateescape")
    try:
        end = _DECODER.raw_decode(text)[1]
    except (ValueError, RecursionError):
        return None
    entry = text[:end].encode("utf-8", "surrogateescape")
    return entry if is_entry(entry) else None


def _order(text: bytes) -> int:
    """More than 0 if the reports of a text are in order, less if they are the wrong way round."""
    kinds = [found.lastindex for found in _KINDS.finditer(text)]
    pairs = list(zip(kinds, kinds[1:], strict=False))
    return sum((pair in _FORWARD) - (pair[::-1] in _FORWARD) for pair in pairs)


def _widest(lines: list[bytes]) -> int:
    """Bytes of the longest line that could be broken at a blank."""
    return max((_columns(line) for line in lines if b" " in line.strip(b" >|#")), default=0)


def _columns(line: bytes) -> int:
    return len(line) if line.isascii() else len(line.decode(errors="replace"))


def unwrapped(text: bytes) -> bytes:
    """The text with wrapped lines joined, in the way that completes the most of its reports; unchanged if none does."""
    lines = [line.rstrip(b"\r") for line in text.split(b"\n")]
    longest, broken = max(map(_columns, lines)), _widest(lines)
    kills = len(_KILLED.findall(text)) if b"Killed" in text else 0
    if not (b"kB" in text or b"oom" in text) or (broken > _WIDEST and kills == len(_WHOLE_KILL.findall(text))):
        return text
    is_dated = 8 * sum(_DATED.match(line) is not None for line in lines) > len(lines)
    glues: list[_Glue] = [_at_blank, _in_number] if is_dated else []
    if broken <= _WIDEST:
        glues.insert(
            0, lambda before, rest: b" " + rest.lstrip() if _columns(before) + 1 + len(rest.split()[0]) > broken else None
        )
    if longest <= _WIDEST:
        glues.insert(0, lambda before, rest: rest if _columns(before) == longest else None)
    return max((text, *(_joined(lines, glue, is_dated=is_dated) for glue in glues)), key=lambda way: len(_COMPLETE.findall(way)))


_Glue = Callable[[bytes, bytes], bytes | None]
"""What a line adds to the line before it; None: it begins a line of the log."""


def _joined(lines: list[bytes], glue_of: _Glue, *, is_dated: bool) -> bytes:
    joined: list[bytes] = []
    before, gap = b"", 0
    for line in lines:
        rest = line[_QUOTE.match(line).end() :]  # type: ignore[union-attr]
        begins = not before or not rest.strip() or _begins(before, rest, is_dated=is_dated)
        glue = None if begins else glue_of(before, rest)
        if glue is None:
            joined += [b""] * gap
            joined.append(line)
            gap = 0
        else:
            joined[-1] += glue
            gap += 1
        before = line
    return b"\n".join([*joined, *[b""] * gap])


def _begins(before: bytes, rest: bytes, *, is_dated: bool) -> bool:
    if is_dated or _DATED.match(rest):
        return _DATED.match(rest) is not None
    if _OTHER_BEGINS.match(rest):
        return True
    return has_words(split(rest)) and not rest.startswith(b",") and not before.endswith((b": ", b"memory:"))


def _at_blank(before: bytes, rest: bytes) -> bytes:
    return rest if before.endswith(b"-") else b" " + rest.lstrip()


def _in_number(before: bytes, rest: bytes) -> bytes:
    return rest if before[-1:].isdigit() and rest[:1].isdigit() else _at_blank(before, rest)
