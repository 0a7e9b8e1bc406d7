"""The kill line in every form from 2.6.32 to 6.18, with hostile names."""

import pytest
from support import klog

from otel_oom.kernel import kill_line
from otel_oom.kernel.kill_line import KillLine, parse_kill_line

MEMCG = "Memory cgroup out of memory"
KB = 1024
SIZES = "total-vm:1kB, anon-rss:2kB, file-rss:3kB"
OLD = (1 * KB, 2 * KB, 3 * KB)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (  # 5.4+
            f"{MEMCG}: Killed process 5 (x) {SIZES}, shmem-rss:4kB, UID:6 pgtables:7kB oom_score_adj:-8",
            KillLine(MEMCG, 5, "x", *OLD, 4 * KB, 7 * KB, 6, -8),
        ),
        (  # 5.3 with UID and without pgtables
            f"{MEMCG}: Killed process 5 (x) {SIZES}, shmem-rss:4kB, UID:6 oom_score_adj:0",
            KillLine(MEMCG, 5, "x", *OLD, 4 * KB, None, 6, 0),
        ),
        (  # 5.1 to 5.3
            f"Out of memory: Killed process 5 (x) {SIZES}, shmem-rss:4kB",
            KillLine("Out of memory", 5, "x", *OLD, 4 * KB),
        ),
        (  # vm.oom_kill_allocating_task
            f"Out of memory (oom_kill_allocating_task): Killed process 5 (x) {SIZES}, shmem-rss:4kB",
            KillLine("Out of memory (oom_kill_allocating_task)", 5, "x", *OLD, 4 * KB),
        ),
        (f"Killed process 5 (x) {SIZES}, shmem-rss:4kB", KillLine(None, 5, "x", *OLD, 4 * KB)),  # 4.5 to 5.0
        (f"Killed process 5 (x) {SIZES}", KillLine(None, 5, "x", *OLD)),  # 2.6.36 to 4.4
        (
            f"Killed process 5 (x), UID 6, {SIZES}, shmem-rss:4kB",
            KillLine(None, 5, "x", *OLD, 4 * KB, user_id=6),
        ),  # RHEL 7
        (f"Killed process 5, UID 6, (x) {SIZES}", KillLine(None, 5, "x", *OLD, user_id=6)),  # RHEL 6
        ("Killed process 5, UID 6, (x)", KillLine(None, 5, "x", user_id=6)),
        (f"Killed process 5 (x), adj 900, oom: 3, {SIZES}", KillLine(None, 5, "x", *OLD)),  # a vendor's
        ("Killed process 5 (x) vsz:1kB, anon-rss:2kB, file-rss:3kB ", KillLine(None, 5, "x", *OLD)),  # 2.6.33 to 2.6.35
        ("Killed process 5 (x)", KillLine(None, 5, "x")),  # 2.6.32
        ("Killed process 5 (a b) in a form (never seen) before", KillLine(None, 5, "a b")),
        ("Killed process 5 (cut of", KillLine(None, 5, None)),
        (f"{MEMCG}: Killed process 5 () {SIZES}", KillLine(MEMCG, 5, "", *OLD)),
        # Cut inside a number: its value is unknown.
        ("Killed process 5 (x) total-vm:1kB, anon-rss:2", KillLine(None, 5, "x", 1 * KB)),
        (f"Killed process 5 (x) {SIZES}, shmem-rss:0k0", KillLine(None, 5, "x", *OLD)),
        (f"Killed process 5 (x) {SIZES}, shmem-rss:4kB, UID:10", KillLine(None, 5, "x", *OLD, 4 * KB)),
        (  # 5.4.0 to 5.4.9 print bytes, and call them kB
            f"Out of memory: Killed process 5 (x) {SIZES}, shmem-rss:4kB, UID:6 pgtables:61440kB oom_score_adj:0",
            KillLine("Out of memory", 5, "x", *OLD, 4 * KB, 61440 * KB, 6, 0),
        ),
        (  # a policy in BPF may add a word
            f"{MEMCG} (BPF): Killed process 5 (x) {SIZES}",
            KillLine(f"{MEMCG} (BPF)", 5, "x", *OLD),
        ),
        (f"{MEMCG}: Killed process 5 (x) {SIZES}, other:9kB, shmem-rss:4kB", KillLine(MEMCG, 5, "x", *OLD, 4 * KB)),
        # A counter below zero wrapped: it is no size.
        (
            "Killed process 5 (x) total-vm:1kB, anon-rss:18446744073709551608kB, file-rss:3kB",
            KillLine(None, 5, "x", 1 * KB, None, 3 * KB),
        ),
        (f"Killed process 5 (x) total-vm:{'9' * 400}kB", KillLine(None, 5, "x")),
    ],
)
def test_every_form_is_read(line: str, expected: KillLine) -> None:
    assert expected == parse_kill_line(line)


@pytest.mark.parametrize("comm", klog.HOSTILE_COMMS)
def test_no_process_name_shifts_a_field(comm: str) -> None:
    expected = KillLine(MEMCG, 5, comm, *OLD, 4 * KB, 7 * KB, 6, -8)
    line = f"{MEMCG}: Killed process 5 ({comm}) {SIZES}, shmem-rss:4kB, UID:6 pgtables:7kB oom_score_adj:-8"
    assert expected == parse_kill_line(line)


@pytest.mark.parametrize(
    "line",
    [
        f"input: Out of memory: Killed process 1 (x) {SIZES} as /devices/virtual/input/input7",
        f"usb 1-1: Product: Killed process 1 (x) {SIZES}",
        f"audit: type=1400 comm=Killed process 1 (x) {SIZES}",
        f" Killed process 1 (x) {SIZES}",
        f"killed process 1 (x) {SIZES}",
        f"Out of memory! Killed process 1 (x) {SIZES}",
        f"Out of memory (): Killed process 1 (x) {SIZES}",
        "Killed process x (x) total-vm:1kB",
        f"Killed process {'9' * 5000} (x) {SIZES}",
        # Text that a user chose, and what the kernel prints behind it (fs/super.c, net/netfilter/nf_log_syslog.c).
        f"{MEMCG}: Killed process 4242 (x) {SIZES}, shmem-rss:0kB, UID:0 pgtables:0kB oom_score_adj:0: Can't lookup",
        f"Out of memory: Killed process 1 (init) {SIZES}: Can't lookup blockdev",
        "Killed process 1 (init): Can't lookup blockdev",
        "Killed process 1 (init) IN=lo OUT= MAC=00:00 SRC=127.0.0.1 DST=127.0.0.1 LEN=28",
        "Killed process 1 (initIN=lo OUT= MAC=00:00 SRC=127.0.0.1 DST=127.0.0.1 LEN=28",
        "Killed process 1 (init) total-vm:1kB IN=lo OUT= MAC=00:00 SRC=127.0.0.1",
        f"Killed process 1 (init) {SIZES}{' a:1' * 200}",  # as long as a record can be: what stood behind it was cut
        "Out of memory: Kill process 1 (x) score 9 or sacrifice child",
        "Out of memory: kill process 1 (x) score 9 or a child",
        "Kill process 1 (x) sharing same memory",
        "Task in /a killed as a result of limit of /b",
        "Out of memory: OOM victim 1 (x) is already exiting. Skip killing the task",
        "oom_reaper: reaped process 1 (x), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
        "",
    ],
)
def test_other_lines_are_no_kill_lines(line: str) -> None:
    assert parse_kill_line(line) is None


@pytest.mark.parametrize("comm", ["vic", "", "a) total-vm:1kB", "Killed process 1 (", ")", r"\x0a"])
@pytest.mark.parametrize("sizes", ["67880", "99999999999999999999"], ids=["a size", "more than 64 bits"])
def test_the_pattern_of_the_newest_form_gives_what_the_general_ones_give(comm: str, sizes: str) -> None:
    text = (
        f"Memory cgroup out of memory: Killed process 2110 ({comm}) total-vm:{sizes}kB, anon-rss:20480kB, "
        "file-rss:1056kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:-999"
    )
    assert kill_line._NEWEST.fullmatch(text)
    assert kill_line.parse_kill_line(text) == kill_line._parse_any_form(text)
