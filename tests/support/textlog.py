"""Kernel log text as people post it (dmesg, syslog, journal, mail) to records, as well as a test needs them.

Text carries no proof of its origin: every line is taken for the kernel's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from otel_oom.kernel import kmsg_record, text_escapes
from otel_oom.kernel.kmsg_record import Record

_PREFIXES = [
    r"[\s>#]+",  # mail, and what a web page left behind
    r"<\d+>",
    r"[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d ",  # Jan 28 19:58:45
    r"(?:\S+ )?kernel: ?",
    r"\[ *(?P<s>\d+)\.(?P<us>\d{6})\]",
    r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [\d:]{8} \d{4}\]",  # dmesg -T
    r"\[ *[TC]\d+\]",  # CONFIG_PRINTK_CALLER
]
_PREFIX = re.compile("|".join(_PREFIXES))
_WRAPPED = re.compile(rb"(Killed process [^\n]*[-,])\n(?=(?:[a-z]+-)?rss:\d)")  # by a page's width


def records(text: bytes) -> Iterator[Record]:
    us = 0
    text = _WRAPPED.sub(lambda line: line[1] + (b"" if line[1].endswith(b"-") else b" "), text)
    for number, line in enumerate(text.replace(b"#012", b"\n").splitlines(), start=1):
        parsed = kmsg_record.parse(line)
        if isinstance(parsed, Record):  # somebody posted /dev/kmsg itself
            yield parsed
            continue
        body = line.decode("utf-8", "surrogateescape").rstrip()
        while body and (prefix := _PREFIX.match(body)):
            body = body[prefix.end() :]
            if prefix["s"]:
                us = int(prefix["s"]) * 1_000_000 + int(prefix["us"])
        yield Record(6, number, us, "-", text_escapes.escape(body.encode("utf-8", "surrogateescape")))
