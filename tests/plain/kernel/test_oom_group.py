"""memory.oom.group: the first victim is printed twice, each other member once, and all share one group_id."""

from collections.abc import Iterable

import pytest
from support import klog
from support.klog import LOST, Line, late

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import OomKill, Repeat

FIRST = klog.memcg_report()
MEMBERS = [klog.killed(101, "sib1"), klog.killed(102, "sib2")]
SECOND_US = 1_000_000


def pids(lines: Iterable[Line]) -> list[int]:
    return [kill.pid for kill in klog.kills(lines)]


def groups(lines: Iterable[Line]) -> list[tuple[int, int | None]]:
    """Each kill's pid, and the pid of the first victim of its group."""
    kills = klog.kills(lines)
    of_uid = {kill.uid: kill.pid for kill in kills}
    return [(kill.pid, None if kill.group_id is None else of_uid[kill.group_id]) for kill in kills]


@pytest.mark.parametrize(
    "repeat",
    [
        klog.killed(),
        klog.killed(rss_kb=0),  # its memory is freed already
        klog.killed(comm="renamed"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_repeat_is_no_kill(repeat: str, place: int) -> None:
    lines = [*FIRST, klog.group(), *MEMBERS[:place], repeat, *MEMBERS[place:]]
    expected = [(100, 100), (101, 100), (102, 100)]
    assert expected == groups(lines)


def test_only_one_line_repeats_the_first_victim() -> None:
    """Pids are used again: within the 5 s of an episode too, where pid_max is small."""
    assert pids([*FIRST, klog.group(), *MEMBERS, klog.killed(), klog.killed()]) == [100, 101, 102, 100]


def test_members_share_the_context_but_not_the_cgroup() -> None:
    first, member, _ = klog.kills([*FIRST, klog.group(), *MEMBERS])
    assert (first.context, None) == (member.context, member.cgroup)


def test_the_repeat_is_a_finding_because_the_kernel_counts_it() -> None:
    found = klog.findings([*FIRST, klog.group(), *MEMBERS, klog.killed()])
    assert [type(one) for one in found] == [OomKill, OomKill, OomKill, Repeat]
    assert found[-1].record.text == klog.killed()


@pytest.mark.parametrize("pid", [176, 177])
def test_the_repeat_may_name_the_leader(pid: int) -> None:
    lines: list[Line] = [klog.opener(), klog.summary(176, "leader"), klog.killed(177, "thread"), klog.group()]
    expected = [177, 101]
    assert expected == pids([*lines, klog.killed(101), klog.killed(pid, "leader")])


def test_the_first_is_held_back_until_a_line_or_settle_decides() -> None:
    assembler = Assembler("boot", 4096)
    *report, kill, group = klog.numbered([*FIRST, klog.group()])
    for record in [*report, kill]:
        assert record is not None
        assert assembler.feed(record, 1) == ()
    assert group is not None
    (first,) = assembler.feed(group, 1)
    assert isinstance(first, OomKill)
    assert first.uid == first.group_id
    assert assembler.release_held() == ()


def test_a_first_victim_that_was_already_released_still_gives_the_group_id() -> None:
    assembler = Assembler("boot", 4096)
    found = []
    for record in klog.numbered([klog.killed(), klog.group(), *MEMBERS, klog.killed()]):
        assert record is not None
        found += [*assembler.feed(record, 1), *assembler.release_held()]
    kills = [one for one in found if isinstance(one, OomKill)]
    expected = [(100, None), (101, kills[0].uid), (102, kills[0].uid)]
    assert expected == [(kill.pid, kill.group_id) for kill in kills]


def test_a_system_kill_can_take_a_group() -> None:
    member, repeat = klog.killed(101, cause="Out of memory"), klog.killed(cause="Out of memory")
    expected = [(100, 100), (101, 100)]
    assert expected == groups([*klog.system_report(), klog.group(), member, repeat])


def test_before_5_1_the_members_have_no_prefix() -> None:
    line = "Killed process {} (x) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:0kB"
    announce = "Memory cgroup out of memory: Kill process 100 (x) score 1000 or sacrifice child"
    kills = klog.kills([announce, line.format(100), klog.group(), line.format(101), line.format(100)])
    expected = [("cgroup", 100, kills[0].uid), ("cgroup", 101, kills[0].uid)]
    assert expected == [(kill.scope, kill.pid, kill.group_id) for kill in kills]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ([klog.opener()], [(100, 100), (100, None)]),
        ([klog.summary()], [(100, 100), (100, None)]),
        ([klog.killed(9, cause="Out of memory")], [(100, 100), (9, None), (100, None)]),
    ],
)
def test_another_report_or_scope_ends_an_episode(end: list[Line], expected: list[tuple[int, int | None]]) -> None:
    assert expected == groups([*FIRST, klog.group(), *end, klog.killed()])


def test_a_line_inside_of_a_report_makes_no_group() -> None:
    lines = [*FIRST, klog.summary(101), "Tasks in /: page allocation failure: order:4", klog.killed(101)]
    expected = [(100, None), (101, None)]
    assert expected == groups(lines)


@pytest.mark.parametrize(("us", "expected"), [(SECOND_US * 5 + 16_000, [100]), (SECOND_US * 5 + 16_001, [100, 100])])
def test_an_episode_lasts_five_seconds(us: int, expected: list[int]) -> None:
    assert expected == pids([*FIRST, klog.group(), late(klog.killed(), us)])


def test_the_same_pid_in_another_boot_is_another_kill() -> None:
    first = [late(line, SECOND_US * 60) for line in (klog.killed(), klog.group())]
    expected = [100, 100]
    assert expected == pids([*first, klog.killed()])


def test_a_group_line_after_six_seconds_belongs_to_another_kill() -> None:
    expected = [(100, None), (100, None)]
    assert expected == groups([klog.killed(), late(klog.group(), SECOND_US * 6), klog.killed()])


def test_without_a_group_line_two_lines_are_two_kills() -> None:
    expected = [(100, None), (100, None)]
    assert expected == groups([*FIRST, klog.killed()])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([LOST, klog.killed()], [100]),
        ([LOST, *MEMBERS, klog.killed()], [100, 101, 102]),
        ([klog.group(), LOST, *MEMBERS, klog.killed()], [100, 101, 102]),
        ([LOST, klog.opener(), klog.killed()], [100, 100]),
        ([LOST, klog.summary(), klog.killed()], [100, 100]),
        ([LOST, late(klog.killed(), SECOND_US * 6)], [100, 100]),
        ([LOST, MEMBERS[0], late(MEMBERS[1], SECOND_US * 4), late(klog.killed(), SECOND_US * 8)], [100, 101, 102, 100]),
    ],
)
def test_a_repeat_is_recognised_if_its_group_line_was_lost(lines: list[Line], expected: list[int]) -> None:
    assert expected == pids([*FIRST, *lines])


@pytest.mark.parametrize("at", range(len("Tasks in "), len(klog.group("/g" * 40)), 7))
def test_a_group_line_may_come_in_fragments(at: int) -> None:
    line = klog.group("/g" * 40)
    lines: list[Line] = [*FIRST, line[:at], klog.fragment(line[at:]), klog.killed(101), klog.killed()]
    expected = [(100, 100), (101, 100)]
    assert expected == groups(lines)


def test_a_name_and_another_line_with_dots_make_no_group_line() -> None:
    """Any user's process can be named `Tasks in /x`, and many lines of the kernel end with three dots."""
    lines: list[Line] = [*FIRST, "Tasks in /x[7]: segfault at 0 ip 0 sp 0 error 4", "/dev/x: probing..."]
    assert groups([*lines, klog.killed(101)]) == [(100, None), (101, None)]


def test_a_member_is_killed_by_the_thread_that_killed_the_first() -> None:
    """Where the log names the thread: the pid of the first victim may be used again within the 5 s of the episode."""
    lines = [klog.record(line, caller="T9") for line in [*FIRST, klog.group(), *MEMBERS]]
    assert pids([*lines, klog.record(klog.killed(), caller="T9")]) == [100, 101, 102]
    other = klog.record(klog.killed(), caller="T8")
    assert groups([*lines, other]) == [(100, 100), (101, 100), (102, 100), (100, None)]
    assert groups([*lines[:-3], klog.record(klog.group(), caller="T8"), other]) == [(100, None), (100, None)]


def test_a_group_line_with_foreign_words_begins_no_group_line() -> None:
    """Three records of three users together: a process named `Tasks in /x`, and two more with a chosen text."""
    rest = klog.fragment(" are going to be killed due to memory.oom.group set")
    for first in ("Tasks in /x[7]: segfault at 0", "Tasks in /xIN=lo OUT= MAC="):
        assert groups([*FIRST, first, rest, klog.killed(101)]) == [(100, None), (101, None)]
