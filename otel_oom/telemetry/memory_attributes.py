"""What filled the memory, and how many tasks: the facts of a report to attributes. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_oom import schema
from otel_oom.kernel.kill_context import Context
from otel_oom.kernel.memory_usage import MemcgUsage
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.task_table import TaskGroup, TaskTotals
from otel_oom.telemetry.event import Scalar, Value

_COMM, _COUNT, _RSS = schema.TASK_GROUP_KEYS
_NO_TABLE: Final = TaskTotals(count=0, rss=None, groups=())


def memory_attributes(kill: OomKill) -> dict[schema.Attribute, Value | None]:
    """Return those of `schema.MEMORY_ATTRIBUTES` that a kill of this scope can have. None: unknown."""
    context, share = kill.context, kill.share_of_limit
    if context.completeness == "suppressed":  # most kills of a storm
        return {}
    tasks = context.tasks or _NO_TABLE
    return {
        schema.LIMIT_SHARE: None if share is None else round(share, 4),
        schema.TASKS_COUNT: tasks.count or None,
        schema.TASKS_RSS: tasks.rss,
        schema.TASK_GROUPS: tuple(map(_group, tasks.groups)) or None,
        schema.TASKS_UNGROUPED: tasks.ungrouped or None,
        schema.TASKS_UNKILLABLE_RSS: tasks.unkillable_rss,
        **(_of_machine(context) if kill.scope == "system" else _of_memcg(context.memcg)),
    }


def _group(group: TaskGroup) -> Mapping[str, Scalar]:
    return {_COMM: group.comm, _COUNT: group.count, _RSS: group.rss}


def _of_memcg(usage: MemcgUsage) -> dict[schema.Attribute, Value | None]:
    return {
        schema.MEMCG_ANON: usage.anon,
        schema.MEMCG_FILE: usage.file,
        schema.MEMCG_SHMEM: usage.shmem,
        schema.MEMCG_FILE_DIRTY: usage.file_dirty,
        schema.MEMCG_FILE_WRITEBACK: usage.file_writeback,
        schema.MEMCG_UNEVICTABLE: usage.unevictable,
        schema.MEMCG_KERNEL: usage.kernel,
        schema.MEMCG_KMEM_USAGE: usage.kmem_usage,
        schema.MEMCG_KMEM_LIMIT: usage.kmem_limit,
        schema.MEMCG_SLAB: usage.slab,
        schema.MEMCG_SOCK: usage.sock,
        schema.MEMCG_PERCPU: usage.percpu,
        schema.MEMCG_PAGETABLES: usage.pagetables,
        schema.MEMCG_KERNEL_STACK: usage.kernel_stack,
        schema.MEMCG_SWAP_USAGE: usage.swap_usage,
        schema.MEMCG_SWAP_LIMIT: usage.swap_limit,
        schema.MEMCG_MEMSW_USAGE: usage.memsw_usage,
        schema.MEMCG_MEMSW_LIMIT: usage.memsw_limit,
    }


def _of_machine(context: Context) -> dict[schema.Attribute, Value | None]:
    usage, zone = context.machine, context.machine.zone
    return {
        schema.MEMORY_ANON: usage.anon,
        schema.MEMORY_FILE: usage.file,
        schema.MEMORY_SHMEM: usage.shmem,
        schema.MEMORY_UNEVICTABLE: usage.unevictable,
        schema.MEMORY_SLAB_UNRECLAIMABLE: usage.slab_unreclaimable,
        schema.MEMORY_SLAB_RECLAIMABLE: usage.slab_reclaimable,
        schema.MEMORY_HUGEPAGES_TOTAL: usage.hugepages_total,
        schema.MEMORY_HUGEPAGES_FREE: usage.hugepages_free,
        schema.MEMORY_PAGETABLES: usage.pagetables,
        schema.MEMORY_KERNEL_STACK: usage.kernel_stack,
        schema.MEMORY_FREE_CMA: usage.free_cma,
        schema.MEMORY_ZONES_FREE: usage.zones_free,
        schema.MEMORY_NODEMASK: context.nodemask,
        schema.MEMORY_MEMS_ALLOWED: context.mems_allowed,
        schema.ZONE_NAME: None if zone is None else zone.name,
        schema.ZONE_NODE: None if zone is None else zone.node,
        schema.ZONE_FREE: None if zone is None else zone.free,
        schema.ZONE_MIN: None if zone is None else zone.min,
    }
