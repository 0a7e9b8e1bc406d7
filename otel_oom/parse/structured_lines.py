r"""Parses lines that hold a kernel line in a structure: JSON (journalctl, Cloud Logging, docker), /dev/kmsg. No I/O.

    {"_TRANSPORT":"kernel","MESSAGE":"Out of memory: Killed process …","__REALTIME_TIMESTAMP":"1732166338123456",…}
    {"textPayload":"[  580.355669] Memory cgroup out of memory: …","timestamp":"2026-11-21T05:18:58Z",…}
    {"jsonPayload":{"MESSAGE":"Memory cgroup out of memory: …"},…}      {"log":"6,22743,6115623303887,-;…\n","stream":…}

Rules:
- Total: a line without such a structure is a line of text.
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
from otel_oom.parse import line_prefix
from otel_oom.parse.line_prefix import Line

_NOT_KERNEL: Final = 14
_MESSAGES: Final = ("MESSAGE", "textPayload", "message", "msg", "log", "text", "line", "_raw")
_INSIDE: Final = ("jsonPayload", "json_payload", "_source", "fields")
_TIMES: Final = ("timestamp", "time", "@timestamp", "receiveTimestamp")
# A line of JSON that is spread over many: journalctl -o json-pretty, gcloud logging read --format json, dmesg -J.
_MEMBER: Final = re.compile(rb'\s*"(?:MESSAGE|textPayload|message|msg|log)"\s*:\s*(".*"),?\s*')
_CONTROL: Final = re.compile(rb"#(0[0-3][0-7]|177)")  # rsyslog: #012 is a line feed
_ESCAPE: Final = re.compile(rb"\\x([01][0-9a-f]|7f|[89a-f][0-9a-f])")  # dmesg: \x1b is ESC
_DICTIONARY: Final = re.compile(rb" [A-Z][A-Z0-9_]*=")


@functools.lru_cache(maxsize=32)  # the same lines are looked at again for each line before them
def parse_line(line: bytes) -> Line:
    """A line of a log without its structure and its prefix."""
    line = line.strip(b"\r")
    usual = line_prefix.usual(line)
    if usual is not None and b"\\x" not in usual.text and b"#" not in usual.text:
        return usual
    if (captured := _captured(line)) is not None:
        return captured
    if line.startswith(b" ") and _DICTIONARY.match(line):  # of a record of /dev/kmsg
        return Line(line, b"", priority=_NOT_KERNEL)
    at = line.find(b"{") if line.endswith((b"}", b"} ", b"},")) else -1
    if at >= 0 and isinstance(entry := _json(line[at:].rstrip(b" ,")), dict):
        return _entry(entry) or Line(line, b"", priority=_NOT_KERNEL)
    if b'"' in line and (member := _MEMBER.fullmatch(line)) and (message := _bytes(_json(member[1]))) is not None:
        return _within(message)
    if b"#" in line:
        line = _CONTROL.sub(lambda code: bytes((int(code[1], 8),)), line)
    if b"\\x" in line:
        line = _ESCAPE.sub(lambda code: bytes.fromhex(code[1].decode()), line)
    return line_prefix.split(line)


def _entry(entry: dict[str, Any]) -> Line | None:
    for inside in _INSIDE:
        if isinstance(entry.get(inside), dict):
            entry = {**entry, **entry[inside]}
    message = next((raw for key in _MESSAGES if (raw := _bytes(entry.get(key))) is not None), None)
    if message is None:
        return None
    line = _within(message)
    if line.record is not None:
        return line
    if entry.get("_TRANSPORT", "kernel") != "kernel" or str(entry.get("SYSLOG_FACILITY", "0")) != "0":
        line = line._replace(priority=_NOT_KERNEL)
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
    raw = message.rstrip(b"\r\n")
    return _captured(raw) or line_prefix.split(raw)


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
