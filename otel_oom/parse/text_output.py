"""A kill explained for people: why, whose, trigger, limit, the largest tasks, and what is not known.

Rules:
- The first lines are the sentence that the agent sends as the body of its event.
- Only facts of the text. Facts that it does not hold are listed as not said.
- Paths and ids are not folded, so that they can be copied whole: a terminal breaks them itself.
- A process chooses its name, so names are printable (`text_escapes.printable`), and cannot break the layout.
"""

from __future__ import annotations

from otel_oom.kernel.kill_context import Context
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.task_table import Task
from otel_oom.parse import text_layout
from otel_oom.parse.text_layout import Style, entry, fold, padded, size, width
from otel_oom.parse.text_record import record_of
from otel_oom.telemetry import memory_parts
from otel_oom.telemetry.container_from_cgroup import Owner
from otel_oom.telemetry.event_bodies import kill_body
from otel_oom.telemetry.kill_event import LiveFacts, victim_owner
from otel_oom.telemetry.reason_additions import TIMES
from otel_oom.telemetry.what_was_full import KIND_WORDS

NOTE = "Text proves nothing about who wrote it: anyone who could write to this log could write these lines."
NOTE_KMSG = "These records carry facility 0, which only the kernel can write; that the capture is whole is not proved."

_CONSTRAINTS = {
    "cpuset": "the memory nodes of a cpuset",
    "memory_policy": "the memory nodes of a memory policy (NUMA)",
}
_LETTERS = {**dict(zip(KIND_WORDS, "ATDCSRSNPLXKKHUO", strict=True)), "": "#"}
_COMM_COLUMNS = 15
_SIZE_COLUMNS = 10


def kill(number: int, found: OomKill, style: Style, page_size: int) -> list[str]:
    """The lines for one kill. number: of the kill in its text, from 1 on."""
    room = text_layout.room(style)
    owner = victim_owner(found, LiveFacts())
    parts = [
        ("why", _memory(found, room)),
        ("whose limit", _limit(found, room)),
        ("whose process", _owner(owner)),
        ("who asked", fold(_trigger(found.context, found.context.page_size or page_size), room)),
        ("the victim", _victim(found, room)),
        ("largest tasks", _tasks(found, style, room)),
        ("not said", fold(_unsaid(found), room)),
    ]
    sentence = kill_body(found, owner, found.cgroup)
    sentence = sentence if style.has_blocks else sentence.replace(TIMES, "x").replace("…", "...")
    lines = [style.alarm(line) for line in fold(f"{number}. {sentence}", style.columns)]
    lines += [style.faint("  " + line) for line in fold(_when(found), style.columns - 2)]
    for label, texts in parts:
        if texts and texts != [""]:
            lines += entry(label, texts, style)
    return lines


def _comm(comm: str | None) -> str:
    return "a process" if comm is None else comm or "(a process without a name)"


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


def _limit(found: OomKill, room: int) -> list[str]:
    context = found.context
    if found.scope == "system":
        unknown = "" if context.constraint in {None, "none", *_CONSTRAINTS} else f" ({context.constraint})"
        return fold(_CONSTRAINTS.get(context.constraint or "", "the whole machine's memory") + unknown, room)
    return ["a cgroup's, which is not named" if context.memcg_path is None else f"cgroup {context.memcg_path}"]


def _owner(owner: Owner) -> list[str]:
    container = owner.container_id or owner.container_name
    runtime = f" ({owner.runtime})" if owner.runtime and container else ""
    names = (("container", container), ("pod uid", owner.pod_uid), ("unit", owner.unit))
    return [f"{label} {name}{runtime if name is container else ''}" for label, name in names if name]


def _memory(found: OomKill, room: int) -> list[str]:
    """What filled the memory: a bar with a letter for each kind, and what the letters mean."""
    context, lines = found.context, []
    if parts := memory_parts.memory_parts(found):
        text = f"{size(parts.used)} of {size(parts.total)} ({parts.used / parts.total:.0%})"
        columns = min(60, room - width(text) - 1)
        bar = _stacked(parts.sizes or (("", parts.used),), parts.total, columns) + " " if columns > 4 else ""
        shown = [(kind, amount) for kind, amount in parts.sizes if _LETTERS[kind] in bar or 100 * amount >= parts.total]
        legend = [f"{_LETTERS[kind]} {KIND_WORDS[kind]} {size(amount)}" for kind, amount in shown]
        lines = [bar + text, *(fold(", ".join(legend), room) if legend else ())]
    elif context.memory_total is not None and found.scope == "system":
        lines = [f"{size(context.memory_total)} of RAM"]
    if context.swap_total is not None and context.swap_free is not None:
        swap = f"swap: {size(context.swap_total - context.swap_free)} of {size(context.swap_total)}"
        lines += fold(swap if context.swap_total else "no swap", room)
    return lines


def _stacked(sizes: tuple[tuple[str, int], ...], total: int, columns: int) -> str:
    """A bar of exactly so many columns. The dots at its end are free memory."""
    bar, amount = "", 0
    for kind, part in sizes:
        amount += part
        bar += _LETTERS[kind] * (min(columns, round(amount / total * columns)) - len(bar))
    return bar.ljust(columns, ".")


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


def _victim(found: OomKill, room: int) -> list[str]:
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
    known = [f"{size(value)} {name}" for name, value in sizes if value is not None]
    lines = [line for texts in (known, filter(None, facts)) if (line := ", ".join(texts))]
    cgroup = [f"in cgroup {found.cgroup}"] if found.cgroup not in {None, found.context.memcg_path} else []
    return [part for line in lines for part in fold(line, room)] + cgroup


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
