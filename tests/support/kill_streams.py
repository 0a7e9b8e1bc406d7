"""Records of whole reports and kills, to be mixed with hostile lines; and the facts of the kills in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from support import klog
from support.klog import Line, fragment

from otel_oom.kernel.oom_kill import Finding, Forged, OomKill

_SIZES: Final = "total-vm:9kB, anon-rss:8kB, file-rss:7kB, shmem-rss:0kB"
_OLD_KILL: Final = "Killed process {} (vic) " + _SIZES
_PATHS: Final = ("/kubepods/a", "/kubepods/a/b")


def _old(cause: str, lines: Sequence[Line]) -> list[Line]:
    """A report of 4.15 to 4.20, and another kill line: no one names its scope."""
    return [
        "asker invoked oom-killer: gfp_mask=0x1(A), nodemask=(null), order=0, oom_score_adj=0",
        "asker cpuset=/ mems_allowed=0",
        "CPU: 1 PID: 99 Comm: asker Not tainted 4.19.0 #1",
        *lines,
        "[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name",
        "[  100]     7   100     3383     3182      34       4        0             0 vic",
        f"{cause}: Kill process 100 (vic) score 9 or sacrifice child",
        _OLD_KILL.format(100),
        _OLD_KILL.format(200),
    ]


_OLD_MEMCG: Final[list[Line]] = [
    "Task in /g/x killed as a result of limit of /g",
    "memory: usage 12kB, limit 12kB, failcnt 1",
    "Memory cgroup stats for /g: cache:0KB rss:8KB",
]
_GROUP: Final[list[Line]] = [*klog.memcg_report(), klog.group(), klog.killed(101, "sib"), klog.killed()]

STREAMS: Final[dict[str, Sequence[Line]]] = {
    "memcg": [*klog.memcg_report(), klog.killed(200, "two")],
    "system": [*klog.system_report(), klog.killed(200, "two", "Out of memory")],
    "group": [*_GROUP, klog.killed(200, "two", "Out of memory")],
    "long group": [
        *klog.memcg_report(),
        "Tasks in ",
        fragment("/g" * 40),
        fragment(klog.group("")[9:]),
        klog.killed(101),
        klog.killed(),
    ],
    "kills alone": [klog.killed(5, "a"), klog.killed(6, "b", "Out of memory"), klog.killed(7, "c")],
    "4.19, memcg": _old("Memory cgroup out of memory", _OLD_MEMCG),
    "4.19, system": _old("Out of memory", klog.system_report()[2:9]),
    "a summary in 8 records": [
        *klog.memcg_report(memcg=_PATHS[0], cgroup=_PATHS[1])[:-2],
        *klog.in_records(klog.summary_calls(memcg=_PATHS[0], cgroup=_PATHS[1]), range(8)),
        *(klog.killed(), klog.killed(200, "two")),
    ],
    "a summary in records, after the first path": [
        *klog.memcg_report()[:-2],
        *klog.in_records(klog.summary_calls(), [6]),
        *(klog.killed(), klog.killed(200, "two")),
    ],
    "a summary in records, before the first path": [
        *klog.memcg_report()[:-2],
        *klog.in_records(klog.summary_calls(), [5]),
        *(klog.killed(), klog.killed(200, "two")),
    ],
    "4.19, the place in records": _old(
        "Memory cgroup out of memory",
        [*klog.in_records(["Task in ", "/g/x", " killed as a result of limit of ", "/g"], range(4)), *_OLD_MEMCG[1:]],
    ),
}


def facts(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """The findings without the numbers of their records, which an additional line moves, and without forged lines."""
    found = [one for one in found if not isinstance(one, Forged)]
    numbers = {one.uid: number for number, one in enumerate(found) if isinstance(one, OomKill)}
    return [
        {
            **asdict(one.context),
            "line": one.line,
            "cgroup": one.cgroup,
            "scope": one.scope,
            "tgid": one.tgid,
            "user": one.real_user_id,
            "group": numbers.get(one.group_id or ""),
        }
        if isinstance(one, OomKill)
        else {"kind": type(one).__name__, "text": one.record.text}
        for one in found
    ]
