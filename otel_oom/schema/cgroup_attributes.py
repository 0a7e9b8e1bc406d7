"""The attributes that the agent reads from the cgroup filesystem and from /proc/pressure, right after a kill.

The kernel's report has its own: what ends in `usage` or `limit` is from the moment of the kill itself. These here carry
the names of the files of cgroup v2, also on v1 where the meaning is the same. Their order is that of importance.
"""

from __future__ import annotations

from typing import Final

from otel_oom.schema.attribute import Attribute

MEMCG_READ_FROM: Final = Attribute(
    "oom.memcg.read_from",
    "string",
    "Whose files the `oom.memcg.*` values below were read from, right after the kill: `limit`: the cgroup in"
    " `oom.memcg.path`; `victim`: the one in `oom.victim.cgroup`.",
)
MEMCG_MAX: Final = Attribute(
    "oom.memcg.max", "int", "memory.max (v1: memory.limit_in_bytes); absent: that cgroup has no limit of its own.", "By"
)
MEMCG_EVENTS_OOM_KILL: Final = Attribute(
    "oom.memcg.events.oom_kill",
    "int",
    "memory.events: processes killed in that cgroup so far, this one included (v1: without those below it).",
    "1",
)
MEMCG_EVENTS_OOM: Final = Attribute(
    "oom.memcg.events.oom", "int", "memory.events: how often its limit was hit and nothing could be reclaimed.", "1"
)
MEMCG_EVENTS_MAX: Final = Attribute(
    "oom.memcg.events.max", "int", "memory.events: how often its usage was about to exceed memory.max.", "1"
)
MEMCG_FAILCNT: Final = Attribute(
    "oom.memcg.failcnt", "int", "v1, memory.failcnt: how often its usage was about to exceed its limit.", "1"
)
MEMCG_PEAK: Final = Attribute(
    "oom.memcg.peak",
    "int",
    "memory.peak (5.19+; v1: memory.max_usage_in_bytes): the most that it ever used.",
    "By",
)
MEMCG_PRESSURE_FULL_AVG10: Final = Attribute(
    "oom.memcg.pressure.full.avg10",
    "double",
    "memory.pressure: of the last 10 s, the share in which all its tasks waited for memory.",
    "%",
)
MEMCG_PRESSURE_SOME_AVG10: Final = Attribute(
    "oom.memcg.pressure.some.avg10", "double", "The same, in which at least one task waited.", "%"
)
MEMCG_PRESSURE_FULL_AVG60: Final = Attribute("oom.memcg.pressure.full.avg60", "double", "All tasks, last 60 s.", "%")
MEMCG_PRESSURE_SOME_AVG60: Final = Attribute(
    "oom.memcg.pressure.some.avg60", "double", "At least one task, last 60 s.", "%"
)
PRESSURE_FULL_AVG10: Final = Attribute(
    "oom.memory.pressure.full.avg10",
    "double",
    "/proc/pressure/memory: the same of the whole machine, in all kills: all tasks, last 10 s.",
    "%",
)
PRESSURE_SOME_AVG10: Final = Attribute(
    "oom.memory.pressure.some.avg10", "double", "Machine: at least one task, last 10 s.", "%"
)
PRESSURE_FULL_AVG60: Final = Attribute(
    "oom.memory.pressure.full.avg60", "double", "Machine: all tasks, last 60 s.", "%"
)
PRESSURE_SOME_AVG60: Final = Attribute(
    "oom.memory.pressure.some.avg60", "double", "Machine: at least one task, last 60 s.", "%"
)
MEMCG_SWAP_MAX: Final = Attribute("oom.memcg.swap.max", "int", "memory.swap.max; absent: no limit of its own.", "By")
MEMCG_MEMSW_MAX: Final = Attribute(
    "oom.memcg.memsw.max",
    "int",
    "v1, memory.memsw.limit_in_bytes: limit of memory and swap together; absent: none of its own.",
    "By",
)
MEMCG_HIGH: Final = Attribute("oom.memcg.high", "int", "memory.high; absent: no such limit.", "By")
MEMCG_SOFT_LIMIT: Final = Attribute(
    "oom.memcg.soft_limit", "int", "v1, memory.soft_limit_in_bytes; absent: no such limit.", "By"
)
MEMCG_EVENTS_HIGH: Final = Attribute(
    "oom.memcg.events.high", "int", "memory.events: how often its tasks were throttled above memory.high.", "1"
)
MEMCG_OOM_GROUP: Final = Attribute(
    "oom.memcg.oom.group", "bool", "memory.oom.group: whether a kill ends all its processes."
)
MEMCG_EVENTS_OOM_GROUP_KILL: Final = Attribute(
    "oom.memcg.events.oom_group_kill", "int", "memory.events (5.17+): how often all its processes were killed.", "1"
)
MEMCG_LOW: Final = Attribute("oom.memcg.low", "int", "memory.low: what reclaim leaves it, where possible.", "By")
MEMCG_EVENTS_LOW: Final = Attribute(
    "oom.memcg.events.low", "int", "memory.events: how often it was reclaimed below memory.low.", "1"
)

CGROUP_ATTRIBUTES: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Attribute))
