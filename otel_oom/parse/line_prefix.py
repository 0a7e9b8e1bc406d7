"""Removes the prefix of a log line, and reads time and writer from it. No I/O.

Prefixes and the programs that write them, outermost first:

    > | (mail)   [pod/name/container] (kubectl)   2026-11-21T05:18:58.1Z stdout F (CRI)
    Nov 21 05:18:58 host kernel: (syslog, journalctl)   <3>1 2026-11-21T05:18:58Z host kernel - - - (RFC 5424)
    <3> (dmesg -r)   kern  :err   : (dmesg -x)   10.5.0.2: kern: err: (talosctl)
    [  580.355669] (the kernel)   [Fri Nov 21 05:18:58 2026] (dmesg -T)   [ T123] (CONFIG_PRINTK_CALLER)

Rules:
- Total: any bytes give a `Line`. Bytes that are not a known prefix stay part of the text.
- After the kernel's own clock, only the caller and one blank are removed: a process name may follow.
- Another program's tag (`sshd[7]:`) is not a prefix: the text that it quotes is not the kernel's.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from otel_oom.kernel.kmsg_record import Record

_KERNEL_INFO: Final = 6
_USER_INFO: Final = 14

_QUOTE: Final = rb"(?:[\s>#|]|\xc2\xa0)*"
_ISO: Final = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?Z| ?[+-]\d\d:?\d\d| [A-Z]{2,5}(?= ))?"
_WORD: Final = rb"[^\s\d\[\]<>{}\"':=,/-]{2,12}"  # a month or a weekday, in any language
_TRADITIONAL: Final = (
    rb"(?:"
    + _WORD
    + rb" )?(?:"
    + _WORD
    + rb" +\d{1,2}|\d{1,2} "
    + _WORD
    + rb") \d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: \d{4}(?= ))?"
)
_STAMP: Final = rb"(?:(?:" + _WORD + rb" )?" + _ISO + rb"|" + _TRADITIONAL + rb"|\d{9,11}\.\d{6}(?= \S+ kernel:))"
_TAG: Final = rb"(?:\S*[^\s:\]] )?(?:[a-z0-9]+\.[a-z]+ )?kernel(?:\[\d+\])?: ?"
_TAG_5424: Final = rb"\S+ kernel \S+ \S+ (?:-|\[[^\]]*\]) ?(?:\xef\xbb\xbf)?"
_FACILITY: Final = rb"(?P<facility>kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local\d|res\d)"

_PREFIX: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?" + _QUOTE
    + rb"(?:\[pod/\S+\] )?"
    + rb"(?:" + _ISO + rb" std(?:out|err) [FP] )?"
    + rb"(?:MESSAGE=)?"
    + rb"(?:<(?P<pri>\d{1,3})>1? ?)?"
    + rb"(?:(?P<stamp>" + _STAMP + rb") )?"
    + rb"(?:" + _TAG + rb"|" + _TAG_5424 + rb")?"
    + rb"(?:(?:\S+: )?" + _FACILITY + rb" *: *[a-z]+ *: *(?=\[))?"
    + rb"(?:<(?P<level>\d{1,3})>)?"
    + rb"(?:\[ *(?P<s>\d{1,12})\.(?P<us>\d{6})(?: *<[ \d.]+>)?\]"
    + rb"|\[(?P<wall>[^\[\]]{0,30}\d\d:\d\d[^\[\]]{0,30}|<? *\+?\d+\.\d{6}>?)\]:?)?"
    + rb"(?P<caller>(?: ?\[ *[TC]\d{1,10}\])?(?: \[\d: *[^\[\]]{1,16}: *\d+\])?)"
)  # fmt: skip
# The most frequent prefixes, matched in a fifth of the time: dmesg, dmesg -r, syslog with the kernel's clock.
_USUAL: Final = re.compile(
    rb"(?:<(?P<level>\d{1,3})>)?(?:(?P<stamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) [^\s:\]]+ kernel: )?"
    rb"\[ *(?P<s>\d{1,12})\.(?P<us>\d{6})\](?:\[ *[TC]\d{1,10}\])? (?!\s|\[ *[TC]\d|\[\d:)"
)
# A serial console may have printed half a line of another program before the kernel's line.
_CLOCK: Final = re.compile(rb"\[ *(?P<s>\d{1,12})\.(?P<us>\d{6})\](?:\[ *[TC]\d{1,10}\])?")
_CLOCK_WITHIN: Final = 200
_COLOR: Final = re.compile(rb"\x1b\[[\d;]*m")
_TIME_OF_DAY: Final = re.compile(rb"(\d{1,2})[^\d:]+(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,6}))?)?")
_KMSG: Final = re.compile(rb"(?:.{0,200}?[ >])??(?=\d{1,4},\d{1,18},\d{1,18},[-c+][^;]{0,100};)")
_OPENER: Final = b" invoked oom-killer"


class Line(NamedTuple):
    """A line of text, split into its prefix and the kernel's text.

    head: the prefix; text: the kernel's own words, as bytes
    us: the kernel's clock, or the time of day where there is none, µs; None where the line has no time
    has_clock: whether `us` is the kernel's clock; wall: date and time in the prefix, as written there
    priority: syslog facility * 8 + level; boot_id: where a journal says it
    record: where the line is a record of /dev/kmsg
    """

    head: bytes
    text: bytes
    us: int | None = None
    has_clock: bool = False
    wall: bytes | None = None
    priority: int = _KERNEL_INFO
    boot_id: str | None = None
    record: Record | None = None

    @property
    def is_bare(self) -> bool:
        """Whether the prefix holds only quote marks and blanks."""
        return not self.head.strip(b" \t>#|")


def usual(line: bytes) -> Line | None:
    """The same as `split` for a line with a frequent prefix; None for other lines."""
    found = _USUAL.match(line)
    if found is None:
        return None
    level, stamp, seconds, fraction = found.groups()
    end = found.end()
    priority = _KERNEL_INFO if level is None else int(level)
    return Line(line[:end], line[end:], _us(seconds, fraction), True, stamp, priority)


def split(line: bytes) -> Line:
    """Split a line into prefix and text."""
    if line.startswith(b"\x1b["):  # dmesg --color: it escapes control characters in names, so these are its own
        line = _COLOR.sub(b"", line)
    found = _PREFIX.match(line)
    if found is None:  # pragma: no cover: every piece is optional
        return Line(b"", line)
    stamp, wall, seconds = found["stamp"], found["wall"], found["s"]
    if seconds is None and wall is None and (clock := _half_a_line(line, found.end())):
        found, seconds = clock, clock["s"]
    end = found.end()
    is_stamped = seconds is not None or wall is not None
    if is_stamped and line.startswith(b" ", end):
        end += 1
    text = line[end:]
    if not is_stamped or _OPENER not in text:
        text = text.lstrip(b" \t")
    if seconds is not None:
        us: int | None = _us(seconds, found["us"])
    else:
        us = time_of_day(wall) if wall is not None else None
        us = time_of_day(stamp) if us is None and stamp is not None else us
    return Line(line[:end], text, us, seconds is not None, stamp or wall, _priority(found))


_FIRST_WORDS: Final = (b"Memory cgroup out of memory", b"Out of memory", b"Killed process", b"oom-kill:", b"Tasks in ")


def _half_a_line(line: bytes, start: int) -> re.Match[bytes] | None:
    """The kernel's clock within a line, if the words of an OOM report follow it."""
    clock = _CLOCK.search(line, start, _CLOCK_WITHIN)
    if clock is not None and (line.startswith(_FIRST_WORDS, clock.end() + 1) or line.find(_OPENER, clock.end()) >= 0):
        return clock
    return None


def kmsg_start(line: bytes) -> int | None:
    """Where in a line a record of /dev/kmsg begins, after a prefix of kubectl or of a mail; None if there is none."""
    found = _KMSG.match(line)
    return None if found is None else found.end()


def time_of_day(stamp: bytes) -> int | None:
    """Microseconds since the start of the month, of a date in any language; None if there is no time.

    It is only used to see how far two lines of a report are apart.
    """
    if b":" not in stamp:  # journalctl -o short-unix; a time difference (dmesg -d) is not a time
        seconds, _, fraction = stamp.partition(b".")
        return _us(seconds, fraction) if seconds.isdigit() and fraction.isdigit() else None
    found = _TIME_OF_DAY.search(stamp)
    if found is None:
        return None
    day, hour, minute = (int(found[group]) for group in (1, 2, 3))
    return ((day * 24 + hour) * 60 + minute) * 60_000_000 + _us(found[4] or b"0", found[5] or b"")


def _us(seconds: bytes, fraction: bytes) -> int:
    return int(seconds + fraction[:6].ljust(6, b"0"))


def _priority(found: re.Match[bytes]) -> int:
    groups = found.groupdict()
    if groups.get("facility") not in (None, b"kern"):
        return _USER_INFO
    level = groups.get("level") or groups.get("pri")
    return _KERNEL_INFO if level is None else int(level)
