r"""Parses lines that hold a kernel line in a structure: JSON (journalctl, Cloud Logging, docker), /dev/kmsg. No I/O.

    {"_TRANSPORT":"kernel","MESSAGE":"Out of memory: Killed process …","__REALTIME_TIMESTAMP":"1732166338123456",…}
    {"textPayload":"[  580.355669] Memory cgroup out of memory: …","timestamp":"2026-11-21T05:18:58Z",…}
    {"jsonPayload":{"MESSAGE":"Memory cgroup out of memory: …"},…}      {"log":"6,22743,6115623303887,-;…\n","stream":…}

Rules:
- Never raises: a line without such a structure is a line of text.
- A journal says who wrote an entry: only `_TRANSPORT=kernel` with facility 0 is the kernel's.
- A line feed inside a message is part of the message.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import Final

from otel_oom.kernel import kmsg_record
from otel_oom.kernel.kmsg_record import Record
from otel_oom.parse import line_prefix
from otel_oom.parse.line_prefix import USER_INFO, Line

ADDED: Final = b"\x1e"
"""The end of a line that is none in the text: `line_recovery` splits some lines."""

MESSAGE_KEYS: Final = ("MESSAGE", "textPayload", "message", "msg", "log", "text", "line", "_raw")
# JSON over many lines, a part of it, CSV ("" is a quote), or Ruby's form of a record (fluent-bit): strings.
_STRING: Final = re.compile(rb'"((?:[^"\\]|\\.|"")*)"(\s*(?::|=>))?')
_MESSAGE: Final = re.compile(
    rb'(?:"(?:%b)"\s*:\s*|^\s*(?="(?:[^"\\]|\\.)*",?\s*$))' % "|".join((*MESSAGE_KEYS, "stringValue")).encode()
    + rb'(?:"((?:[^"\\]|\\.)*)"|\[([\d,\s]+)\])'  # numbers: journald's form of a message that is not UTF-8
)
_TIME: Final = re.compile(rb'"@?time(?:stamp)?"\s*:\s*"((?:[^"\\]|\\.)*)"')
_JOURNAL: Final = re.compile(
    rb'"(_BOOT_ID|__REALTIME_TIMESTAMP|_SOURCE_MONOTONIC_TIMESTAMP)"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|(\d+))'
)
_COPY: Final = re.compile(rb'\s*"(?:original|stdout|results)"\s*:')  # its text comes once more
_OTHER_WRITER: Final = re.compile(
    rb"(?:_TRANSPORT\W+(?:value\W+stringValue\W+)?(?!kernel\b)|\"SYSLOG_FACILITY\W+(?!0\b))\w"
)
# An event of Kubernetes holds the two lines of a kill of a kernel before 5.1 as one.
_EVENT: Final = re.compile(
    rb"([^:]{0,60}): [Kk]ill process \d+ \(.*\) score -?\d+ or (?:sacrifice |a )child(?:\s|\\n)+(Killed process .*)",
    re.DOTALL,
)
_CONTROL: Final = re.compile(rb"#(0[0-3][0-7]|177)")  # rsyslog: #012 is a line feed
_ESCAPE: Final = re.compile(rb"\\x([01][0-9a-f]|7f|[89a-f][0-9a-f])")  # dmesg: \x1b is ESC
_DICTIONARY: Final = re.compile(rb" [A-Z][A-Z0-9_]*=")


@functools.lru_cache(maxsize=32)  # the same lines are looked at again for each line before them
def parse_line(line: bytes) -> Line:
    """A line of a log without its structure and its prefix."""
    line = line.strip(b"\r\x1e")
    usual = line_prefix.usual(line)
    if usual is not None and b"\\x" not in usual.text and b"#" not in usual.text:
        return usual
    if (captured := _captured(line)) is not None:
        return captured
    if line.startswith(b" ") and _DICTIONARY.match(line):  # of a record of /dev/kmsg
        return Line(line, b"", priority=USER_INFO)
    text = _unescaped(line)
    plain = line_prefix.split(text)
    if plain.is_known or line_prefix.has_words(plain):
        return _one_kill(plain)
    if b'"' in line and (string := _in_strings(line)) is not None:
        return string
    return _one_kill(line_prefix.anchored(text) or plain)


def _in_strings(line: bytes) -> Line | None:
    """The line of the log in JSON, CSV or Ruby: the entry's message, or the first string with the kernel's words."""
    if _COPY.match(line):
        return None
    messages = list(filter(None, _messages(line)))
    for string in messages or _strings(line):
        within = _within(string)
        if within.record is not None or within.has_clock or line_prefix.has_words(within):
            return _described(within, line)
    return _described(_within(messages[0]), line) if messages else None


def _messages(line: bytes) -> Iterator[bytes]:
    """What an entry calls its message, or the one string of a line."""
    for found in _MESSAGE.finditer(line):
        with suppress(ValueError):
            yield decoded(found[1]) if found[2] is None else bytes(map(int, found[2].split(b",")))


def _strings(line: bytes) -> Iterator[bytes]:
    is_csv = line[:1] not in b' \t{["' or (line.startswith(b'"') and b'","' in line)  # a backslash escapes nothing
    for found in _STRING.finditer(line):
        if not found[2]:  # no key
            yield found[1].replace(b'""', b'"') if is_csv else decoded(found[1])


def _described(line: Line, entry: bytes) -> Line:
    """A line with what the entry around it says about its writer and its time."""
    if line.record is not None:
        return line
    journal = {key: decoded(text) or digits for key, text, digits in _JOURNAL.findall(entry)}
    boot_id, realtime = journal.get(b"_BOOT_ID"), journal.get(b"__REALTIME_TIMESTAMP", b"")
    line = line._replace(
        priority=USER_INFO if _OTHER_WRITER.search(entry) else line.priority,
        boot_id=None if boot_id is None else boot_id.decode("utf-8", "surrogateescape"),
    )
    if realtime.isdigit() and len(realtime) < 18:
        wall = datetime.fromtimestamp(int(realtime) / 1e6, timezone.utc).isoformat(timespec="microseconds").encode()
        line = line._replace(wall=wall, us=int(realtime) if line.us is None else line.us)
    elif line.wall is None and (stamp := _TIME.search(entry)):
        wall = decoded(stamp[1])[:64]
        line = line._replace(wall=wall, us=line_prefix.time_of_day(wall) if line.us is None else line.us)
    clock = journal.get(b"_SOURCE_MONOTONIC_TIMESTAMP", b"")
    return line._replace(us=int(clock), has_clock=True) if clock.isdigit() and len(clock) < 19 else line


def _unescaped(line: bytes) -> bytes:
    if b"#" in line:
        line = _CONTROL.sub(lambda code: bytes((int(code[1], 8),)), line)
    return _ESCAPE.sub(lambda code: bytes.fromhex(code[1].decode()), line) if b"\\x" in line else line


def _one_kill(line: Line) -> Line:
    event = _EVENT.fullmatch(line.text) if b" child" in line.text else None
    return line if event is None else line._replace(text=b"%b: %b" % event.groups())


def decoded(string: bytes) -> bytes:
    """The text of a JSON string, which stands there without its quotes. What is no JSON stays as it is."""
    if b"\\" not in string:
        return string
    try:
        text: str = json.loads(f'"{string.decode("utf-8", "surrogateescape")}"')
    except ValueError:
        return string
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # an escape of half a character
        return text.encode("utf-8", "replace")


def _within(message: bytes) -> Line:
    """The line in a string: it begins where the string begins, unless a prefix stands before the kernel's words."""
    raw = message.rstrip(b"\r\n")
    if (captured := _captured(raw)) is not None:
        return captured
    text = _unescaped(raw)
    plain = line_prefix.split(text)
    if plain.is_known or line_prefix.has_words(plain):
        return _one_kill(plain)._replace(is_known=True)
    return _one_kill(line_prefix.anchored(text) or plain._replace(is_known=not plain.head))


def _captured(line: bytes) -> Line | None:
    """A record of /dev/kmsg, after a prefix of kubectl or of a mail."""
    if b";" not in line or (start := line_prefix.kmsg_start(line)) is None:
        return None
    record = kmsg_record.parse(line[start:])
    if not isinstance(record, Record):
        return None
    return Line(line[:start], b"", record.monotonic_us, has_clock=True, priority=record.priority, record=record)
