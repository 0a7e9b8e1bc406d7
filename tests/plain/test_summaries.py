"""The `oom-kill:` line and `Task in`: two paths and a name, each chosen by somebody, taken apart."""

import pytest
from support import klog

from otel_oom import grammar
from otel_oom.grammar import Summary

GLOBAL = (
    "oom-kill:constraint=CONSTRAINT_CPUSET,nodemask=0,2,cpuset=c,mems_allowed=0,2,global_oom,task_memcg={},task={},"
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (klog.summary(), Summary("CONSTRAINT_MEMCG", 100, 7, is_global=False, oom_memcg="/g", task_memcg="/g/x")),
        (
            GLOBAL.format("/y", "t") + "pid=5,uid=6",
            Summary("CONSTRAINT_CPUSET", 5, 6, is_global=True, oom_memcg=None, task_memcg="/y"),
        ),
        (  # no CONFIG_MEMCG
            "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,task=t,pid=5,uid=6",
            Summary("CONSTRAINT_NONE", 5, 6, is_global=False, oom_memcg=None, task_memcg=None),
        ),
        (  # no CONFIG_CPUSETS
            "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),global_oom,task_memcg=/,task=t,pid=5,uid=6",
            Summary("CONSTRAINT_NONE", 5, 6, is_global=True, oom_memcg=None, task_memcg="/"),
        ),
        (  # neither
            "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task=t,pid=5,uid=6",
            Summary("CONSTRAINT_NONE", 5, 6, is_global=False, oom_memcg=None, task_memcg=None),
        ),
        (  # cpuset names can hold anything but `/`
            klog.summary().replace("cpuset=/", "cpuset=x,global_oom,y,oom_memcg=,z"),
            Summary("CONSTRAINT_MEMCG", 100, 7, is_global=False, oom_memcg="/g", task_memcg="/g/x"),
        ),
        (
            klog.summary(memcg="(name too long)", cgroup="(name too long)"),
            Summary("CONSTRAINT_MEMCG", 100, 7, is_global=False, oom_memcg=None, task_memcg=None),
        ),
    ],
)
def test_summaries(line: str, expected: Summary) -> None:
    assert expected == grammar.summary(line)


@pytest.mark.parametrize("line", ["oom-kill:", klog.summary()[:-1].rpartition(",")[0], klog.summary() + "x", "", "x"])
def test_what_is_no_summary(line: str) -> None:
    assert grammar.summary(line) is None


HOSTILE_CGROUPS = [
    "/a,task=evil,pid=1,uid=0",
    "/x,oom_memcg=/x",
    "/,oom_memcg=x",
    "/task_memcg=",
    "/x,task_memcg=/x",
    "/,task_memcg=/x",
    "/x,task_memcg=/x,task=y",
    "/,global_oom,task_memcg=",
    "/100%s%n",
    r"/a b\x5c\xff:",
    "/x killed as a result of limit of /x",
    "/x killed as a result of limit of y",
    "/",
]


@pytest.mark.parametrize("below", ["", "/pod,task=a"])
@pytest.mark.parametrize("cgroup", HOSTILE_CGROUPS)
@pytest.mark.parametrize("comm", klog.HOSTILE_COMMS)
def test_no_name_can_shift_a_summary(comm: str, cgroup: str, below: str) -> None:
    path = cgroup.removesuffix("/") + below or "/"
    expected = Summary("CONSTRAINT_MEMCG", 100, 7, is_global=False, oom_memcg=cgroup, task_memcg=path)
    assert expected == grammar.summary(klog.summary(100, comm, cgroup, path), comm=comm, oom_memcg=cgroup)
    expected = Summary("CONSTRAINT_NONE", 5, 7, is_global=True, oom_memcg=None, task_memcg=path)
    line = klog.global_summary(5, comm).replace("task_memcg=/y", f"task_memcg={path}", 1)
    assert expected == grammar.summary(line, comm=comm)


@pytest.mark.parametrize("cgroup", HOSTILE_CGROUPS)
def test_no_name_can_shift_where_a_task_was(cgroup: str) -> None:
    below = cgroup.removesuffix("/") + "/pod"
    for path in (cgroup, below):
        line = f"Task in {path} killed as a result of limit of {cgroup}"
        assert (path, cgroup) == grammar.task_in(line)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ("/a", ("/a", "/a/c,task_memcg=/a,task_memcg=/a/c")),
        ("/a,task_memcg=/a/c", ("/a,task_memcg=/a/c", "/a,task_memcg=/a/c")),
        (None, (None, None)),
        ("/b", (None, None)),
    ],
)
def test_of_two_readings_the_statistics_decide_or_nobody(known: str | None, expected: tuple[str | None, ...]) -> None:
    line = klog.summary(memcg="/a", cgroup="/a/c,task_memcg=/a,task_memcg=/a/c")
    found = grammar.summary(line, comm="vic", oom_memcg=known)
    assert expected == (found and (found.oom_memcg, found.task_memcg))


def test_where_nothing_else_is_known_the_shortest_name_is_taken() -> None:
    found = grammar.summary(klog.summary(100, "leader", "/g,task=a", "/g,task=a"), comm="thread")
    expected = "/g,task=a"
    assert expected == (found and found.task_memcg)


def test_a_summary_of_the_longest_path_takes_no_time() -> None:
    path = "/" + ",task=,task_memcg=/" * 400
    found = grammar.summary(klog.summary(memcg=path, cgroup=path), comm="vic", oom_memcg=path)
    assert (path, path) == (found and (found.oom_memcg, found.task_memcg))
