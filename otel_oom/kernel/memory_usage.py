"""What filled the memory, as an OOM report prints it: of a memory cgroup, and of the machine. Values, no I/O.

Rules:
- Sizes are bytes. None: the kernel did not print it. Absent is not zero.
- Names are the kernel's. The same name may have another meaning for a cgroup than for the machine: see each class.
- The parts of one class overlap, so they have no sum.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemcgUsage:
    """The cgroup whose limit was hit, together with all cgroups below it.

    The three lines beside `memory: usage …`. A limit is None also if none is set:

    swap_usage, swap_limit: `swap:` (cgroup v2)
    memsw_usage, memsw_limit: `memory+swap:` (v1): the memory is a part of it, so usage of swap is the difference
    kmem_usage, kmem_limit: `kmem:` (v1): memory of the kernel, a part of the memory

    Its statistics (`Memory cgroup stats for`), v1's names in parentheses. anon, file and kernel make up the memory:

    anon: memory of processes without a file (rss); not tmpfs
    file: page cache (cache); **tmpfs and shared memory are a part of it**
    shmem: tmpfs and shared memory (shmem)
    file_dirty, file_writeback: page cache that is not written yet, and that is being written (dirty, writeback)
    unevictable: pages that cannot be reclaimed, such as mlock() makes
    kernel: memory of the kernel (5.18+). The following are parts of it. v1 and older kernels: see kmem_usage, and slab
    slab, kernel_stack, pagetables, percpu: slab caches, stacks of threads, page tables, per-CPU data
    sock: buffers of sockets. They are charged beside `kernel`
    """

    swap_usage: int | None = None
    swap_limit: int | None = None
    memsw_usage: int | None = None
    memsw_limit: int | None = None
    kmem_usage: int | None = None
    kmem_limit: int | None = None
    anon: int | None = None
    file: int | None = None
    shmem: int | None = None
    file_dirty: int | None = None
    file_writeback: int | None = None
    unevictable: int | None = None
    kernel: int | None = None
    slab: int | None = None
    kernel_stack: int | None = None
    pagetables: int | None = None
    percpu: int | None = None
    sock: int | None = None


@dataclass(frozen=True, slots=True)
class Zone:
    """The zone that decided: of those that the allocation may use and that are at their minimum, the largest.

    If none is at its minimum (an allocation of many pages in a row, SysRq-f): the largest that it may use.

    node: number of its NUMA node; None: the kernel has no NUMA
    name: DMA, DMA32, Normal, HighMem, Movable or Device
    free: free memory in it; min: below this an ordinary allocation fails
    largest_order: order of the largest free block that an ordinary allocation may use (2^order pages in a row);
        -1: there is none
    """

    node: int | None
    name: str
    free: int
    min: int
    largest_order: int | None = None


@dataclass(frozen=True, slots=True)
class MachineUsage:
    """The machine's memory: Mem-Info in the report of a system OOM.

    anon: the LRU lists of anonymous memory: active, inactive, isolated. **tmpfs and shared memory are on these lists**
    file: the LRU lists of the page cache: active, inactive, isolated; without tmpfs
    shmem: tmpfs and shared memory
    unevictable: pages on no such list, because they cannot be reclaimed, such as mlock() and ramfs make
    slab_reclaimable, slab_unreclaimable, pagetables: slab caches, page tables
    kernel_stack: stacks of threads, of all nodes in the report
    free_cma: free memory for devices, which only movable allocations may use; a part of the free memory (3.10+)
    hugepages_total, hugepages_free: pages reserved for hugetlbfs, of all sizes and of all nodes in the report (3.10+)
    zone: see `Zone`
    zones_free: free memory of all zones in the report. From 2.6.39 on these are only zones of the nodes that the
        allocation may use: a larger `memory_free` means that other nodes have free memory
    """

    anon: int | None = None
    file: int | None = None
    shmem: int | None = None
    unevictable: int | None = None
    slab_reclaimable: int | None = None
    slab_unreclaimable: int | None = None
    pagetables: int | None = None
    kernel_stack: int | None = None
    free_cma: int | None = None
    hugepages_total: int | None = None
    hugepages_free: int | None = None
    zone: Zone | None = None
    zones_free: int | None = None
