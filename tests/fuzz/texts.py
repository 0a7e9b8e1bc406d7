"""Bytes to the text of a kernel log: a stream (see `stream`) in the form of one of the programs that print it, or raw.

The first byte: bits 0..4 belong to the target; bits 5..7 are the form. The meaning of a form never changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from fuzz import stream

from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.text_escapes import unescape

_RECORDS: Final = 20


def log(data: bytes) -> bytes:
    """The text of these bytes."""
    form = (data[0] if data else 0) >> 5
    # The fast way skips lines without a marker, and so does not see their clock: the clock must not go back.
    if form == 7:
        return data[1:]
    write = _FORMS[form]
    lines = [write(one) for one in stream.records(stream.steps(data, _RECORDS, is_one_boot=True))]
    return b"\n".join(lines)


def _dmesg(one: Record) -> bytes:
    stamp = f"[{one.monotonic_us // 1_000_000:5}.{one.monotonic_us % 1_000_000:06}] "
    # A line that a name forges gets the same time, for the same reason.
    return stamp.encode() + unescape(one.text.replace("[    1.000000] ", stamp))


def _raw_dmesg(one: Record) -> bytes:
    return b"<%d>" % one.priority + _dmesg(one)


def _syslog(one: Record) -> bytes:
    return b"Jan 28 19:58:45 host kernel: " + _dmesg(one)


def _journal(one: Record) -> bytes:
    text = unescape(one.text)
    try:
        message: object = text.decode()
    except UnicodeDecodeError:
        message = list(text)
    entry = {
        "MESSAGE": message,
        "PRIORITY": str(one.priority & 7),
        "_SOURCE_MONOTONIC_TIMESTAMP": str(one.monotonic_us),
    }
    entry["SYSLOG_FACILITY"] = str(one.facility)
    return json.dumps(entry, separators=(",", ":")).encode()  # as journalctl prints it


def _kmsg(one: Record) -> bytes:
    return f"{one.priority},{one.sequence},{one.monotonic_us},{one.flags};{one.text}".encode()


def _bare(one: Record) -> bytes:
    return unescape(one.text)


def _wrapped(one: Record) -> bytes:
    """Quoted and wrapped, like in mail."""
    text = _dmesg(one)
    return b"\n".join(b"> " + text[at : at + 72] for at in range(0, max(1, len(text)), 72))


_FORMS: Final[tuple[Callable[[Record], bytes], ...]] = (_dmesg, _raw_dmesg, _syslog, _journal, _kmsg, _bare, _wrapped)
