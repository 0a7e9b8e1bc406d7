"""The prefix of a line is removed in every form that logs have, and nothing but the prefix."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_oom.parse import line_prefix, structured_lines
from otel_oom.parse.line_prefix import Line

KILL = b"Out of memory: Killed process 7 (x) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB"
CLOCK_US = 37_411_555

WITH_THE_KERNELS_CLOCK = [
    b"[   37.411555] ",
    b"<3>[   37.411555] ",
    b"[   37.411555][ T6736] ",
    b"[   37.411555] [    C0] ",
    b"[   37.411555 <    0.000135>] ",
    b"kern  :err   : [   37.411555] ",
    b"Nov 21 05:18:58 host kernel: [   37.411555] ",
    b"Nov  1 05:18:58 host kernel: <3>[   37.411555] ",
    b"2026-11-21T05:18:58.123456+01:00 host kernel: [   37.411555] ",
    b"<3>1 2026-11-21T05:18:58.123Z host kernel - - - [   37.411555] ",
    b"> [   37.411555] ",
    b"\t  [   37.411555] ",
    b"[pod/reader-x1/main] [   37.411555] ",
    b"2026-11-21T05:18:58.123456789Z stdout F [   37.411555] ",
    b"\xef\xbb\xbf[   37.411555] ",
]
WITH_A_TIME_OF_DAY = [
    b"[Fri Nov 21 05:18:58 2026] ",
    b"[ven. 21 nov. 05:18:58 2026] ",
    b"kern  :err   : [Fri Nov 21 05:18:58 2026] ",
    b"Nov 21 05:18:58 host kernel: ",
    b"Nov 21 05:18:58 kernel: ",
    b"Nov 21 05:18:58.000000 host kernel: ",
    b"avril 21 05:18:58 host kernel: ",
    "août 21 05:18:58 host kernel: ".encode(),
    b"2026-11-21T05:18:58+0100 host kernel: ",
    b"2026-11-21T05:18:58.000000+01:00 host kernel: ",
    b"2026-11-21T05:18:58,000000+01:00 ",
    b"Fri 2026-11-21 05:18:58 CET host kernel: ",
    b"Sat Nov 21 05:18:58 2026 kern.err kernel: ",
    b"10.5.0.2: kern:     err: [2026-11-21T05:18:58.000000000Z]: ",
    b"fe80::1 kernel: [2026-11-21T05:18:58Z] ",
    b"#Nov 21 05:18:58 host kernel: ",
]
WITHOUT_A_TIME = [b"", b"  ", b"> ", b"kernel: ", b"host kernel: ", b"[  +0.000135] ", b"<3>", b"MESSAGE="]
DAY_21_US = ((21 * 24 + 5) * 3600 + 18 * 60 + 58) * 1_000_000


@pytest.mark.parametrize("head", WITH_THE_KERNELS_CLOCK)
def test_the_kernels_clock(head: bytes) -> None:
    line = structured_lines.parse_line(head + KILL)
    assert (line.text, line.us, line.has_clock, line.priority >> 3) == (KILL, CLOCK_US, True, 0)


@pytest.mark.parametrize("head", WITH_A_TIME_OF_DAY)
def test_a_time_of_day(head: bytes) -> None:
    line = structured_lines.parse_line(head + KILL)
    assert (line.text, line.us, line.has_clock, line.priority >> 3) == (KILL, DAY_21_US, False, 0)
    assert line.wall is not None
    assert b"05:18:58" in line.wall


@pytest.mark.parametrize("head", WITHOUT_A_TIME)
def test_no_time(head: bytes) -> None:
    line = structured_lines.parse_line(head + KILL)
    assert (line.text, line.us, line.has_clock, line.priority >> 3) == (KILL, None, False, 0)


@pytest.mark.parametrize("end", [b"\r", b"\r\r"])
def test_a_serial_consoles_line_end(end: bytes) -> None:
    assert structured_lines.parse_line(b"[   37.411555] " + KILL + end).text == KILL


def test_colours_of_dmesg() -> None:
    line = b"\x1b[32m[   37.411555] \x1b[0m\x1b[33mOut of memory: \x1b[0m\x1b[31m" + KILL[15:] + b"\x1b[0m"
    assert structured_lines.parse_line(line)[1:3] == (KILL, CLOCK_US)


def test_half_a_line_on_a_serial_console() -> None:
    line = structured_lines.parse_line(b"host login: [   37.411555] " + KILL)
    assert (line.text, line.us) == (KILL, CLOCK_US)


@pytest.mark.parametrize(
    "words",
    [
        b"Memory cgroup out of memory: Killed process 7 (x)",
        b"Out of memory: Killed process 7 (x)",
        b"Killed process 7 (x)",
        b"oom-kill:constraint=CONSTRAINT_NONE",
        b"Tasks in /a are going to be killed due to memory.oom.group set",
        b"java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL)",
        b" invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL)",
    ],
)
def test_behind_half_a_line_the_words_of_a_report_are_found(words: bytes) -> None:
    line = structured_lines.parse_line(b"host login: [   37.411555] " + words)
    assert (line.text, line.us, line.has_clock) == (words, CLOCK_US, True)


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        (b"[   37.411555] eth0: link up", b"eth0: link up"),
        (b"[   37.411555] x Killed process 7 (x)", b"x Killed process 7 (x)"),
        (b"Killed process", b"host login: Killed process"),
        (b"Killed process 7 (x)", b"host login: Killed process 7 (x)"),
    ],
)
def test_behind_half_a_line_only_the_kernels_clock_begins_a_text(rest: bytes, text: bytes) -> None:
    assert structured_lines.parse_line(b"host login: " + rest).text == text


def test_a_clock_far_inside_a_line_is_not_the_kernels() -> None:
    line = b"x" * 200 + b"[   37.411555] " + KILL
    assert line_prefix.split(line).us is None


@pytest.mark.parametrize(
    "comm", [b"[1.0] x", b"<3>oom", b"> x", b"kernel: x", b" x", b"12:00:00", b"Nov 21 05:18:58", b"\x1b[31m", b"#x"]
)
def test_a_name_behind_the_clock_stays_whole(comm: bytes) -> None:
    opener = comm + b" invoked oom-killer: gfp_mask=0x0, order=0, oom_score_adj=0"
    for head in (b"[   37.411555] ", b"<4>[   37.411555] "):
        assert opener == structured_lines.parse_line(head + opener).text


@pytest.mark.parametrize(
    "head",
    [
        b"Nov 21 05:18:58 host sshd[7]: ",
        b"Nov 21 05:18:58 host app[7]: kernel: ",
        b"2026-11-21T05:18:58Z host app: ",
        b"[   37.411555] app: ",
        b"[   37.411555] [   37.411555] ",
    ],
)
def test_another_programs_words_are_not_the_kernels(head: bytes) -> None:
    assert not structured_lines.parse_line(head + KILL).text.startswith(b"Out of memory")


@pytest.mark.parametrize(
    ("head", "facility"),
    [
        (b"<8>[   37.411555] ", 1),
        (b"<131>", 16),
        (b"user  :err   : [   37.411555] ", 1),
        (b"kern  :err   : [   37.411555] ", 0),
        (b"kern.log:12:<12>[   37.411555] ", 1),
    ],
)
def test_the_facility_is_read(head: bytes, facility: int) -> None:
    assert facility == structured_lines.parse_line(head + KILL).priority >> 3


def journal(**fields: object) -> bytes:
    entry = {"_TRANSPORT": "kernel", "SYSLOG_FACILITY": "0", "MESSAGE": KILL.decode(), "_BOOT_ID": "b0", **fields}
    return json.dumps(entry).encode()


def test_a_journals_json() -> None:
    line = structured_lines.parse_line(
        journal(__REALTIME_TIMESTAMP="1795929538000000", _SOURCE_MONOTONIC_TIMESTAMP="37411555")
    )
    assert (line.text, line.us, line.has_clock, line.priority >> 3, line.boot_id) == (KILL, CLOCK_US, True, 0, "b0")
    assert line.wall == b"2026-11-29T05:18:58.000000+00:00"


def test_a_journals_json_without_the_kernels_clock() -> None:
    line = structured_lines.parse_line(journal(__REALTIME_TIMESTAMP="1795929538000000"))
    assert (line.us, line.has_clock) == (1_795_929_538_000_000, False)


@pytest.mark.parametrize("other", [{"_TRANSPORT": "syslog"}, {"_TRANSPORT": "stdout"}, {"SYSLOG_FACILITY": "1"}])
def test_a_journals_entries_of_other_writers_are_refused(other: dict[str, object]) -> None:
    assert structured_lines.parse_line(journal(**other)).priority >> 3 == 1


def test_a_message_as_numbers() -> None:
    assert structured_lines.parse_line(journal(MESSAGE=list(b"a\xff\nb"))).text == b"a\xff\nb"


@pytest.mark.parametrize(
    "entry",
    [
        {"textPayload": f"[   37.411555] {KILL.decode()}", "timestamp": "2026-11-21T05:18:58Z"},
        {"jsonPayload": {"MESSAGE": f"[   37.411555] {KILL.decode()}", "_TRANSPORT": "kernel"}},
        {"log": f"[   37.411555] {KILL.decode()}\n", "stream": "stdout"},
        {"log": f"3,9,37411555,-;{KILL.decode()}\n", "stream": "stdout"},
    ],
)
def test_json_of_others(entry: dict[str, object]) -> None:
    line = structured_lines.parse_line(json.dumps(entry).encode())
    assert line.us == CLOCK_US
    assert (line.text if line.record is None else line.record.text.encode()) == KILL


@pytest.mark.parametrize("key", ["MESSAGE", "textPayload", "msg"])
def test_a_member_of_json_that_is_spread_over_lines(key: str) -> None:
    member = f'    "{key}" : {json.dumps(f"[   37.411555] {KILL.decode()}")},'
    assert structured_lines.parse_line(member.encode())[1:3] == (KILL, CLOCK_US)


@pytest.mark.parametrize("head", [b"", b"> ", b"[pod/a/b] ", b"2026-11-21T05:18:58Z stdout F "])
def test_records_of_the_device(head: bytes) -> None:
    line = structured_lines.parse_line(head + b"3,9,37411555,-;" + KILL)
    assert line.record is not None
    assert (9, CLOCK_US, KILL.decode()) == (line.record.sequence, line.record.monotonic_us, line.record.text)


def test_dictionary_lines_of_the_device_are_no_records() -> None:
    assert structured_lines.parse_line(b" DEVICE=+usb:1-1").priority >> 3 == 1


def test_a_record_in_a_message_of_the_log_is_text() -> None:
    assert structured_lines.parse_line(b"[   37.411555] 3,9,1,-;" + KILL).record is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b"a#012b", b"a\nb"),
        (b"a#033b", b"a\x1bb"),
        (b"a#999b", b"a#999b"),
        (rb"a\x1bb", b"a\x1bb"),
        (rb"a\x41b", rb"a\x41b"),
    ],
)
def test_escapes_of_loggers(written: bytes, meant: bytes) -> None:
    assert meant == structured_lines.parse_line(b"[   37.411555] " + written).text


@given(st.binary(max_size=200))
def test_any_line_gives_a_line(raw: bytes) -> None:
    assert isinstance(structured_lines.parse_line(raw), Line)


HEADS = st.sampled_from(WITH_THE_KERNELS_CLOCK + WITH_A_TIME_OF_DAY + WITHOUT_A_TIME)
TEXTS = st.one_of(
    st.sampled_from([KILL, b"", b" x", b"[ T1] x", b"[1: x: 2] y", b" x invoked oom-killer:"]), st.binary(max_size=30)
)


@given(HEADS, TEXTS)
def test_a_frequent_prefix_is_split_as_any_other(head: bytes, text: bytes) -> None:
    usual = line_prefix.usual(head + text)
    assert usual in {None, line_prefix.split(head + text)}
