"""The rules of the sentence, each with a real capture in which it fires: the tables of docs/parse.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from support import corpus
from support.klog import CAPTURES

from otel_oom.kernel.oom_kill import OomKill
from otel_oom.telemetry.kill_event import LiveFacts, victim_owner
from otel_oom.telemetry.memory_parts import memory_parts
from otel_oom.telemetry.oom_reason import reason
from otel_oom.telemetry.reason_additions import ADDITIONS
from otel_oom.telemetry.reason_facts import Facts, Rule
from otel_oom.telemetry.what_was_full import CAUSES
from otel_oom.telemetry.whose_limit import LIMITS

#: rule -> a capture in which it fires, and one that is near to it, in which it does not
FIRES: dict[str, tuple[str, str]] = {
    "container's limit": ("v618-cgroup-v1-cache", "v618-cgroup-v1-pod"),
    "pod's limit": ("v612-cgroup-pod", "v618-cgroup-v1-cache"),
    "unit's limit": ("v612-cgroup-anon", "v618-cgroup-v1"),
    "ancestor's limit": ("v618-long-path", "v618-cgroup-v1"),
    "own limit": ("v618-cgroup-v1", "v618-long-path"),
    "unnamed limit": ("v618-storm", "v618-cgroup-v1"),
    "sysrq": ("v612-system-sysrq", "v61-system-zones"),
    "nodes full": ("v61-nodemask", "v61-system-zones"),
    "fragmented": ("v612-system-order3", "v612-system-sysrq"),
    "zone full": ("v612-system-zone", "v612-system-slab"),
    "anonymous": ("v612-cgroup-anon", "v612-cgroup-tmpfs"),
    "tmpfs": ("v612-cgroup-tmpfs", "v612-cgroup-anon"),
    "dirty": ("v612-cgroup-dirty", "v618-cgroup-v1-cache"),
    "page cache": ("v618-cgroup-v1-cache", "v618-cgroup-v1-mixed"),
    "kernel": ("v612-system-slab", "v612-system-hugepages"),
    "huge pages": ("v612-system-hugepages", "v612-system-slab"),
    "unevictable": ("v612-system-ramfs", "v612-system-hugepages"),
    "not counted": ("v612-system-pipes", "v612-system-ramfs"),
    "mixed": ("v618-cgroup-v1-mixed", "v618-cgroup-v1-cache"),
    "reached": ("v618-storm", "v618-cgroup-v1"),
    "unkillable": ("v612-system-protected", "v61-system-zones"),
    "several": ("v612-cgroup-anon", "v612-cgroup-tmpfs"),
    "one": ("v612-cgroup-tmpfs", "v612-cgroup-anon"),
    "no swap": ("v61-system-zones", "v612-system-hugepages"),
    "swap full": ("v612-cgroup-swap-full", "v612-system-hugepages"),
    "memory+swap full": ("v61-cgroup-v1-swap", "v612-cgroup-swap-full"),
    "group": ("v612-cgroup-group", "v612-cgroup-anon"),
}


def kills(stem: str) -> list[OomKill]:
    """All kills of a capture."""
    (capture,) = [path for path in CAPTURES if path.stem == stem]
    return corpus.kills(capture.read_bytes())


def rules(kill: OomKill) -> tuple[str, ...]:
    """The names of the rules that fire for a kill."""
    names, _ = reason(kill, victim_owner(kill, LiveFacts()), kill.cgroup)
    return names


def table(of: Sequence[Rule]) -> Callable[[], str]:
    """The table of some rules: the condition, and the words in a capture."""
    return lambda: "\n".join(["| when | for example |", "| --- | --- |", *map(_row, of)])


def _row(rule: Rule) -> str:
    kill = next(kill for kill in kills(FIRES[rule.name][0]) if rule.name in rules(kill))
    facts = Facts(kill, victim_owner(kill, LiveFacts()), kill.cgroup, memory_parts(kill))
    return f"| {rule.when} | {rule.words(facts)} |"


TABLES = {"limits": table(LIMITS), "causes": table(CAUSES), "additions": table(ADDITIONS)}
