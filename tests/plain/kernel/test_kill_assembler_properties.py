"""Properties of the assembler for every input: nothing raises, no kill counts twice, every name is read back.

The level `fuzz` looks for exceptions with many more inputs.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import corpus, klog

from otel_oom.kernel import cgroup_lines, kmsg_record, oom_lines, text_escapes
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.kill_facts import interpret
from otel_oom.kernel.kill_line import parse_kill_line
from otel_oom.kernel.kmsg_record import Malformed, Record
from otel_oom.kernel.oom_kill import Finding, OomKill
from otel_oom.kernel.oom_report import Report

steady = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=int(os.environ.get("OTEL_OOM_EXAMPLES", "75")),
    suppress_health_check=[HealthCheck.too_slow],
)

RAW = [raw for capture in klog.CAPTURES for raw in corpus.records(capture.read_bytes())]
RECORDS = [record for record in map(kmsg_record.parse, RAW) if isinstance(record, Record)]

NAMES = st.binary(max_size=15).map(text_escapes.escape) | st.sampled_from(
    ["vic", ")", ",task=", ",pid=1,uid=0", ",oom_memcg=/x", ") total-vm:1kB", r"\x0aKilled ", " ", "init"]
)
PATHS = st.lists(NAMES.map(lambda name: "/" + name.replace("/", "")), min_size=1, max_size=4).map("".join)
PIDS = st.integers(1, 6)
CAUSES = st.sampled_from(
    ["Memory cgroup out of memory", "Out of memory (oom_kill_allocating_task)", "No available memory in cpuset"]
)


def mutated(raw: bytes, at: int, length: int, new: bytes) -> bytes:
    at %= len(raw) + 1
    return raw[:at] + new + raw[at + length :]


MUTATED = st.builds(mutated, st.sampled_from(RAW), st.integers(0, 9999), st.integers(0, 30), st.binary(max_size=20))

LINES = st.one_of(
    st.builds(klog.opener, NAMES, st.integers(-1, 9)),
    st.builds(klog.killed, PIDS, NAMES, st.sampled_from(["Memory cgroup out of memory", "Out of memory"])),
    st.builds("Killed process {} ({}) total-vm:{}kB".format, PIDS, NAMES, st.integers(0, 10**30)),
    st.builds("Memory cgroup out of memory: Kill process {} ({}) score 9 or sacrifice child".format, PIDS, NAMES),
    st.builds(klog.summary, PIDS, NAMES, PATHS, PATHS),
    st.builds(klog.global_summary, PIDS, NAMES),
    st.builds("Task in {} killed as a result of limit of {}".format, PATHS, PATHS),
    st.builds("Memory cgroup stats for {}:".format, PATHS),
    st.builds("Memory cgroup stats for {}: cache:0KB rss:4KB".format, PATHS),
    st.builds("{}: kill process {} ({}) score 9 or a child".format, CAUSES, PIDS, NAMES),
    st.builds("Killed process {} ({}) vsz:{}kB".format, PIDS, NAMES, st.integers(0, 10**30)),
    st.builds("Killed process {}, UID {}, ({})".format, PIDS, st.integers(0, 10**30), NAMES),
    st.builds("Killed process {} ({}), UID {}, total-vm:1kB".format, PIDS, NAMES, PIDS),
    st.builds("{} cpuset={} mems_allowed=0".format, NAMES, NAMES),
    st.builds("{} invoked oom-killer: gfp_mask=0x1(A), nodemask=".format, NAMES),
    st.builds("Pid: {}, comm: {} Not tainted 2.6.32".format, PIDS, NAMES),
    st.builds("memory: usage {0}kB, limit {0}kB, failcnt 0".format, st.integers(0, 10**30)),
    st.builds("[ pid ] {} name".format, st.sampled_from(["rss", "uid rss cpu oom_adj", "a " * 90, "rss rss"])),
    st.sampled_from([",  order=0, oom_score_adj=0", " killed as a result of limit of /x", ",task=x,pid=1,uid=0"]),
    st.builds(klog.group, PATHS),
    st.builds(klog.row, PIDS, st.integers(0, 10**30), NAMES),
    st.sampled_from([klog.TABLE, "oom-kill:", "Tasks in ", "Task in ", "Memory cgroup stats for ", ""]),
    st.sampled_from([*klog.memcg_report(), *klog.system_report()]),
    st.just("Out of memory and no killable processes..."),
    st.builds("Out of memory: OOM victim {} ({}) is already exiting. Skip killing the task".format, PIDS, NAMES),
)


def record(text: str, priority: int, flags: str, us: int, cut: int) -> Record:
    return Record(priority, 1, us, flags, text[: len(text) - cut])


WRITTEN = st.builds(
    record,
    LINES,
    st.sampled_from([3, 4, 6, 11]),
    st.sampled_from("---c+"),
    st.sampled_from([0, 1, 1_000, 6_000_000, 60_000_000]),
    st.sampled_from([0, 0, 0, 1, 20]),
)
STREAMS = st.lists(WRITTEN | st.sampled_from(RECORDS) | st.none(), max_size=60)
"""Records in any order; None is a gap."""


def run(stream: list[Record | None], settle_at: Callable[[int], bool] = lambda _: False) -> list[Finding]:
    assembler = Assembler("boot", 4096)
    found: list[Finding] = []
    for number, one in enumerate(stream):
        if one is None:
            assembler.lost()
        else:
            found += assembler.feed(replace(one, sequence=number), number)
        if settle_at(number):
            found += assembler.release_held()
    return [*found, *assembler.release_held()]


def kill_lines(stream: list[Record | None]) -> int:
    return sum(one is not None and one.facility == 0 and "Killed process " in one.text for one in stream)


@steady
@given(st.binary(max_size=300) | MUTATED)
def test_any_bytes_are_a_record_or_malformed(raw: bytes) -> None:
    parsed = kmsg_record.parse(raw)
    if isinstance(parsed, Malformed):
        assert raw.startswith(parsed.raw)
        return
    texts = [parsed.text, parsed.flags, parsed.caller or ""]
    assert all(text.isascii() and text.isprintable() for text in texts)
    assert parsed.sequence == kmsg_record.sequence_of(raw)


@steady
@given(st.binary(max_size=300) | MUTATED)
def test_a_record_without_a_marker_opens_nothing(raw: bytes) -> None:
    parsed = kmsg_record.parse(raw)
    if isinstance(parsed, Record) and not oom_lines.OOM_MARKER.search(raw):
        assembler = Assembler("boot", 4096)
        assert assembler.feed(parsed, 1) == ()
        assert not assembler.is_open


NUMBERS = st.integers(0, 10**21)
TAIL = "total-vm:{}kB, anon-rss:{}kB, file-rss:{}kB, shmem-rss:{}kB, UID:{} pgtables:{}kB oom_score_adj:{}"


@steady
@given(
    st.sampled_from(["Out of memory", "Memory cgroup out of memory", "Memory cgroup out of memory (BPF)"]),
    NAMES | NAMES.map(lambda name: f"{name}) {TAIL.format(*range(7))}"),
    st.tuples(*[NUMBERS] * 4, st.integers(0, 10**11), NUMBERS, st.integers(-2_000, 2_000)),
)
def test_the_pattern_of_the_newest_kill_line_agrees(cause: str, comm: str, numbers: tuple[int, ...]) -> None:
    line = f"{cause}: Killed process 5 ({comm}) {TAIL.format(*numbers)}"
    assert parse_kill_line(line) == parse_kill_line(line + " word:1")


@steady
@given(st.lists(MUTATED, max_size=40))
def test_mutated_captures_give_no_additional_kill(capture: list[bytes]) -> None:
    stream = [one for one in map(kmsg_record.parse, capture) if isinstance(one, Record)]
    kills = [one for one in run([*stream]) if isinstance(one, OomKill)]
    assert len(kills) <= kill_lines([*stream])


@steady
@given(STREAMS)
def test_every_kill_has_its_own_kill_line_in_order(stream: list[Record | None]) -> None:
    found = run(stream)
    kills = [one for one in found if isinstance(one, OomKill)]
    assert len(kills) <= kill_lines(stream)
    numbers = [one.record.sequence for one in found]
    assert numbers == sorted(set(numbers))
    assert all("Killed process " in kill.record.text for kill in kills)
    assert len(kills) == len({kill.uid for kill in kills})
    assert {kill.group_id for kill in kills} - {None} <= {kill.uid for kill in kills}


@steady
@given(STREAMS)
def test_numbers_fit_int64(stream: list[Record | None]) -> None:
    for kill in run(stream):
        if isinstance(kill, OomKill):
            context = kill.context
            sizes = [kill.line.total_vm, kill.line.rss_anon, context.memcg_usage, context.memory_total]
            sizes += [task.rss for task in context.top_tasks]
            assert all(size is None or 0 <= size < 2**63 for size in sizes)
            assert len(context.top_tasks) <= 5


@steady
@given(STREAMS, st.sets(st.integers(0, 60)))
def test_the_ends_of_bursts_change_no_kill(stream: list[Record | None], ends: set[int]) -> None:
    whole, bursts = run(stream), run(stream, ends.__contains__)
    assert [one.record for one in whole] == [one.record for one in bursts]
    for one, other in zip(whole, bursts, strict=True):
        if isinstance(one, OomKill) and isinstance(other, OomKill):
            # A first victim that was released before its group line came has no group_id: the only difference.
            assert one in (other, replace(other, group_id=one.uid))


@steady
@given(NAMES, PATHS, PATHS)
def test_no_name_shifts_a_field_of_a_report(comm: str, memcg: str, below: str) -> None:
    (kill,) = klog.kills(klog.memcg_report(5, comm, memcg, memcg + below))
    expected = [text_escapes.printable(text) for text in (comm, memcg, memcg + below)]
    assert expected == [kill.comm, kill.context.memcg_path, kill.cgroup]
    assert kill.pid == 5


def context_of(lines: list[klog.Line]) -> tuple[object, ...]:
    (kill,) = klog.kills(lines)
    return kill.context, kill.cgroup, kill.scope, kill.real_user_id


def old_report(comm: str, memcg: str, cgroup: str) -> list[str]:
    """A whole report of 4.11 to 4.14, and its kill line."""
    return [
        f"{comm} invoked oom-killer: gfp_mask=0x1(A), nodemask=(null),  order=2, oom_score_adj=0",
        f"{comm} cpuset={comm.replace('/', '')} mems_allowed=0",
        f"CPU: 1 PID: 9 Comm: {comm} Not tainted 4.14.0 #1",
        f"Task in {cgroup} killed as a result of limit of {memcg}",
        "memory: usage 8kB, limit 8kB, failcnt 1",
        f"Memory cgroup stats for {memcg}: cache:0KB rss:8KB",
        f"Memory cgroup out of memory: Kill process 5 ({comm}) score 9 or sacrifice child",
        f"Killed process 5 ({comm}) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB",
    ]


def calls_of(comm: str, memcg: str, cgroup: str) -> list[list[str]]:
    """The lines of both reports that the kernel prints with several calls, as the texts of these calls."""
    stats = [cgroup_lines.STATS, memcg, ":"]
    return [
        klog.summary_calls(5, comm, memcg, cgroup),
        stats,
        [*stats, " cache:0KB", " rss:8KB"],
        [cgroup_lines.TASK_IN, cgroup, " killed as a result of limit of ", memcg],
        [f"{comm} invoked oom-killer: gfp_mask=0x1(A), nodemask=", "(null)", ",  order=2, oom_score_adj=0"],
    ]


@steady
@given(NAMES, PATHS, PATHS, st.data())
def test_fragments_give_the_same_kill_as_the_whole_line(comm: str, memcg: str, below: str, data: st.DataObject) -> None:
    cgroup = memcg + below
    calls = {"".join(texts): texts for texts in calls_of(comm, memcg, cgroup)}
    for lines in (klog.memcg_report(5, comm, memcg, cgroup), old_report(comm, memcg, cgroup)):
        records: list[klog.Line] = []
        for line in lines:
            texts = calls.get(line, [line])
            records += klog.in_records(texts, data.draw(st.sets(st.integers(1, len(texts)))))
        if " " not in cgroup:
            assert context_of([*lines]) == context_of(records)
        else:  # a piece with a blank may be another line: then facts are missing, but none is wrong
            ((whole,), (found,)) = (klog.kills(lines), klog.kills(records))
            assert found.context.memcg_path in {None, whole.context.memcg_path}
            assert found.cgroup in {None, whole.cgroup}


@steady
@given(NAMES, PATHS, PATHS, st.randoms(use_true_random=False))
def test_the_lines_of_a_report_may_come_in_any_order(comm: str, memcg: str, below: str, random: Random) -> None:
    """A kernel prints them in order, but some readers sort by level."""
    for opener, *said, kill in (
        klog.memcg_report(5, comm, memcg, memcg + below),
        old_report(comm, memcg, memcg + below),
    ):
        table = [line for line in said if line.startswith("[")]
        others = [line for line in said if line not in table]
        random.shuffle(others)
        at = random.randrange(len(others) + 1)
        shuffled: list[klog.Line] = [opener, *others[:at], *table, *others[at:], kill]
        assert context_of([opener, *said, kill]) == context_of(shuffled)


@steady
@given(NAMES, PATHS, PATHS, st.data())
def test_a_report_cut_anywhere_is_one_kill_or_none(comm: str, memcg: str, below: str, data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from([klog.memcg_report(5, comm, memcg, memcg + below),
                                       old_report(comm, memcg, memcg + below)]))  # fmt: skip
    at = data.draw(st.integers(0, len(lines) - 2))
    end = data.draw(st.integers(0, len(lines[at])))
    (kill,) = klog.kills([*lines[:at], lines[at][:end], *lines[at + 1 :]])
    assert (kill.pid, kill.scope, kill.comm) == (5, "cgroup", text_escapes.printable(comm))
    # A cut line gives fewer facts, but no wrong one.
    assert kill.context.memcg_path in {None, text_escapes.printable(memcg)}


@steady
@given(line=LINES | st.text(st.characters(codec="ascii"), max_size=80), tail=st.text("0123456789,:kB) ", max_size=40))
def test_no_line_raises(line: str, tail: str) -> None:
    for read in (parse_kill_line, cgroup_lines.summary, cgroup_lines.task_in, oom_lines.parse_opener):
        read(line + tail)
    report = Report(Record(6, 1, 1, "-", ""), 4096, last_us=1)
    report.read(klog.record(klog.TABLE))
    report.read(klog.record(line + tail))
    killed = parse_kill_line(klog.killed())
    assert killed is not None
    assert interpret(killed, report, record=report.first_record, observed_ns=1, boot_id="boot").scope == "cgroup"
