"""Removes the prefix of a log line, and reads time and writer from it. No I/O.

Prefixes and the programs that write them, outermost first:

    > | (mail)   [pod/name/container] (kubectl)   name-1  | (docker compose)
    Nov 21 05:18:58 host kernel: (syslog, journalctl)   <3>1 2026-11-21T05:18:58Z host kernel - - - (RFC 5424)
    <3> (dmesg -r)   kern  :err   : (dmesg -x)   10.5.0.2: kern: err: (talosctl)
    [  580.355669] (the kernel)   [Fri Nov 21 05:18:58 2026] (dmesg -T)   [ T123] (CONFIG_PRINTK_CALLER)

Rules:
- Never raises: any bytes give a `Line`.
- After the kernel's own clock, only the caller and one blank are removed: a process name may follow.
- Before a line of a report, any other bytes are a prefix too (`anchored`): no list of prefixes can be complete.
- Another program's tag (`sshd[7]:`) is not a prefix: the text that it quotes is not the kernel's.
"""

from __future__ import annotations

import functools
import re
from typing import Final, NamedTuple

from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.memcg_statistics import STATISTIC_NAMES
from otel_oom.kernel.oom_lines import TASK_COMM_BYTES

_KERNEL_INFO: Final = 6
USER_INFO: Final = 14

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
# A terminal's own time before the kernel's clock, which is padded: a name has no room for it and the blank.
_TERMINALS: Final = rb"\[[^\[\]]{0,30}\d\d:\d\d[^\[\]]{0,30}\]:?(?= \[[ \d]{5,12}\.\d{6}\] )"
_TAG: Final = rb"(?:\S*[^\s:\]] )?(?:[a-z0-9]+\.[a-z]+ )?kernel(?:\[\d+\])?: ?"
_TAG_5424: Final = rb"\S+ kernel \S+ \S+ (?:-|\[[^\]]*\]) ?(?:\xef\xbb\xbf)?"
_FACILITY: Final = rb"(?P<facility>kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local\d|res\d)"

_PREFIX: Final = re.compile(
    _QUOTE
    + rb"(?:\[pod/\S+\] |[\w.-]+ +\| )?"
    + rb"(?:<(?P<pri>\d{1,3})>1? ?)?"
    + rb"(?:(?P<stamp>" + _STAMP + rb"|" + _TERMINALS + rb")[ \t])?"
    + rb"(?P<tag>" + _TAG + rb"|" + _TAG_5424 + rb")?"
    + rb"(?:(?:\S+: )?" + _FACILITY + rb" *: *[a-z]+ *: *(?=\[))?"
    + rb"(?:<(?P<level>\d{1,3})>)?"
    + rb"(?:\[ *(?P<s>\d{1,12})\.(?P<us>\d{6})(?: *<[ \d.]+>)?\]"
    + rb"|\[(?P<wall>[^\[\]]{0,30}\d\d:\d\d[^\[\]]{0,30}|<? *\+?\d+\.\d{6}>?)\]:?)?"
    + rb"(?P<caller>(?: ?\[ *[TC]\d{1,10}\])?(?: ?(?:\[\d: *[^\[\]]{1,16}: *\d+\]"
    + rb"|[. ]?\(\d\)[.-]?\[\d+:[^\[\]]{1,24}\]|c\d +\d+(?= )))?)"
)  # fmt: skip
# The most frequent prefixes, matched in a fifth of the time: dmesg, dmesg -r, syslog with the kernel's clock.
_USUAL: Final = re.compile(
    rb"(?:<(?P<level>\d{1,3})>)?(?:(?P<stamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) [^\s:\]]+ kernel: )?"
    rb"\[ *(?P<s>\d{1,12})\.(?P<us>\d{6})\](?:\[ *[TC]\d{1,10}\])? (?!\s|\[ *[TC]\d|\[\d:)"
)
# The kernel's clock, or syslog's words before it, behind what a serial console, grep or a container runtime put there.
_WITHIN: Final = re.compile(
    rb"(?:<\d{1,3}>1? ?)?(?:\[ *\d{1,12}\.\d{6}\]|" + _STAMP + rb" (?:" + _TAG + rb"|" + _TAG_5424 + rb"))"
)
_FAR: Final = 300
_WORDS: Final = re.compile(
    rb"(?:Memory cgroup out of memory|Out of memory)[: (]|No available memory [(i]|Killed process \d"
    rb"|oom-kill:constraint|Tasks? in /|(?:memory(?:\+swap)?|kmem|swap): usage \d|Memory cgroup stats for "
    rb"|(?:CPU: \d+ (?:UID: \d+ )?PID: \d+ C|Pid: \d+, c)omm: "
    rb"|\[ *pid *\] +\w|\[ *\d+\](?: +-?\d+){6}|\d+ pages (?:of )?RAM"
    rb"|Node \d+ (?:[a-z_]+:\d|hugepages_total=|[A-Z][A-Za-z\d]+(?: free:|: \d+\*))"
    rb"|(?:active_(?:anon|file)|unevictable|slab_reclaimable|mapped|sec_pagetables|kernel_misc_reclaimable):\d"
    rb"| ?free:\d+ "
    rb"|(?:Free|Total) swap +=|,(?:cpuset=|global_oom|oom_memcg=|task_memcg=)",
    re.IGNORECASE,
)
_STATISTIC: Final = re.compile(b"(?:%s) [0-9]+" % b"|".join(name.encode() for name in STATISTIC_NAMES))
# Who wrote a line, if it was not the kernel: `sshd[7]: ` anywhere in a prefix, `app: ` at its end.
_PROGRAM: Final = re.compile(rb"(?<![\w.-])(?!kernel\[)[A-Za-z][\w.@/-]*\[\d+\]:\s")
_TAGGED: Final = re.compile(rb"(?<![\w.-])(?!kernel\b)(?:[A-Za-z][\w.@/-]*|[A-Za-z][\w.@/-]+ +): +$")
_SYSLOG_TAG: Final = re.compile(_STAMP + rb" [^\s:]+ (?!kernel\b)[\w.@/()-]+(?:\[\d+\])?:\s")
_MARKUP: Final = re.compile(rb"[\"\t]|^<[a-z]+>")
_COMM_BEGINS: Final = re.compile(
    rb".*(?:[\]|>}:,-] +|[\t\"',|]|<[a-z]+>|^[\w./-]*?:?\d+[:-]|  )(?=[^\n]{0,15}$)|.* ", re.DOTALL
)  # behind a prefix that is not known
_COLOR: Final = re.compile(rb"\x1b\[[\d;]*m")
_TIME_OF_DAY: Final = re.compile(rb"(\d{1,2})[^\d:]+(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,6}))?)?")
_KMSG: Final = re.compile(rb"(?:.{0,200}?[ >])??(?=\d{1,4},\d{1,18},\d{1,18},[-c+][^;]{0,100};)")
_SAME: Final = (b"", rb"\d+", rb"[^\W\d]+", rb"\s+")
_PIECE: Final = re.compile(rb"(\d+)|([^\W\d]+)|(\s+)|.")
OPENER: Final = b" invoked oom-killer"


class Line(NamedTuple):
    """A line of text, split into its prefix and the kernel's text.

    head: the prefix; text: the kernel's own words, as bytes
    us: µs of the kernel's clock, or of any other clock in the line: only differences within one text mean something;
        None where the line has no time
    has_clock: whether `us` is the kernel's clock; wall: date and time in the prefix, as written there
    priority: syslog facility * 8 + level; boot_id: where a journal says it
    record: where the line is a record of /dev/kmsg
    is_known: whether the prefix shows where the text begins: it has the kernel's clock, or the tag `kernel:`
    """

    head: bytes
    text: bytes
    us: int | None = None
    has_clock: bool = False
    wall: bytes | None = None
    priority: int = _KERNEL_INFO
    boot_id: str | None = None
    record: Record | None = None
    is_known: bool = False


def usual(line: bytes) -> Line | None:
    """The same as `split` for a line with a frequent prefix; None for other lines."""
    found = _USUAL.match(line)
    if found is None:
        return None
    level, stamp, seconds, fraction = found.groups()
    end = found.end()
    priority = _KERNEL_INFO if level is None else int(level)
    return Line(line[:end], line[end:], _us(seconds, fraction), True, stamp, priority, is_known=True)


def split(line: bytes) -> Line:
    """Split a line into prefix and text."""
    if line.startswith(b"\x1b["):  # dmesg --color: it escapes control characters in names, so these are its own
        line = _COLOR.sub(b"", line)
    found = _PREFIX.match(line)
    assert found is not None, "every piece is optional"
    stamp, wall, seconds = found["stamp"], found["wall"], found["s"]
    end = found.end()
    is_stamped = seconds is not None or wall is not None
    if is_stamped and line.startswith(b" ", end):
        end += 1
    text = line[end:]
    if not is_stamped or OPENER not in text:
        text = text.lstrip(b" \t")
    if seconds is not None:
        us: int | None = _us(seconds, found["us"])
    else:
        us = next((us for one in (wall, stamp) if one is not None and (us := time_of_day(one)) is not None), None)
    is_known = is_stamped or found["tag"] is not None
    return Line(line[:end], text, us, seconds is not None, stamp or wall, _priority(found), is_known=is_known)


def has_words(line: Line) -> bool:
    """Whether the text begins with words of a report, or holds an opener with a name that is not too long."""
    if _WORDS.match(line.text) or _STATISTIC.fullmatch(line.text):
        return True
    comm, opener, _ = line.text.partition(OPENER)
    return bool(opener) and (line.is_known or (len(comm) <= TASK_COMM_BYTES and not _MARKUP.search(comm)))


def anchored(line: bytes) -> Line | None:
    """Split a line of a report at the kernel's own words, whatever stands before them.

    None: it holds none, or another program wrote it.
    """
    for begin in (found.start() for found in _WITHIN.finditer(line, 0, _FAR)):
        inner = split(line[begin:])
        if inner.is_known:
            head = line[:begin]
            is_tagged = _TAGGED.search(head) and not (inner.has_clock and split(head).wall is None)
            return None if is_tagged or _PROGRAM.search(head) else _unquoted(inner, head)
    words, opener = _WORDS.search(line, 0, _FAR), line.find(OPENER)
    if words is None and opener < 0:
        return None
    if opener >= 0:
        begins = _COMM_BEGINS.match(line, 0, opener)
        start = begins.end() if begins else 0
    else:
        start = words.start() if words else 0
    head = line[:start]
    if _is_programs(head) or _SYSLOG_TAG.search(head):
        return None
    return _unquoted(split(head)._replace(head=head, text=line[start:]), head)


def _unquoted(line: Line, head: bytes) -> Line:
    """Without the quote that belongs to one at the end of what stands before the line."""
    return line._replace(text=line.text.removesuffix(head[-1:])) if head.endswith((b"'", b"`")) else line


@functools.lru_cache(maxsize=8)
def shape(head: bytes) -> re.Pattern[bytes]:
    """What begins like a prefix: with the same signs, and with numbers, words and blanks where it has some."""
    return re.compile(_PIECE.sub(lambda one: _SAME[one.lastindex] if one.lastindex else re.escape(one[0]), head))


def kmsg_start(line: bytes) -> int | None:
    """Where in a line a record of /dev/kmsg begins, after a prefix of kubectl or of a mail; None if there is none."""
    found = _KMSG.match(line)
    return None if found is None or _is_programs(found[0]) else found.end()


def _is_programs(head: bytes) -> bool:
    return _TAGGED.search(head) is not None or _PROGRAM.search(head) is not None


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
    if found["facility"] not in {None, b"kern"}:
        return USER_INFO
    return int(found["level"] or found["pri"] or _KERNEL_INFO)
