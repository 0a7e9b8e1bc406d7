"""Which records continue a line with cgroup paths: only those that the kernel may have printed, in its order."""

import pytest
from support import klog

from otel_oom.kernel import cgroup_lines
from otel_oom.kernel.path_line import PathLine

HEAD = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg="
SEGFAULT = "[7] bad frame in rt_sigreturn frame:00007f ip:7f"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["/g", ",task_memcg=", "/g/x", ",task=v,pid=9,uid=0"], "/g,task_memcg=/g/x,task=v,pid=9,uid=0"),
        (["/g,task_memcg=/g/x,task=v,pid=9,uid=0"], "/g,task_memcg=/g/x,task=v,pid=9,uid=0"),
        (["/g", ",task_memcg=/g", ",task=a: b,pid=9,uid=0"], "/g,task_memcg=/g,task=a: b,pid=9,uid=0"),
        (["/g", " r8:1", ",task_memcg="], "/g,task_memcg="),  # registers, which another CPU prints
        (["done.", "/g"], "/g"),
        ([f"/x{SEGFAULT}", "/g"], "/g"),
        (["/g", f",task_memcg=/x{SEGFAULT}", ",task_memcg=/g"], "/g,task_memcg=/g"),
        (["/x[7]: segfault at 0", "/g"], "/g"),
        (["/xIN=lo OUT= MAC=", "/g"], "/g"),
        (["/a b", ",task_memcg=/a"], ",task_memcg=/a"),  # a cgroup's name with a blank
    ],
)
def test_the_pieces_of_a_summary(pieces: list[str], expected: str) -> None:
    line = PathLine.begin(klog.record(HEAD))
    assert line
    for piece in pieces:
        line.append(klog.fragment(piece))
    assert HEAD + expected == line.text


def test_the_name_of_a_cpuset_may_be_a_piece() -> None:
    line = PathLine.begin(klog.record("oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset="))
    assert line
    assert not line.append(klog.fragment(f"x{SEGFAULT}"))
    assert line.append(klog.fragment("besteffort"))
    assert not line.append(klog.fragment("besteffort"))


@pytest.mark.parametrize(
    ("text", "priority", "head"),
    [
        (HEAD, 6, cgroup_lines.SUMMARY),
        (HEAD, 3, None),  # the level of a mount
        (HEAD + "/g: Can't lookup blockdev", 6, None),
        (HEAD + "/gIN=lo OUT= MAC=", 6, None),
        (klog.summary(comm="a: b"), 6, cgroup_lines.SUMMARY),  # a name: the end is the kernel's
        ("Task in ", 6, cgroup_lines.TASK_IN),
        ("Task in /g", 6, cgroup_lines.TASK_IN),
        ("Task in /g killed as a result of limit of ", 6, cgroup_lines.TASK_IN),
        ("Task in /g killed as a result of limit of /g", 6, cgroup_lines.TASK_IN),
        ("Task in /g killed as a result of limit of /gIN=lo OUT=", 6, None),
        ("Task in /x (7) uses deprecated remap_file_pages() syscall", 6, None),
        ("Task in /x[7]: segfault at 0", 6, None),
        ("Memory cgroup stats for /g: cache:0KB rss:1KB", 6, cgroup_lines.STATS),
        ("Memory cgroup stats for /g: Can't lookup", 6, None),
        ("Tasks in /g", 6, None),
    ],
)
def test_which_records_begin_a_line(text: str, priority: int, head: str | None) -> None:
    line = PathLine.begin(klog.record(text, priority=priority))
    assert head == (line and line.head)


def test_a_piece_at_the_level_of_a_mount_or_of_another_thread_is_foreign() -> None:
    line = PathLine.begin(klog.record(HEAD, caller="T1"))
    assert line
    assert not line.append(klog.fragment("/evil", "T2"))
    assert not line.append(klog.record("/evil", priority=3, flags="c", caller="T1"))
    assert line.append(klog.fragment("/g", "T1"))
    assert line.text == HEAD + "/g"
