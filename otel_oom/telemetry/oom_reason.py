"""Why a process was OOM-killed: rules, each a condition on the facts of the report, and words. No I/O.

    its pod's 512 MiB limit is full of anonymous memory (498 MiB), 24 x gunicorn hold 489 MiB
    ^ LIMITS               ^ CAUSES: the first that holds          ^ ADDITIONS: each that holds

Rules:
- Words say only what the report prints. They give no advice, and do not guess what the memory was for.
- A condition that needs a number which the report does not print does not hold.
- Names are shortened. The attributes have them whole.
- The words may hold names, which a process or the creator of a cgroup chose: `event_bodies` makes them printable.
"""

from __future__ import annotations

from otel_oom.kernel.oom_kill import OomKill
from otel_oom.telemetry import memory_parts
from otel_oom.telemetry.container_from_cgroup import Owner
from otel_oom.telemetry.reason_additions import ADDITIONS
from otel_oom.telemetry.reason_facts import Facts
from otel_oom.telemetry.what_was_full import CAUSES
from otel_oom.telemetry.whose_limit import whose_limit


def reason(kill: OomKill, owner: Owner, cgroup: str | None) -> tuple[tuple[str, ...], str]:
    """Return the names of the rules that hold, and their words, joined."""
    facts = Facts(kill, owner, cgroup, memory_parts.memory_parts(kill))
    cause = next(rule for rule in CAUSES if rule.holds(facts))
    rules = (cause, *(rule for rule in ADDITIONS if rule.holds(facts)))
    names = [rule.name for rule in rules]
    if kill.scope == "cgroup":
        names.insert(0, whose_limit(facts).name)
    return tuple(names), ", ".join(rule.words(facts) for rule in rules)
