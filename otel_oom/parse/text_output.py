"""A kill explained for people: victim, trigger, limit, fullness, the largest tasks, and what is not known.

Rules:
- Only facts of the text. Facts that it does not hold are listed as not said.
- A process chooses its name, so names are printable (`text_escapes.printable`), and cannot break the layout.
"""

from __future__ import annotations

from otel_oom.kernel.kill_context import Context
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.task_table import Task
from otel_oom.parse import text_layout
from otel_oom.parse.text_layout import Style, entry, fold, padded, size, width
from otel_oom.parse.text_record import record_of

NOTE = "Text proves nothing about who wrote it: anyone who could write to this log could write these lines."
NOTE_KMSG = "These records carry facility 0, which only the kernel can write; that the capture is whole is not proved."

_CONSTRAINTS = {
    "cpuset": "the memory nodes of a cpuset",
    "memory_policy": "the memory nodes of a memory policy (NUMA)",
}
_COMM_COLUMNS = 15
_SIZE_COLUMNS = 10


def kill(number: int, found: OomKill, style: Style, page_size: int) -> list[str]:
    """The lines for one kill. number: of the kill in its text, from 1 on."""
    room = text_layout.room(style)
    parts = [
        ("whose limit", fold(_limit(found), room)),
        ("how full", _fullness(found, style, room)),
        ("who asked", fold(_trigger(found.context, page_size), room)),
        ("the victim", [line for text in _victim(found) for line in fold(text, room)]),
        ("largest tasks", _tasks(found, style, room)),
        ("not said", fold(_unsaid(found), room)),
    ]
    title = f"{number}. {_comm(found.comm)} was killed: pid {found.pid}{_resident(found)}"
    lines = [style.alarm(line) for line in fold(title, style.columns)]
    lines += [style.faint("  " + line) for line in fold(_when(found), style.columns - 2)]
    for label, texts in parts:
        if texts and texts != [""]:
            lines += entry(label, texts, style)
    return lines


def _comm(comm: str | None) -> str:
    return "a process" if comm is None else comm or "(a process without a name)"


def _resident(found: OomKill) -> str:
    return "" if found.rss is None else f", {size(found.rss)} resident"


def _when(found: OomKill) -> str:
    record = record_of(found)
    parts = [f"line {record.number}"]
    if record.has_sequence:
        parts.append(f"record {record.sequence}")
    if record.wall is not None:
        parts.append(record.wall)
    if record.line.has_clock:
        parts.append(f"{record.monotonic_us / 1e6:.6f} s after the boot")
    return " · ".join(parts)


def _limit(found: OomKill) -> str:
    context = found.context
    if found.scope == "system":
        return _CONSTRAINTS.get(context.constraint or "", "the whole machine's memory") + (
            f" ({context.constraint})" if context.constraint not in {None, "none", *_CONSTRAINTS} else ""
        )
    return "a cgroup's, which is not named" if context.memcg_path is None else f"cgroup {context.memcg_path}"


def _fullness(found: OomKill, style: Style, room: int) -> list[str]:
    context = found.context
    if context.memcg_usage is not None and context.memcg_limit is not None:
        return [_gauge(context.memcg_usage, context.memcg_limit, style, room)]
    lines = []
    if context.memory_total is not None and context.memory_free is not None:
        lines.append(_gauge(context.memory_total - context.memory_free, context.memory_total, style, room))
    elif context.memory_total is not None:
        lines.append(f"{size(context.memory_total)} of RAM")
    if context.swap_total is not None and context.swap_free is not None:
        lines += fold(
            f"swap: {size(context.swap_total - context.swap_free)} of {size(context.swap_total)}"
            if context.swap_total
            else "no swap",
            room,
        )
    return lines


def _gauge(used: int, total: int, style: Style, room: int) -> str:
    text = f"{size(used)} of {size(total)}"
    share = used / total if total else 1.0
    text += f" ({share:.0%})"
    bar = min(30, room - width(text) - 1)
    return text if bar < 5 else f"{style.bar(share, bar)} {text}"


def _trigger(context: Context, page_size: int) -> str:
    if context.trigger_comm is None:
        return ""
    who = _comm(context.trigger_comm) + (f" (pid {context.trigger_pid})" if context.trigger_pid is not None else "")
    order = context.trigger_order
    if order == -1:
        return f"{who}: by hand, with sysrq"
    if order is not None and 0 <= order < 32:
        pages = "1 page" if order == 0 else f"{1 << order} pages in a row"
        who += f" for {pages} ({size(page_size << order)})"
    return who if context.trigger_gfp_mask is None else f"{who}, {context.trigger_gfp_mask}"


def _victim(found: OomKill) -> list[str]:
    sizes = (
        ("anonymous", found.line.rss_anon),
        ("file", found.line.rss_file),
        ("shared", found.line.rss_shmem),
        ("page tables", found.line.pgtables),
        ("address space", found.line.total_vm),
    )
    facts = [
        f"user id {found.real_user_id}" if found.real_user_id is not None else "",
        f"oom_score_adj {found.line.score_adj}" if found.line.score_adj is not None else "",
        f"a thread of pid {found.tgid}" if found.tgid is not None else "",
        "with all of its group (memory.oom.group)" if found.group_id is not None else "",
    ]
    lines = [
        ", ".join(f"{size(value)} {name}" for name, value in sizes if value is not None),
        ", ".join(filter(None, facts)),
        f"in cgroup {found.cgroup}" if found.cgroup not in {None, found.context.memcg_path} else "",
    ]
    return [line for line in lines if line]


def _tasks(found: OomKill, style: Style, room: int) -> list[str]:
    tasks = found.context.top_tasks
    if not tasks:
        return []
    pids = max(len(str(task.pid)) for task in tasks)
    names = min(max(width(task.comm) for task in tasks), _COMM_COLUMNS)
    bar = min(40, room - pids - names - _SIZE_COLUMNS - 3 - len(" killed"))
    most = max(task.rss for task in tasks) or 1
    return [line for task in tasks for line in _task(task, found, style, (pids, names, bar, most))]


def _task(task: Task, found: OomKill, style: Style, columns: tuple[int, int, int, int]) -> list[str]:
    pids, names, bar, most = columns
    is_victim = task.pid in {found.pid, found.tgid}
    text = f"{size(task.rss):>{_SIZE_COLUMNS}}{' killed' if is_victim else ''}"
    if bar >= 4:
        text = f"{style.bar(task.rss / most, bar)} {text}"
    comm = fold(task.comm, names)[0] if width(task.comm) > names else task.comm
    line = f"{task.pid:{pids}} {padded(comm, names)} {text}"
    return [style.strong(line) if is_victim else line]


def _unsaid(found: OomKill) -> str:
    context = found.context
    if context.completeness == "suppressed":
        return "all but the victim: the kernel prints at most ten reports in 5 s, or this text lost it"
    is_unknown = {
        "who asked": context.trigger_comm is None,
        "whose limit": found.scope == "cgroup" and context.memcg_path is None,
        "how full": context.memcg_limit is None if found.scope == "cgroup" else context.memory_total is None,
        "where the victim lived": found.scope == "cgroup" and found.cgroup is None,
        "the victim's name": found.comm is None,
        "how large it was": found.rss is None,
        "whose it was": found.real_user_id is None,
        "the largest tasks": not context.top_tasks,
    }
    unsaid = ", ".join(what for what, unknown in is_unknown.items() if unknown)
    return unsaid + (" (the report is not whole)" if unsaid and context.completeness == "partial" else "")
