"""Reports in fragments, between other lines, cut, with gaps, and without an end."""

import itertools

import pytest
from support import corpus, klog
from support.klog import LOST, Line, fragment, late

from otel_oom.kernel import kmsg_record, oom_lines
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.kill_context import Context
from otel_oom.kernel.oom_report import Report

REPORTS: list[list[Line]] = [[*klog.memcg_report()], [*klog.system_report()]]
FOREIGN: list[Line] = [
    "input: Out of memory: Killed process 1 (x) total-vm:1kB, anon-rss:1kB, file-rss:1kB as /devices/virtual/input1",
    "CPU: 0 PID: 1 Comm: init Not tainted 6.1.0 #1",
    "[drm] GPU HANG: ecode 9:1:85dffffb",
    'audit: type=1701 audit(1.2:3): auid=0 uid=0 pid=1 comm="x" exe="/x" sig=11 res=1',
    "usb 1-1: Product: oom-kill:constraint=CONSTRAINT_NONE,task=x,pid=1,uid=0",
    klog.record(klog.killed(1, "init"), priority=11),
    klog.record(klog.opener("init"), priority=14),
    klog.record(klog.summary(1, "init"), priority=8),
]  # fmt: skip


def test_a_long_summary_comes_in_fragments_cut_after_any_call() -> None:
    path = "/kubepods.slice/pod" + "1234-" * 30
    cgroup = path + r"/cri-\xc3\xa9,task=x"
    *head, _, kill = whole = klog.memcg_report(memcg=path, cgroup=cgroup)
    (expected,) = klog.kills(whole)
    calls = klog.summary_calls(memcg=path, cgroup=cgroup)
    for ends in itertools.chain.from_iterable(itertools.combinations(range(1, len(calls)), cut) for cut in (1, 2, 8)):
        (found,) = klog.kills([*head, *klog.in_records(calls, ends), late(kill, expected.record.monotonic_us)])
        assert (expected.context, expected.cgroup, expected.real_user_id) == (
            found.context,
            found.cgroup,
            found.real_user_id,
        )


def test_a_summary_in_five_pieces_as_the_kernel_makes_them() -> None:
    path = "/" + "p" * 300
    head = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg="
    pieces = [fragment(text) for text in (path, ",task_memcg=", path + "/c", ",task=vic,pid=100,uid=7")]
    stats: list[Line] = ["Memory cgroup stats for ", fragment(path), fragment(":")]
    mixed = [one for piece in pieces for one in (piece, *FOREIGN)]
    for lines in (pieces, mixed):
        (kill,) = klog.kills([klog.opener(), *stats, head, *lines, klog.killed()])
        assert (path, path + "/c", "full") == (kill.context.memcg_path, kill.cgroup, kill.context.completeness)


def test_the_caller_separates_fragments_of_other_threads_and_cpus() -> None:
    line = klog.summary()
    at = line.index("/g,")  # inside of a path, where a wrong fragment would not be noticed
    lines: list[Line] = [
        klog.opener(),
        klog.record(line[:at], caller="T9"),
        fragment(" foreign", "T8"),
        fragment(line[at:], "T9"),
        fragment(" foreign", "C1"),
    ]
    (kill,) = klog.kills([*lines, klog.killed()])
    assert (kill.context.memcg_path, kill.cgroup) == ("/g", "/g/x")


def test_a_fragment_begins_no_line() -> None:
    """It is the rest of a long path, with a name like another line."""
    evil = fragment(klog.summary(memcg="/evil", cgroup="/evil"))
    (kill,) = klog.kills([klog.opener(), evil, klog.summary(), klog.killed()])
    assert (kill.context.memcg_path, kill.cgroup) == ("/g", "/g/x")


@pytest.mark.parametrize("size", [1, 8_000])
def test_the_memory_for_one_line_is_bounded(size: int) -> None:
    report = Report(klog.record(klog.opener()), 4096, last_us=1_000)
    report.read(klog.record(klog.summary()))
    for _ in range(1_000):
        report.read(fragment("x" * size))
    (line,) = report.heads.values()
    assert len(line.parts) <= 16
    assert len(line.text) <= 40_000


def test_fragments_after_the_summary_that_belong_elsewhere_are_left_out() -> None:
    (kill,) = klog.kills([klog.opener(), klog.summary(), fragment(" r8:1"), fragment(" r9:2"), klog.killed()])
    assert (kill.context.memcg_path, kill.cgroup) == ("/g", "/g/x")


@pytest.mark.parametrize("report", REPORTS)
def test_foreign_records_between_all_lines_change_nothing(report: list[Line]) -> None:
    (expected,) = klog.kills(report)
    (found,) = klog.kills([one for line in report for one in (*FOREIGN, line)])
    assert (expected.context, expected.cgroup, expected.scope) == (found.context, found.cgroup, found.scope)


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_cut_at_every_record_keeps_its_kill(report: list[Line]) -> None:
    for begin in range(len(report)):
        (kill,) = klog.kills(report[begin:])
        full = "full" if begin == 0 else "partial" if begin < len(report) - 1 else "suppressed"
        assert (100, full) == (kill.pid, kill.context.completeness)
    for end in range(len(report)):
        assert klog.kills(report[:end]) == []


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_with_one_record_missing_keeps_its_kill(report: list[Line]) -> None:
    for at in range(len(report) - 1):
        (kill,) = klog.kills([*report[:at], *report[at + 1 :]])
        assert kill.pid == 100
        assert kill.context.completeness in {"full", "partial"}


@pytest.mark.parametrize("report", REPORTS)
def test_after_a_gap_no_fact_from_before_it_is_used(report: list[Line]) -> None:
    for at in range(1, len(report)):
        (kill,) = klog.kills([*report[:at], LOST, *report[at:]])
        assert (
            kill.context.completeness,
            kill.context.trigger_comm,
            kill.context.trigger_order,
        ) == ("partial", None, None)
    (kill,) = klog.kills([*report[:-1], LOST, report[-1]])
    expected = Context("partial", "memcg" if kill.scope == "cgroup" else None)
    assert expected == kill.context


def test_a_gap_does_not_make_a_report_older_than_its_last_line() -> None:
    lines = [late(klog.TABLE, 9_000_000), LOST, late("x", 14_000_000), late(klog.killed(), 15_000_000)]
    (kill,) = klog.kills([klog.opener(), *lines])
    assert kill.context.completeness == "partial"


def test_a_gap_in_a_line_ends_it() -> None:
    line = klog.summary()
    (kill,) = klog.kills([klog.opener(), line[:60], LOST, fragment(line[60:]), klog.killed()])
    assert (kill.cgroup, kill.context.completeness) == (None, "partial")


@pytest.mark.parametrize("end", ["", " cache:", " cache:0KB rss:", " cache:0KB"])
def test_statistics_of_a_descendant_do_not_replace_a_cut_line(end: str) -> None:
    stats: list[Line] = [
        f"Memory cgroup stats for /g{':' if end else ''}{end}",
        "Memory cgroup stats for /g/x: cache:0KB",
    ]
    (kill,) = klog.kills([klog.opener(), *stats, klog.killed()])
    assert kill.context.memcg_path == ("/g" if end == " cache:0KB" else None)


def test_a_gap_outside_of_a_report_does_not_change_the_next_report() -> None:
    (kill,) = klog.kills([LOST, *klog.memcg_report()])
    assert kill.context.completeness == "full"


@pytest.mark.parametrize(("records", "expected"), [(4_999, "full"), (5_000, "suppressed")])
def test_a_report_ends_after_5000_foreign_records(records: int, expected: str) -> None:
    first, *rest, last = klog.memcg_report()
    foreign = [late("x", 20_000)] * records
    lines: list[Line] = [first, *foreign[:9], *rest, *foreign, late(last, 20_000)]
    (kill,) = klog.kills(lines)
    assert expected == kill.context.completeness


@pytest.mark.parametrize(("us", "expected"), [(10_015_000, "full"), (10_015_001, "suppressed")])
def test_a_report_ends_after_ten_seconds_of_silence(us: int, expected: str) -> None:
    report = klog.memcg_report()
    (kill,) = klog.kills([*report[:-1], late(report[-1], us)])
    assert expected == kill.context.completeness


def test_a_summary_after_ten_seconds_begins_again() -> None:
    *report, line, kill = klog.memcg_report()
    (found,) = klog.kills([*report, late(line, 11_000_000), late(kill, 11_000_001)])
    assert (found.context.completeness, found.cgroup, found.context.trigger_comm) == ("partial", "/g/x", None)


def test_a_report_of_an_earlier_boot_is_over() -> None:
    earlier = [late(line, 60_000_000) for line in klog.memcg_report()[:-1]]
    (kill,) = klog.kills([*earlier, klog.killed(7)])
    assert kill.context.completeness == "suppressed"


def test_records_without_a_marker_matter_only_while_a_report_is_open() -> None:
    assembler = Assembler("boot", 4096)
    matters = []
    for record in klog.numbered(["x", klog.opener(), "x", klog.killed(), klog.group(), "x"]):
        assert record is not None
        assembler.feed(record, 1)
        matters.append(assembler.is_open)
    expected = [False, True, True, False, False, False]
    assert expected == matters


def own_capture() -> bytes:
    lines = enumerate([*klog.memcg_report(), klog.group(), klog.killed(101), klog.killed()], start=1)
    return b"".join(b"3,%d,%d,-;%s\n" % (number, number, line.encode()) for number, line in lines)


NAMES = [entry["file"] for entry in corpus.index("hostile") if entry["file"].endswith(".kmsg")]
CAPTURES = {"own": own_capture()} | {
    name: (corpus.CORPUS / "hostile" / name).read_bytes() for name in NAMES if "storm" not in name
}


@pytest.mark.parametrize("capture", list(CAPTURES.values()), ids=list(CAPTURES))
def test_a_record_cut_at_any_byte_gives_no_additional_kill(capture: bytes) -> None:
    raw = list(corpus.records(capture))
    whole = [kmsg_record.parse(one) for one in raw]
    limit = sum(b"Killed process " in one for one in raw)
    for at, one in enumerate(raw):
        before, after = whole[max(0, at - 3) : at], whole[at + 1 : at + 4]
        step = 1 if oom_lines.OOM_MARKER.search(one) else 5  # other records open nothing and end nothing
        for end in range(0, len(one), step):
            assembler = Assembler("boot", 4096)
            found = 0
            for record in (*before, kmsg_record.parse(one[:end]), *after):
                if isinstance(record, kmsg_record.Record):
                    found += len(assembler.feed(record, 1))
            found += len(assembler.release_held())
            assert found <= limit + capture.count(b"no killable processes")
