r"""Lines with cgroup paths: the cgroup whose limit was hit, and the victim's cgroup. No I/O.

Source: mm/oom_kill.c, mm/memcontrol.c.

Rules:
- A cgroup's creator chooses its name (255 bytes, any but `/` and newline), a process chooses its own (15 bytes). Both
  may hold every word of the kernel. So a line is split only where the kernel's words can be, seen from its ends.
- With two possible splits, the victim's cgroup must be the limit's or below it. Then other lines of the report decide.
- If nothing decides, the result is None.
- A line may come in fragments: the caller has joined them. A line without its end gives only what is certain.
- Time is bounded by the length of a line, which `oom_report` limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otel_oom.kernel.oom_lines import NODES, TASK_COMM_BYTES, is_comm

# oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=0,cpuset=/,mems_allowed=0,oom_memcg=/g,task_memcg=/g,task=v,pid=9,uid=0
# oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=v,pid=9,uid=0
# (5.0+ and RHEL 8; without CONFIG_CPUSETS there is no cpuset part, without CONFIG_MEMCG no memcg parts)
SUMMARY: Final = "oom-kill:constraint="
_SUMMARY_WITHOUT_END: Final = re.compile(r"oom-kill:constraint=(?P<constraint>\w+),(?P<middle>.*)")
_SUMMARY: Final = re.compile(rf"{_SUMMARY_WITHOUT_END.pattern},pid= *(?P<pid>\d{{1,10}}),uid= *(?P<user_id>\d{{1,10}})")
_NODES: Final = re.compile(
    rf"nodemask=(?:\(null\)|(?P<nodemask>{NODES}))(?:,cpuset=.*,mems_allowed=(?P<mems_allowed>{NODES}))?"
)
_LIMIT: Final = ",oom_memcg="
_GLOBAL: Final = ",global_oom,task_memcg="
_TASK_MEMCG: Final = ",task_memcg="
_TASK: Final = ",task="

# Task in /docker/4f1c killed as a result of limit of /docker                                   (until 4.20, RHEL 6, 7)
TASK_IN: Final = "Task in "
_AS_A_RESULT: Final = " killed as a result of limit of "

# Memory cgroup stats for /g:                                          (5.3+; the numbers follow in separate records)
# Memory cgroup stats for /g: cache:0KB rss:20260KB … unevictable:0KB  (3.8-5.2; for /g and then for each descendant)
STATS: Final = "Memory cgroup stats for "
_STATS: Final = re.compile(r"Memory cgroup stats for (?P<path>/.*):(?: cache:\d+KB(?: \w+:\d+KB)*)?")
# A truncated `/g: cache:0KB rss:` looks like the whole 5.3+ line of a cgroup named `g: cache:0KB rss`.
_AMBIGUOUS_STATS_PATH: Final = re.compile(r".*: cache(?::\d+KB(?: \w+:\d+KB)* \w+)?")

HEADS: Final = (SUMMARY, TASK_IN, STATS)
"""First words of these lines. Their ends may come as fragments."""


@dataclass(frozen=True, slots=True)
class Summary:
    """An `oom-kill:` line. Paths are still escaped.

    pid, user_id: of the selected process; None in a line without its end
    is_global: the kernel printed `global_oom`
    """

    constraint: str
    pid: int | None
    user_id: int | None
    is_global: bool
    oom_memcg: str | None
    task_memcg: str | None


def summary(text: str, *, comm: str | None = None, oom_memcg: str | None = None) -> Summary | None:
    """Parse a whole `oom-kill:` line. None if it is another line, or has no end.

    comm, oom_memcg: the victim's name from the kill line, and the path from `Memory cgroup stats for`, if known, both
    escaped. They decide if the text alone allows two splits.
    """
    line = _SUMMARY.fullmatch(text)
    if line is None:
        return None
    limit, victim = _parts(line["middle"])
    paths: tuple[str | None, str | None] = (None, None)
    if victim is not None:
        paths = (None, _task_memcg(victim, comm))
    elif limit is not None:  # <oom_memcg>,task_memcg=<task_memcg>,task=<comm>
        path = _task_memcg(limit, comm)
        if path is not None:
            paths = _nested(path, _TASK_MEMCG, is_victim_first=False, known=oom_memcg) or paths
    return Summary(line["constraint"], int(line["pid"]), int(line["user_id"]), victim is not None, *paths)


def summary_without_end(text: str, *, comm: str | None = None) -> Summary | None:
    """Parse an `oom-kill:` line without its end: a terminal truncated it, or it was lost between other records."""
    head = _SUMMARY_WITHOUT_END.fullmatch(text)
    if head is None:
        return None
    limit, victim = _parts(head["middle"])
    oom_memcg = None
    if limit is not None and limit.count(_TASK_MEMCG + "/") == 1:
        oom_memcg, _, rest = limit.partition(_TASK_MEMCG)
    else:
        rest = victim or ""
    end = f"{comm},pid="
    # The truncated end is, for example, `,task=py`, `,task=python3,pi` or `,task=python3,pid=99`.
    window = max(0, len(rest) - len(end) - len(_TASK) - 24)
    names = (
        (path, name)
        for path, name in _splits(rest, _TASK, window)
        if name and (name.startswith(end) or end.startswith(name))
    )
    fits = [path for path, _ in names] if comm is not None else []
    return Summary(
        constraint=head["constraint"],
        pid=None,
        user_id=None,
        is_global=victim is not None,
        oom_memcg=oom_memcg,
        task_memcg=fits[0] if len(fits) == 1 and fits[0].startswith("/") else None,
    )


def nodes(text: str) -> tuple[str | None, str | None]:
    """Return (nodemask, mems_allowed) of an `oom-kill:` line: NUMA nodes of a memory policy, and of the cpuset.

    None: no policy, no cpusets, or the line names no cgroup. Only a path shows where the name of the cpuset ends.
    """
    head = _SUMMARY_WITHOUT_END.fullmatch(text)
    middle = "" if head is None else head["middle"]
    paths = [at for at in (middle.find(_LIMIT + "/"), middle.find(_GLOBAL + "/")) if at >= 0]
    found = _NODES.fullmatch(middle, 0, min(paths)) if paths else None
    return (None, None) if found is None else (found["nodemask"], found["mems_allowed"])


def task_in(text: str, *, oom_memcg: str | None = None) -> tuple[str, str] | None:
    """Return (task_memcg, oom_memcg) of a `Task in … killed as a result of …` line. oom_memcg: see `summary`."""
    if not text.startswith(TASK_IN):
        return None
    return _nested(text.removeprefix(TASK_IN), _AS_A_RESULT, is_victim_first=True, known=oom_memcg)


def stats(text: str) -> str | None:
    """Return the path of a `Memory cgroup stats for` line. None if it is, or may be, truncated inside its numbers."""
    line = _STATS.fullmatch(text)
    return line["path"] if line and not _AMBIGUOUS_STATS_PATH.fullmatch(line["path"]) else None


def _parts(middle: str) -> tuple[str | None, str | None]:
    """Return the text after the kernel's own `,oom_memcg=`, or after its own `,global_oom,task_memcg=`."""
    # No cpuset's name holds a `/`, so the first `,oom_memcg=/` or `,global_oom,task_memcg=/` is the kernel's.
    limit_at, global_at = middle.find(_LIMIT + "/"), middle.find(_GLOBAL + "/")
    if global_at >= 0 and (limit_at < 0 or global_at < limit_at):
        return None, middle[global_at + len(_GLOBAL) :]
    return (middle[limit_at + len(_LIMIT) :], None) if limit_at >= 0 else (None, None)


def _splits(text: str, mark: str, begin: int = 0) -> Iterator[tuple[str, str]]:
    """Yield each split of a text in two at a mark at offset `begin` or later, the last one first."""
    at = text.rfind(mark, begin)
    while at >= 0:
        yield text[:at], text[at + len(mark) :]
        at = text.rfind(mark, begin, at)


def _nested(text: str, mark: str, *, is_victim_first: bool, known: str | None = None) -> tuple[str, str] | None:
    """Return the two paths around a mark, in the order of the text. None if two splits are possible.

    known: the limit's path, if another line gives it
    """
    places = [at.start() for at in re.finditer(re.escape(mark + "/"), text)] if text.startswith("/") else []
    fits = [at for at in places if _is_below(text, at, at + len(mark), is_victim_first=is_victim_first)]
    if len(places) == 1:  # then the victim may be anywhere: it may have moved to another cgroup before the line
        fits = places
    if len(fits) > 1:
        fits = [at for at in fits if (text[at + len(mark) :] if is_victim_first else text[:at]) == known]
    if len(fits) != 1:
        return None
    first, last = text[: fits[0]], text[fits[0] + len(mark) :]
    if is_victim_first and known is not None and known != last and known.startswith(last):
        return None  # the line is truncated
    return first, last


def _is_below(text: str, end: int, begin: int, *, is_victim_first: bool) -> bool:
    """Return whether the victim's path is the limit's or below it. The paths are `text[:end]` and `text[begin:]`."""
    size = len(text) - begin if is_victim_first else end
    if size > (end if is_victim_first else len(text) - begin):
        return False  # decides most splits without a copy of the path
    limit = text[begin:] if is_victim_first else text[:end]
    victim_at, victim_end = (0, end) if is_victim_first else (begin, len(text))
    if size == victim_end - victim_at:
        return text.startswith(limit, victim_at)
    return text.startswith(limit.removesuffix("/") + "/", victim_at)


def _task_memcg(body: str, comm: str | None) -> str | None:
    """Return the path in `<task_memcg>,task=<comm>`. If comm does not decide, the shortest possible name is taken."""
    begin = max(0, len(body) - 4 * TASK_COMM_BYTES - len(_TASK))
    splits = [(path, name) for path, name in _splits(body, _TASK, begin) if is_comm(name)]
    return next((path for path, name in splits if name == comm), splits[0][0] if splits else None)
