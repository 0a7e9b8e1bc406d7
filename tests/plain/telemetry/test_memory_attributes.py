"""Facts of a report to attributes: each value has its attribute, and what was not printed has none."""

from __future__ import annotations

from dataclasses import fields, replace

from support import klog

from otel_oom import schema
from otel_oom.kernel.memory_usage import MachineUsage, MemcgUsage, Zone
from otel_oom.kernel.task_table import TaskGroup, TaskTotals
from otel_oom.telemetry.event import without_unknown
from otel_oom.telemetry.memory_attributes import memory_attributes

(CGROUP,) = klog.kills(klog.memcg_report())
(SYSTEM,) = klog.kills(klog.system_report())
SIZES = [item.name for item in fields(MachineUsage) if item.name != "zone"]


def test_every_fact_has_an_attribute_of_its_name() -> None:
    memcg = MemcgUsage(*range(1, 1 + len(fields(MemcgUsage))))
    machine = replace(MachineUsage(), **{name: 100 + place for place, name in enumerate(SIZES)})  # type: ignore[arg-type]
    found = {
        **without_unknown(memory_attributes(replace(CGROUP, context=replace(CGROUP.context, memcg=memcg)))),
        **without_unknown(memory_attributes(replace(SYSTEM, context=replace(SYSTEM.context, machine=machine)))),
    }
    for item in fields(MemcgUsage):
        name = f"oom.memcg.{item.name}"
        for counter in ("swap", "memsw", "kmem"):
            name = name.replace(f"{counter}_", f"{counter}.")
        assert found[name] == getattr(memcg, item.name)
    for name in SIZES:
        assert found[f"oom.memory.{name}"] == getattr(machine, name)


def test_the_attributes_are_those_of_the_table() -> None:
    assert {*memory_attributes(CGROUP), *memory_attributes(SYSTEM)} == set(schema.MEMORY_ATTRIBUTES)
    places = [schema.ATTRIBUTES.index(item) for item in schema.MEMORY_ATTRIBUTES]
    assert places == list(range(places[0], places[0] + len(places)))


def test_a_cgroups_kill() -> None:
    assert without_unknown(memory_attributes(CGROUP)) == {
        "oom.victim.limit_share": 1.0361,
        "oom.tasks.count": 2,
        "oom.tasks.rss": 3482 * 4096,
        "oom.tasks.groups": (
            {"comm": "vic", "count": 1, "rss": 3182 * 4096},
            {"comm": "asker", "count": 1, "rss": 300 * 4096},
        ),
        "oom.tasks.unkillable_rss": 0,
        "oom.memcg.anon": 12546048,
        "oom.memcg.file": 0,
        "oom.memcg.kernel": 36864,
        "oom.memcg.swap.usage": 0,
        "oom.memcg.swap.limit": 0,
    }


def test_a_system_kill_names_its_zone_and_nodes() -> None:
    context = replace(
        SYSTEM.context,
        nodemask="1",
        machine=MachineUsage(zone=Zone(node=1, name="Normal", free=5, min=9)),
        tasks=TaskTotals(count=9, rss=None, groups=(TaskGroup("a", 2, 3),), ungrouped=7),
    )
    assert without_unknown(memory_attributes(replace(SYSTEM, context=context))) == {
        "oom.tasks.count": 9,
        "oom.tasks.groups": ({"comm": "a", "count": 2, "rss": 3},),
        "oom.tasks.ungrouped": 7,
        "oom.memory.nodemask": "1",
        "oom.memory.mems_allowed": "0",
        "oom.zone.name": "Normal",
        "oom.zone.node": 1,
        "oom.zone.free": 5,
        "oom.zone.min": 9,
    }


def test_a_kill_without_a_report_has_none() -> None:
    (kill,) = klog.kills([klog.killed()])
    assert without_unknown(memory_attributes(kill)) == {}
