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
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any, Final

from otel_oom.kernel import kmsg_record
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.memcg_statistics import STATISTIC_NAMES
from otel_oom.parse import line_prefix
from otel_oom.parse.line_prefix import USER_INFO, Line

ADDED: Final = b"\x1e"
"""The end of a line that is none in the text: `line_recovery` splits some lines."""

_MESSAGES: Final = ("MESSAGE", "textPayload", "message", "msg", "log", "text", "line", "_raw")
_INSIDE: Final = ("jsonPayload", "json_payload", "_source", "fields", "result")
_TIMES: Final = ("timestamp", "time", "@timestamp", "receiveTimestamp")
# JSON over many lines, a part of it, CSV ("" is a quote), or Ruby's form of a record (fluent-bit): strings.
_STRING: Final = re.compile(rb'"((?:[^"\\]|\\.|"")*)"(\s*(?::|=>))?')
_ALONE: Final = re.compile(rb'\s*(?:"(?:MESSAGE|textPayload|message|msg|log|line|stringValue)"\s*:\s*)?"(.*)",?\s*')
_COPY: Final = re.compile(rb'\s*"(?:original|stdout|results)"\s*:')  # its text comes once more
_OTHER_WRITER: Final = re.compile(rb"_TRANSPORT\W+(?:value\W+stringValue\W+)?(?!kernel\b)\w")
# An event of Kubernetes holds the two lines of a kill of a kernel before 5.1 as one.
_EVENT: Final = re.compile(
    rb"([^:]{0,60}): [Kk]ill process \d+ \(.*\) score -?\d+ or (?:sacrifice |a )child(?:\s|\\n)+(Killed process .*)",
    re.DOTALL,
)
_NEXT_LINE: Final = re.compile(
    rb"\n[^\n]*(?:Killed process \d|oom-kill:constraint|Memory cgroup out of memory: )"
)  # no name is so long
_CONTROL: Final = re.compile(rb"#(0[0-3][0-7]|177)")  # rsyslog: #012 is a line feed
_ESCAPE: Final = re.compile(rb"\\x([01][0-9a-f]|7f|[89a-f][0-9a-f])")  # dmesg: \x1b is ESC
_STATISTIC: Final = re.compile(b"(?:%s) [0-9]+" % b"|".join(name.encode() for name in STATISTIC_NAMES))
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
    at = line.find(b"{") if line.endswith((b"}", b"} ", b"},")) else -1
    if at >= 0 and isinstance(entry := _json(line[at:].rstrip(b" ,")), dict) and (of_entry := _entry(entry)):
        return of_entry
    if b"#" in line:
        line = _CONTROL.sub(lambda code: bytes((int(code[1], 8),)), line)
    if b"\\x" in line and not line.lstrip().startswith(b'"'):
        line = _ESCAPE.sub(lambda code: bytes.fromhex(code[1].decode()), line)
    plain = line_prefix.split(line)
    if plain.is_known or line_prefix.has_words(plain):
        return _one_kill(plain)
    if b'"' in line and (string := _in_strings(line)) is not None:
        return string
    return _one_kill(line_prefix.anchored(line) or plain)


def _in_strings(line: bytes) -> Line | None:
    """The first string in a line that holds a line of a report."""
    if _COPY.match(line):
        return None
    is_csv = line[:1] not in b' \t{["' or (
        line.startswith(b'"') and b'","' in line
    )  # there, a backslash escapes nothing
    for found in _STRING.finditer(line):
        if found[2]:  # a key
            continue
        within = _within(found[1].replace(b'""', b'"') if is_csv else decoded(found[1]))
        is_statistic = _STATISTIC.fullmatch(within.text) is not None
        if within.record is not None or within.has_clock or is_statistic or line_prefix.has_words(within):
            is_foreign = _OTHER_WRITER.search(line) is not None
            return within._replace(priority=USER_INFO if is_foreign else within.priority)
    alone = _ALONE.fullmatch(line)
    return _within(decoded(alone[1])) if alone else None


def _one_kill(line: Line) -> Line:
    event = _EVENT.fullmatch(line.text) if b" child" in line.text else None
    return line if event is None else line._replace(text=b"%b: %b" % event.groups())


def decoded(string: bytes) -> bytes:
    """The text of a JSON string, which stands there without its quotes. What is no JSON stays as it is."""
    text = _bytes(_json(b'"' + string + b'"')) if b"\\" in string else None
    return string if text is None else text


def is_entry(line: bytes) -> bool:
    """Whether a line is an entry of a log in JSON, with one line of the log in it."""
    at = line.find(b"{")
    entry = _json(line[at:].rstrip(b" ,\r\n")) if at >= 0 else None
    message = _message_of(_flat(entry)) if isinstance(entry, dict) else None
    return message is not None and not _NEXT_LINE.search(message)


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    for inside in _INSIDE:
        if isinstance(entry.get(inside), dict):
            entry = {**entry, **entry[inside]}
    return entry


def _message_of(entry: dict[str, Any]) -> bytes | None:
    return next((raw for key in _MESSAGES if (raw := _bytes(entry.get(key))) is not None), None)


def _entry(entry: dict[str, Any]) -> Line | None:
    message = _message_of(entry := _flat(entry))
    if message is None:
        return None
    line = _within(message)
    if line.record is not None:
        return line
    if entry.get("_TRANSPORT", "kernel") != "kernel" or str(entry.get("SYSLOG_FACILITY", "0")) != "0":
        line = line._replace(priority=USER_INFO)
    boot_id = entry.get("_BOOT_ID")
    line = line._replace(head=b"{", boot_id=boot_id if isinstance(boot_id, str) else None)
    realtime, clock = _number(entry.get("__REALTIME_TIMESTAMP")), _number(entry.get("_SOURCE_MONOTONIC_TIMESTAMP"))
    if realtime is not None and realtime < 10**17:
        shown = datetime.fromtimestamp(realtime / 1e6, timezone.utc).isoformat(timespec="microseconds").encode()
        line = line._replace(wall=shown, us=realtime if line.us is None else line.us)
    elif line.wall is None:
        stamp = next((entry[key] for key in _TIMES if isinstance(entry.get(key), str)), None)
        if stamp is not None:
            wall = stamp[:64].encode("utf-8", "replace")
            line = line._replace(wall=wall, us=line_prefix.time_of_day(wall) if line.us is None else line.us)
    return line._replace(us=clock, has_clock=True) if clock is not None else line


def _within(message: bytes) -> Line:
    """The line in a string: it begins where the string begins, unless a prefix stands before the kernel's words."""
    raw = message.rstrip(b"\r\n")
    if (captured := _captured(raw)) is not None:
        return captured
    plain = line_prefix.split(raw)
    if plain.is_known or line_prefix.has_words(plain):
        return _one_kill(plain)._replace(is_known=True)
    return _one_kill(line_prefix.anchored(raw) or plain._replace(is_known=not plain.head))


def _captured(line: bytes) -> Line | None:
    """A record of /dev/kmsg, after a prefix of kubectl or of a mail."""
    if b";" not in line or (start := line_prefix.kmsg_start(line)) is None:
        return None
    record = kmsg_record.parse(line[start:])
    if not isinstance(record, Record):
        return None
    return Line(line[:start], b"", record.monotonic_us, has_clock=True, priority=record.priority, record=record)


def _json(text: bytes) -> object:
    try:
        return json.loads(text.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None


def _bytes(value: object) -> bytes | None:
    """A message: a string, or a list of bytes where it is not UTF-8 (journald)."""
    if isinstance(value, str):
        try:
            return value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # an escape of half a character
            return value.encode("utf-8", "replace")
    if isinstance(value, list) and value:
        with suppress(TypeError, ValueError):
            return bytes(value)
    return None


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
