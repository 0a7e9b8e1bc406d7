"""What was full, and of what: the main part of the sentence. No I/O.

Sources: mm/oom_kill.c, mm/page_alloc.c (`__zone_watermark_ok`), mm/show_mem.c, and the kernel's
Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from otel_oom.telemetry import memory_parts
from otel_oom.telemetry.memory_parts import Parts
from otel_oom.telemetry.reason_facts import MAX_NAME_CHARS, NEARLY_ALL, Facts, Rule, shortened, size
from otel_oom.telemetry.whose_limit import whose_limit

_HIGHEST_ORDER: Final = 10  # MAX_ORDER
_MUCH: Final = 16  # a 16th of a memory is a notable part of it
_NODES: Final = {"cpuset": "the cpuset's NUMA nodes", "memory_policy": "the memory policy's NUMA nodes"}

KIND_WORDS: Final = {
    memory_parts.ANON: "anonymous memory",
    memory_parts.SHMEM: "tmpfs and shared memory",
    memory_parts.UNWRITTEN: "dirty page cache",
    memory_parts.CACHE: "page cache",
    memory_parts.SLAB: "kernel slab",
    memory_parts.SLAB_RECLAIMABLE: "reclaimable kernel slab",
    memory_parts.SLAB_UNRECLAIMABLE: "unreclaimable kernel slab",
    memory_parts.SOCK: "socket buffers",
    memory_parts.PERCPU: "per-CPU kernel memory",
    memory_parts.PAGETABLES: "page tables",
    memory_parts.KERNEL_STACK: "kernel stacks",
    memory_parts.KERNEL: "kernel memory",
    memory_parts.KERNEL_OTHER: "other kernel memory",
    memory_parts.HUGEPAGES: "reserved huge pages",
    memory_parts.UNEVICTABLE: "unevictable memory",
    memory_parts.OTHER: "memory that the report does not count",
}
"""What `memory_parts` distinguishes, as a sentence names it."""


def _free_elsewhere(facts: Facts) -> int:
    """Free memory of NUMA nodes that the allocation may not use, bytes."""
    free, here = facts.context.memory_free, facts.context.machine.zones_free
    return 0 if free is None or here is None else max(0, free - here)


def _are_other_nodes_free(facts: Facts) -> bool:
    free, total = _free_elsewhere(facts), facts.context.memory_total
    return bool(total) and free * _MUCH > (total or 0)


def _is_bound(facts: Facts) -> bool:
    return facts.is_system and facts.context.constraint in _NODES


def _is_bound_to_full_nodes(facts: Facts) -> bool:
    return _is_bound(facts) and _are_other_nodes_free(facts)


def _is_fragmented(facts: Facts) -> bool:
    order, zone = facts.context.trigger_order, facts.context.machine.zone
    if not facts.is_system or order is None or zone is None:
        return False
    has_block = zone.largest_order is not None and zone.largest_order >= order
    return 0 < order <= _HIGHEST_ORDER and zone.free > 2 * zone.min and not has_block


def _is_one_zone_full(facts: Facts) -> bool:
    zone, free, total = facts.context.machine.zone, facts.context.memory_free, facts.context.memory_total
    if not facts.is_system or zone is None or free is None or not total:
        return False
    return zone.free <= zone.min and (free - zone.free) * _MUCH > total


def _is_full_of(*kinds: str) -> Callable[[Facts], bool]:
    """At least a half of the memory is one of these kinds."""

    def holds(facts: Facts) -> bool:
        return facts.largest in kinds and facts.parts is not None and 2 * facts.parts.sizes[0][1] >= facts.parts.total

    return holds


def _is_counted(facts: Facts) -> bool:
    return facts.largest is not None


def _by_hand(facts: Facts) -> str:
    free, total = facts.context.memory_free, facts.context.memory_total
    state = "" if free is None or total is None else f", {size(free)} of {size(total)} were free"
    return f"by hand (SysRq-f){state}"


def _bound_to_full_nodes(facts: Facts) -> str:
    return f"{_nodes(facts)} are full, while other nodes have {size(_free_elsewhere(facts))} free"


def _nodes(facts: Facts) -> str:
    """Return `the cpuset's NUMA nodes (0-1)`."""
    context = facts.context
    nodes = context.mems_allowed if context.constraint == "cpuset" else context.nodemask
    return _NODES[context.constraint or ""] + (f" ({shortened(nodes, MAX_NAME_CHARS)})" if nodes else "")


def _fragmented(facts: Facts) -> str:
    order, zone = facts.context.trigger_order or 0, facts.context.machine.zone
    free = zone.free if zone else 0
    return f"free memory is fragmented: no {1 << order} contiguous pages (order {order}), while {size(free)} are free"


def _one_zone_full(facts: Facts) -> str:
    zone, free = facts.context.machine.zone, facts.context.memory_free or 0
    assert zone is not None
    node = "" if zone.node is None else f" of NUMA node {zone.node}"
    zone_name = shortened(zone.name, MAX_NAME_CHARS)
    return f"memory zone {zone_name}{node} is full, while other zones have {size(free - zone.free)} free"


def _full(facts: Facts) -> str:
    """Return `its pod's 512 MiB limit is full of anonymous memory (498 MiB)`."""
    parts = facts.parts
    assert parts is not None
    return f"{_memory(facts, parts, ' of', ', mostly by')} {_amount(parts.sizes[0])}"


def _mixed(facts: Facts) -> str:
    """Return `… is full: anonymous memory (40 MiB), page cache (30 MiB)`: what makes up a 16th at least."""
    parts = facts.parts
    assert parts is not None
    shown = [part for part in parts.sizes[:3] if part[1] * _MUCH >= parts.total] or [parts.sizes[0]]
    return f"{_memory(facts, parts, ':', ':')} {', '.join(map(_amount, shown))}"


def _amount(part: tuple[str, int]) -> str:
    kind, amount = part
    return f"{KIND_WORDS[kind]} ({size(amount)})"


def _memory(facts: Facts, parts: Parts, if_full: str, else_: str) -> str:
    """Return `its pod's 512 MiB limit is full`, and these words: the second ones if the report prints less usage."""
    limit = facts.context.memory_total if facts.is_system else facts.context.memcg_limit
    if limit is None or parts.used < NEARLY_ALL * limit:
        where = " on the whole machine" if _is_bound(facts) else ""
        return f"{_reached(facts)}, with {size(parts.used)} in use{where}{else_}"
    if facts.is_system:
        return f"the machine's {size(limit)} are full{if_full}"
    return f"{whose_limit(facts).words(facts)} is full{if_full}"


def _reached(facts: Facts) -> str:
    if not facts.is_system:
        return f"{whose_limit(facts).words(facts)} was reached"
    return f"{_nodes(facts)} were out of memory" if _is_bound(facts) else "the machine was out of memory"


_KERNEL_KINDS: Final = tuple(sorted(memory_parts.KERNEL_KINDS))

CAUSES: Final = (
    Rule("sysrq", "somebody asked for the kill (order -1)", lambda facts: facts.is_sysrq, _by_hand),
    Rule(
        "nodes full",
        "a cpuset or memory policy allows some NUMA nodes only, and a 16th of the RAM is free on others",
        _is_bound_to_full_nodes,
        _bound_to_full_nodes,
    ),
    Rule(
        "fragmented",
        "the allocation is of several pages in a row, and its memory zone has more than twice its minimum free,"
        " but no free block of that size",
        _is_fragmented,
        _fragmented,
    ),
    Rule(
        "zone full",
        "the memory zone is at its minimum, and a 16th of the RAM is free in others",
        _is_one_zone_full,
        _one_zone_full,
    ),
    Rule("anonymous", "half of the memory is anonymous", _is_full_of(memory_parts.ANON), _full),
    Rule("tmpfs", "half of it is tmpfs or shared memory", _is_full_of(memory_parts.SHMEM), _full),
    Rule(
        "dirty",
        "half of it is page cache that is not written yet, or is being written (cgroup)",
        _is_full_of(memory_parts.UNWRITTEN),
        _full,
    ),
    Rule("page cache", "half of it is other page cache", _is_full_of(memory_parts.CACHE), _full),
    Rule(
        "kernel",
        "half of it is one kind of kernel memory: slab, socket buffers, per-CPU memory, page tables, stacks",
        _is_full_of(*_KERNEL_KINDS),
        _full,
    ),
    Rule("huge pages", "half of it is reserved for huge pages (machine)", _is_full_of(memory_parts.HUGEPAGES), _full),
    Rule(
        "unevictable",
        "half of it cannot be reclaimed: ramfs, mlock (machine)",
        _is_full_of(memory_parts.UNEVICTABLE),
        _full,
    ),
    Rule(
        "not counted",
        "half of it is none of these (machine): memory of drivers, vmalloc, BPF maps, pipes, reserved pages;"
        " only if the lines of huge pages are there",
        _is_full_of(memory_parts.OTHER),
        _full,
    ),
    Rule("mixed", "no kind makes up a half", _is_counted, _mixed),
    Rule("reached", "the report does not say what filled it", lambda _: True, _reached),
)
"""Exactly one is used: the first one that holds."""
