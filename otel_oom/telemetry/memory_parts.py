"""The parts of a full memory that do not overlap: of the memory cgroup whose limit was hit, or of the machine. No I/O.

The kernel's own numbers overlap (`file` contains `shmem`), so they have no sum. See `kernel.memory_usage`.

Rules:
- A part that the report does not print is left out: absent is not zero.
- No part is negative: the kernel counts its numbers one after the other, while memory is still taken and given back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from otel_oom.kernel.memory_usage import MachineUsage, MemcgUsage
from otel_oom.kernel.oom_kill import OomKill

ANON, SHMEM, UNWRITTEN, CACHE = "anon", "shmem", "unwritten", "cache"
SLAB_RECLAIMABLE, SLAB_UNRECLAIMABLE, SLAB = "slab_reclaimable", "slab_unreclaimable", "slab"
SOCK, PERCPU, PAGETABLES, KERNEL_STACK = "sock", "percpu", "pagetables", "kernel_stack"
KERNEL, KERNEL_OTHER = "kernel", "kernel_other"
HUGEPAGES, UNEVICTABLE, OTHER = "hugepages", "unevictable", "other"

# In a cgroup all kinds are counted, but at different times, and on v1 only those of the cgroup itself.
_NOISE: Final = 16

_ALWAYS_PRINTED: Final = {
    "cgroup": {ANON, CACHE},
    "system": {ANON, CACHE, UNEVICTABLE, SLAB_RECLAIMABLE, SLAB_UNRECLAIMABLE, PAGETABLES},
}

KERNEL_KINDS: Final = frozenset(
    {SLAB_RECLAIMABLE, SLAB_UNRECLAIMABLE, SLAB, SOCK, PERCPU, PAGETABLES, KERNEL_STACK, KERNEL, KERNEL_OTHER}
)


@dataclass(frozen=True, slots=True)
class Parts:
    """A memory and what fills it. Sizes are bytes.

    total: the limit of the cgroup (its usage, if it has no limit), or the machine's memory
    used: of `total`
    sizes: by kind, the largest first, without parts of 0 bytes. `other` is what the report does not count. Empty: the
        report does not say what filled it. If a line of it is lost, only a half of `total` or more is named
    """

    total: int
    used: int
    sizes: tuple[tuple[str, int], ...]


def memory_parts(kill: OomKill) -> Parts | None:
    """Return what filled the memory. None: the report does not print how full it was."""
    context = kill.context
    if kill.scope == "system":
        total, free = context.memory_total, context.memory_free
        if not total or free is None:
            return None
        used, sizes = max(0, total - free), _of_machine(context.machine)
    else:
        sizes = _of_memcg(context.memcg)
        used = sum(sizes.values()) if context.memcg_usage is None else context.memcg_usage
        total = context.memcg_limit or used
        if not total or (context.memcg_usage is None and not sizes):
            return None
    other = used - sum(sizes.values())
    is_cut = not _ALWAYS_PRINTED[kill.scope] <= sizes.keys()
    # A report may be whole but for its lines of huge pages: a filter dropped them, or the kernel is older than 3.10.
    is_cut |= kill.scope == "system" and HUGEPAGES not in sizes and 2 * other >= total
    if is_cut:  # nothing says what the rest is
        sizes = {kind: size for kind, size in sizes.items() if 2 * size >= total}
    elif sizes and (kill.scope == "system" or other * _NOISE > total):
        sizes[OTHER] = other
    ranked = sorted(((kind, size) for kind, size in sizes.items() if size > 0), key=_size_of, reverse=True)
    return Parts(total, used, tuple(ranked))


def _of_memcg(memcg: MemcgUsage) -> dict[str, int]:
    cache = _minus(memcg.file, memcg.shmem)
    unwritten = None
    if memcg.file_dirty is not None or memcg.file_writeback is not None:
        unwritten = (memcg.file_dirty or 0) + (memcg.file_writeback or 0)
        unwritten = unwritten if cache is None else min(cache, unwritten)
    named = {
        SLAB: memcg.slab,
        PERCPU: memcg.percpu,
        PAGETABLES: memcg.pagetables,
        KERNEL_STACK: memcg.kernel_stack,
    }
    kernel = memcg.kmem_usage if memcg.kernel is None else memcg.kernel
    return _known(
        {
            ANON: memcg.anon,
            SHMEM: memcg.shmem,
            UNWRITTEN: unwritten,
            CACHE: _minus(cache, unwritten),
            SOCK: memcg.sock,
            **named,
            KERNEL_OTHER if any(named.values()) else KERNEL: _minus(kernel, sum(size or 0 for size in named.values())),
        }
    )


def _of_machine(machine: MachineUsage) -> dict[str, int]:
    return _known(
        {
            ANON: _minus(machine.anon, machine.shmem),
            SHMEM: machine.shmem,
            CACHE: machine.file,
            UNEVICTABLE: machine.unevictable,
            SLAB_RECLAIMABLE: machine.slab_reclaimable,
            SLAB_UNRECLAIMABLE: machine.slab_unreclaimable,
            PAGETABLES: machine.pagetables,
            KERNEL_STACK: machine.kernel_stack,
            HUGEPAGES: machine.hugepages_total,
        }
    )


def _minus(whole: int | None, part: int | None) -> int | None:
    return None if whole is None else max(0, whole - (part or 0))


def _known(sizes: dict[str, int | None]) -> dict[str, int]:
    return {kind: size for kind, size in sizes.items() if size is not None}


def _size_of(part: tuple[str, int]) -> int:
    return part[1]
