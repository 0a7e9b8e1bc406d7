"""The attributes of `system_oom_kill` that say what filled the memory, and how many tasks.

Their order is that of importance, as in `attributes`. Sizes are bytes. The parts overlap, so they have no sum.
"""

from __future__ import annotations

from typing import Final

from otel_oom.schema.attribute import Attribute


def _memcg(name: str, brief: str) -> Attribute:
    return Attribute(f"oom.memcg.{name}", "int", brief, "By")


def _memory(name: str, brief: str) -> Attribute:
    return Attribute(f"oom.memory.{name}", "int", brief, "By")


LIMIT_SHARE: Final = Attribute(
    "oom.victim.limit_share",
    "double",
    "The victim's rss divided by the limit of the cgroup that was full: 0 to 1, more if other cgroups pay for a part.",
    "1",
)
TASKS_COUNT: Final = Attribute("oom.tasks.count", "int", "Tasks in the report's table.", "{task}")
TASKS_RSS: Final = Attribute(
    "oom.tasks.rss", "int", "Resident memory of all of them. Memory that they share counts again.", "By"
)
TASK_GROUPS: Final = Attribute(
    "oom.tasks.groups", "map[]", "Up to 5 groups of tasks with one name, by rss: comm, count, rss (By)."
)
TASK_GROUP_KEYS: Final = ("comm", "count", "rss")
TASKS_UNGROUPED: Final = Attribute(
    "oom.tasks.ungrouped",
    "int",
    "Tasks that no group counts: there were more than 512 names. Counts of groups are too low by at most this.",
    "{task}",
)
TASKS_UNKILLABLE_RSS: Final = Attribute(
    "oom.tasks.unkillable_rss", "int", "Resident memory of the tasks with oom_score_adj -1000.", "By"
)

MEMCG_ANON: Final = _memcg("anon", "Anonymous memory in that cgroup and those below it (v1: total_rss); not tmpfs.")
MEMCG_FILE: Final = _memcg("file", "Page cache, with tmpfs and shared memory (v1: total_cache).")
MEMCG_SHMEM: Final = _memcg("shmem", "Of this, tmpfs and shared memory.")
MEMCG_FILE_DIRTY: Final = _memcg("file_dirty", "Page cache that is not written yet (v1: total_dirty).")
MEMCG_FILE_WRITEBACK: Final = _memcg("file_writeback", "Page cache that is being written (v1: total_writeback).")
MEMCG_UNEVICTABLE: Final = _memcg("unevictable", "Memory that cannot be reclaimed, such as that of mlock().")
MEMCG_KERNEL: Final = _memcg("kernel", "Memory of the kernel (v2, 5.18+).")
MEMCG_KMEM_USAGE: Final = _memcg("kmem.usage", "Memory of the kernel (v1).")
MEMCG_KMEM_LIMIT: Final = _memcg("kmem.limit", "Its limit; absent if it has none.")
MEMCG_SLAB: Final = _memcg("slab", "Slab caches.")
MEMCG_SOCK: Final = _memcg("sock", "Buffers of sockets.")
MEMCG_PERCPU: Final = _memcg("percpu", "Per-CPU data.")
MEMCG_PAGETABLES: Final = _memcg("pagetables", "Page tables.")
MEMCG_KERNEL_STACK: Final = _memcg("kernel_stack", "Kernel stacks of threads.")
MEMCG_SWAP_USAGE: Final = _memcg("swap.usage", "Swap of that cgroup (v2).")
MEMCG_SWAP_LIMIT: Final = _memcg("swap.limit", "Its limit; absent if it has none.")
MEMCG_MEMSW_USAGE: Final = _memcg("memsw.usage", "Memory and swap together (v1).")
MEMCG_MEMSW_LIMIT: Final = _memcg("memsw.limit", "Its limit; absent if it has none.")

MEMORY_ANON: Final = _memory("anon", "LRU lists of anonymous memory (system OOM); tmpfs and shared memory are on them.")
MEMORY_FILE: Final = _memory("file", "LRU lists of the page cache (system OOM); without tmpfs.")
MEMORY_SHMEM: Final = _memory("shmem", "tmpfs and shared memory (system OOM).")
MEMORY_UNEVICTABLE: Final = _memory("unevictable", "Memory that cannot be reclaimed, such as that of mlock().")
MEMORY_SLAB_UNRECLAIMABLE: Final = _memory("slab_unreclaimable", "Slab caches that cannot be reclaimed (system OOM).")
MEMORY_SLAB_RECLAIMABLE: Final = _memory("slab_reclaimable", "Slab caches that can be reclaimed (system OOM).")
MEMORY_HUGEPAGES_TOTAL: Final = _memory("hugepages_total", "Pages reserved for hugetlbfs, of all sizes (system OOM).")
MEMORY_HUGEPAGES_FREE: Final = _memory("hugepages_free", "Of these, the unused ones.")
MEMORY_PAGETABLES: Final = _memory("pagetables", "Page tables (system OOM).")
MEMORY_KERNEL_STACK: Final = _memory("kernel_stack", "Kernel stacks of threads (system OOM).")
MEMORY_FREE_CMA: Final = _memory("free_cma", "Of the free RAM, what only movable allocations may use (system OOM).")
MEMORY_ZONES_FREE: Final = _memory(
    "zones_free", "Free memory of the NUMA nodes that the allocation may use; a larger `free`: other nodes have more."
)
MEMORY_NODEMASK: Final = Attribute(
    "oom.memory.nodemask", "string", "NUMA nodes of a memory policy, such as `0-1,3`; absent without one (system OOM)."
)
MEMORY_MEMS_ALLOWED: Final = Attribute(
    "oom.memory.mems_allowed", "string", "NUMA nodes of the cpuset of the triggering thread (system OOM)."
)
ZONE_NAME: Final = Attribute(
    "oom.zone.name",
    "string",
    "Of the zones that the allocation may use and that are at their minimum, the largest; if none is, the largest.",
)
ZONE_NODE: Final = Attribute("oom.zone.node", "int", "NUMA node of that zone.")
ZONE_FREE: Final = Attribute("oom.zone.free", "int", "Free memory in that zone.", "By")
ZONE_MIN: Final = Attribute("oom.zone.min", "int", "Its minimum: below this an ordinary allocation fails.", "By")
MEMORY_ATTRIBUTES: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Attribute))
