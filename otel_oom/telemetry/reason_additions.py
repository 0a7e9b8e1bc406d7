"""What a report adds to the cause of a kill: how many processes, swap, protection, a group. No I/O."""

from __future__ import annotations

from typing import Final

from otel_oom.telemetry import memory_parts
from otel_oom.telemetry.reason_facts import MAX_NAME_CHARS, Facts, Rule, shortened, size

TIMES: Final = "\N{MULTIPLICATION SIGN}"
_FULL: Final = 0.98  # swap, and the limit of memory and swap together
_UNKILLABLE: Final = -1000  # OOM_SCORE_ADJ_MIN


def _is_unkillable(facts: Facts) -> bool:
    """The largest task, and at least a half of what all tasks hold, may not be killed."""
    tasks, top = facts.context.tasks, facts.context.top_tasks
    if tasks is None or not tasks.rss or not tasks.unkillable_rss or not top or facts.is_sysrq:
        return False
    return top[0].score_adj == _UNKILLABLE and 2 * tasks.unkillable_rss >= tasks.rss


def _is_group_large(facts: Facts) -> bool:
    """Several tasks of one name hold at least a half of what all tasks hold."""
    tasks = facts.context.tasks
    if tasks is None or not tasks.groups or facts.is_sysrq:
        return False
    first = tasks.groups[0]
    return first.count > 1 and first.rss > 0 and 2 * first.rss >= (tasks.rss or 0)


def _is_victim_alone(facts: Facts) -> bool:
    return facts.kill.rss is not None and not _is_group_large(facts)


def _could_be_swapped(facts: Facts) -> bool:
    """Only anonymous memory and tmpfs can be swapped out: for other memory, full swap makes no difference."""
    return facts.largest in {memory_parts.ANON, memory_parts.SHMEM} and not facts.is_sysrq


def _has_no_swap(facts: Facts) -> bool:
    memcg = facts.context.memcg
    total = facts.context.swap_total if facts.is_system else memcg.swap_limit
    # v1 limits memory and swap together.
    is_memory_alone = memcg.memsw_limit is not None and memcg.memsw_limit == facts.context.memcg_limit
    return (total == 0 or is_memory_alone) and _could_be_swapped(facts)


def _swap(facts: Facts) -> tuple[int | None, int | None]:
    """Usage and size of swap: of the machine, or what the cgroup may use."""
    context = facts.context
    if not facts.is_system:
        return context.memcg.swap_usage, context.memcg.swap_limit
    total, free = context.swap_total, context.swap_free
    return None if total is None or free is None else total - free, total


def _is_swap_full(facts: Facts) -> bool:
    used, total = _swap(facts)
    return bool(total) and used is not None and used >= _FULL * (total or 0) and _could_be_swapped(facts)


def _is_memsw_full(facts: Facts) -> bool:
    memcg = facts.context.memcg
    if not memcg.memsw_limit or memcg.memsw_limit == facts.context.memcg_limit:
        return False
    return (memcg.memsw_usage or 0) >= _FULL * memcg.memsw_limit


def _is_group_kill(facts: Facts) -> bool:
    return facts.kill.group_id is not None


def _unkillable(facts: Facts) -> str:
    tasks, first = facts.context.tasks, facts.context.top_tasks[0]
    assert tasks is not None
    amount = f"{size(tasks.unkillable_rss or 0)} of all processes' {size(tasks.rss or 0)} may not be killed"
    return f"{amount} (oom_score_adj -1000; the largest: {_name(first.comm)} with {size(first.rss)})"


def _group(facts: Facts) -> str:
    tasks = facts.context.tasks
    assert tasks is not None
    first = tasks.groups[0]
    least = "at least " if tasks.ungrouped else ""
    used = facts.parts.used if facts.parts else facts.context.memcg_usage
    again = "" if used is None or first.rss <= used else ", shared pages counted each time"
    return f"{least}{first.count} {TIMES} {_name(first.comm)} hold {size(first.rss)}{again}"


def _alone(facts: Facts) -> str:
    return f"it held {size(facts.kill.rss or 0)} RSS"


def _swap_full(facts: Facts) -> str:
    whose = "the machine's" if facts.is_system else "its"
    return f"{whose} {size(_swap(facts)[1] or 0)} of swap are full"


def _memsw_full(facts: Facts) -> str:
    return f"memory+swap is at its {size(facts.context.memcg.memsw_limit or 0)} limit"


def _name(comm: str) -> str:
    return shortened(comm, MAX_NAME_CHARS) or "(a process without a name)"


ADDITIONS: Final = (
    Rule(
        "unkillable",
        "the largest process, and half of what all hold, has oom_score_adj -1000",
        _is_unkillable,
        _unkillable,
    ),
    Rule("several", "processes of one name hold half of what all hold", _is_group_large, _group),
    Rule("one", "else", _is_victim_alone, _alone),
    Rule(
        "no swap",
        "there is no swap, and the largest kind could be swapped out",
        _has_no_swap,
        lambda facts: "the machine has no swap" if facts.is_system else "it may not use swap",
    ),
    Rule("swap full", "swap is full to 98 %, and the largest kind could be swapped out", _is_swap_full, _swap_full),
    Rule(
        "memory+swap full", "the limit of memory and swap together is reached (cgroup v1)", _is_memsw_full, _memsw_full
    ),
    Rule(
        "group", "`memory.oom.group` is set", _is_group_kill, lambda _: "its whole group is killed (memory.oom.group)"
    ),
)
"""All that hold are used, in this order."""
