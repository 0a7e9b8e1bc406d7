"""The circumstances of a kill, as its report gives them. Values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from otel_oom.kernel.memory_usage import MachineUsage, MemcgUsage
from otel_oom.kernel.task_table import Task, TaskTotals

Completeness = Literal["full", "partial", "suppressed"]

_NO_MEMCG: Final = MemcgUsage()
_NO_MACHINE: Final = MachineUsage()


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances of a kill, as its report gives them. Sizes are bytes. None: the kernel did not print it.

    memcg_limit: None also if the cgroup has no limit of its own (the kernel prints its largest number)
    memcg, machine: what filled the memory. All None: not printed, or an OOM of the other scope
    nodemask: NUMA nodes of a memory policy, such as `0-1,3`; None also if there is no policy (`(null)`)
    mems_allowed: NUMA nodes of the cpuset of the triggering thread, in the same form
    page_size: of the machine; only the report of a system OOM prints it
    """

    completeness: Completeness
    constraint: str | None = None
    memcg_path: str | None = None
    memcg_usage: int | None = None
    memcg_limit: int | None = None
    trigger_comm: str | None = None
    trigger_pid: int | None = None
    trigger_gfp_mask: str | None = None
    trigger_order: int | None = None
    memory_total: int | None = None
    memory_free: int | None = None
    swap_total: int | None = None
    swap_free: int | None = None
    top_tasks: tuple[Task, ...] = ()
    tasks: TaskTotals | None = None
    nodemask: str | None = None
    mems_allowed: str | None = None
    page_size: int | None = None
    memcg: MemcgUsage = _NO_MEMCG
    machine: MachineUsage = _NO_MACHINE
