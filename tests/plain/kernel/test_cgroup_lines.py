"""Lines with cgroup paths: hostile names do not shift them, and cut lines give only what is certain."""

import pytest
from support import klog

from otel_oom.kernel import cgroup_lines
from otel_oom.kernel.cgroup_lines import Summary

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
def test_every_form_of_a_summary_is_read(line: str, expected: Summary) -> None:
    assert expected == cgroup_lines.summary(line)


@pytest.mark.parametrize("line", ["oom-kill:", klog.summary()[:-1].rpartition(",")[0], klog.summary() + "x", "", "x"])
def test_other_lines_are_no_summaries(line: str) -> None:
    assert cgroup_lines.summary(line) is None


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
def test_no_name_shifts_a_summary(comm: str, cgroup: str, below: str) -> None:
    path = cgroup.removesuffix("/") + below or "/"
    expected = Summary("CONSTRAINT_MEMCG", 100, 7, is_global=False, oom_memcg=cgroup, task_memcg=path)
    assert expected == cgroup_lines.summary(klog.summary(100, comm, cgroup, path), comm=comm, oom_memcg=cgroup)
    expected = Summary("CONSTRAINT_NONE", 5, 7, is_global=True, oom_memcg=None, task_memcg=path)
    line = klog.global_summary(5, comm).replace("task_memcg=/y", f"task_memcg={path}", 1)
    assert expected == cgroup_lines.summary(line, comm=comm)


@pytest.mark.parametrize("cgroup", HOSTILE_CGROUPS)
def test_no_name_shifts_the_place_of_a_task(cgroup: str) -> None:
    below = cgroup.removesuffix("/") + "/pod"
    for path in (cgroup, below):
        line = f"Task in {path} killed as a result of limit of {cgroup}"
        assert (path, cgroup) == cgroup_lines.task_in(line)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ("/a", ("/a", "/a/c,task_memcg=/a,task_memcg=/a/c")),
        ("/a,task_memcg=/a/c", ("/a,task_memcg=/a/c", "/a,task_memcg=/a/c")),
        (None, (None, None)),
        ("/b", (None, None)),
    ],
)
def test_the_statistics_decide_between_two_cuts(known: str | None, expected: tuple[str | None, ...]) -> None:
    line = klog.summary(memcg="/a", cgroup="/a/c,task_memcg=/a,task_memcg=/a/c")
    found = cgroup_lines.summary(line, comm="vic", oom_memcg=known)
    assert expected == (found and (found.oom_memcg, found.task_memcg))


@pytest.mark.parametrize(
    ("line", "comm", "oom_memcg", "task_memcg"),
    [
        ("oom_memcg=/g,task_memcg=/g/x,task=vic,pid=9", "vic", "/g", "/g/x"),
        ("oom_memcg=/g,task_memcg=/g/x,task=vic,pid=9,uid=", "vic", "/g", "/g/x"),
        ("oom_memcg=/g,task_memcg=/g/x,task=vi", "vic", "/g", "/g/x"),
        ("oom_memcg=/g,task_memcg=/g/x,task=vi", "other", "/g", None),
        ("oom_memcg=/g,task_memcg=/g/x,task=vi", None, "/g", None),
        ("oom_memcg=/g,task_memcg=/g/x,task=", "vic", "/g", None),
        ("oom_memcg=/g,task_memcg=/g/x0", "vic", "/g", None),
        ("oom_memcg=/ltp/test-9552,task_memcg=/ltp/test-95520", "vic", "/ltp/test-9552", None),
        ("oom_memcg=/g,task_me", "vic", None, None),
        ("oom_memcg=/g", "vic", None, None),
        ("oom_memcg=/g,task_memcg=/x,task_memcg=/g", "vic", None, None),  # the first mark may be part of a name
        ("global_oom,task_memcg=/g,task=vic,", "vic", None, "/g"),
        ("global_oom,task_memcg=/g,task=vic,task=vic,", "vic", None, "/g,task=vic"),
        ("global_oom,task_memcg=/g,task=v,task=v", "v", None, "/g,task=v"),
        ("global_oom,task_memcg=/g,task=a,task=a", "a,task=a", None, None),  # each of the two may be the kernel's
        ("global_oom", "vic", None, None),
        ("mems_allow...", "vic", None, None),
    ],
)
def test_a_summary_without_its_end_gives_only_what_is_certain(
    line: str, comm: str | None, oom_memcg: str | None, task_memcg: str | None
) -> None:
    text = f"oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,{line}"
    assert cgroup_lines.summary(text) is None
    found = cgroup_lines.summary_without_end(text, comm=comm)
    assert (oom_memcg, task_memcg) == (found and (found.oom_memcg, found.task_memcg))
    assert (found and (found.pid, found.user_id, found.constraint)) == (None, None, "CONSTRAINT_NONE")


def test_a_task_outside_of_the_limit_is_read_if_only_one_cut_is_possible() -> None:
    assert cgroup_lines.task_in("Task in /mem2 killed as a result of limit of /mem3") == ("/mem2", "/mem3")
    found = cgroup_lines.summary(klog.summary(memcg="/a", cgroup="/b"))
    assert (found and (found.oom_memcg, found.task_memcg)) == ("/a", "/b")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Memory cgroup stats for /a:", "/a"),
        ("Memory cgroup stats for /a: cache:0KB rss:20260KB rss_huge:0KB", "/a"),
        ("Memory cgroup stats for /a: cache:1KB: cache:0KB rss:1KB", "/a: cache:1KB"),
        ("Memory cgroup stats for /a: cache:1KB:", "/a: cache:1KB"),
        ("Memory cgroup stats for /a: b:", "/a: b"),
        ("Memory cgroup stats for /a", None),
        # Cut inside the numbers. Each could also be the whole line of 5.3+ for a cgroup with this name.
        ("Memory cgroup stats for /a: cache:", None),
        ("Memory cgroup stats for /a: cache:0KB rss:", None),
        ("Memory cgroup stats for /a: cache:0KB rss:8KB mapped_file:", None),
        (r"Memory cgroup stats for /\x00/,pid=1,uid=0: cache:0KB rss:", None),
        ("Memory cgroup stats for /a: cache:0KB rss:8K", None),
        ("Memory cgroup stats for /a: cache:0KB", "/a"),
        ("Memory cgroup stats for /a: b:1KB", None),  # the first number is always `cache`: this path is cut
        ("Memory cgroup stats for ", None),
        ("Memory cgroup stats for a:", None),
    ],
)
def test_the_path_above_statistics(line: str, expected: str | None) -> None:
    assert expected == cgroup_lines.stats(line)


def test_if_nothing_else_decides_the_shortest_name_is_taken() -> None:
    found = cgroup_lines.summary(klog.summary(100, "leader", "/g,task=a", "/g,task=a"), comm="thread")
    expected = "/g,task=a"
    assert expected == (found and found.task_memcg)


def test_a_summary_with_the_longest_paths_is_read() -> None:
    path = "/" + ",task=,task_memcg=/" * 400
    found = cgroup_lines.summary(klog.summary(memcg=path, cgroup=path), comm="vic", oom_memcg=path)
    assert (path, path) == (found and (found.oom_memcg, found.task_memcg))


def test_a_cut_limit_is_not_taken_for_a_parent() -> None:
    cut = "Task in /g/x/y killed as a result of limit of /g"
    assert cgroup_lines.task_in(cut, oom_memcg="/g/x") is None
    assert cgroup_lines.task_in(cut, oom_memcg="/g") == ("/g/x/y", "/g")
