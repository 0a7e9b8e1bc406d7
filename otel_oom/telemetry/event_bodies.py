"""The body of each event: one English sentence for people. No I/O."""

from __future__ import annotations

from typing import Final

from otel_oom.kernel.oom_kill import OomKill
from otel_oom.printable_text import printable_text
from otel_oom.telemetry.container_from_cgroup import Owner
from otel_oom.telemetry.oom_reason import reason
from otel_oom.telemetry.reason_facts import MAX_NAME_CHARS, MAX_PATH_CHARS, shortened

MAX_BODY_CHARS: Final = 512
_MAX_ID_CHARS: Final = 12  # what Docker and crictl print, and what they accept


def kill_body(kill: OomKill, owner: Owner, cgroup: str | None) -> str:
    """Return the sentence of a kill: who, whose, which limit, what filled it, how many. Printable, and one line.

        gunicorn (pid 4711, pod uid 6f1c…, container 9c41d8a07f5e) was OOM-killed:
        its pod's 512 MiB limit is full of anonymous memory (498 MiB), 24 x gunicorn hold 489 MiB

    cgroup: path of the victim's cgroup, printable, also if the report does not print it; owner: of this cgroup
    """
    comm = "a process" if kill.comm is None else kill.comm or "(a process without a name)"
    whose = [f"pid {kill.pid}", *_owner(owner, cgroup, kill.context.memcg_path)]
    _, why = reason(kill, owner, cgroup)
    body = printable_text(f"{comm} ({', '.join(whose)}) was OOM-killed: {why}")
    return body if len(body) <= MAX_BODY_CHARS else f"{body[: MAX_BODY_CHARS - 1]}…"


def _owner(owner: Owner, cgroup: str | None, limited: str | None) -> list[str]:
    """Return the names of the owner, or else the path of the cgroup. limited: a path that the sentence names anyway."""
    named = [
        f"pod uid {owner.pod_uid}" if owner.pod_uid else "",
        f"container {owner.container_id[:_MAX_ID_CHARS]}" if owner.container_id else "",
        f"container {shortened(owner.container_name, MAX_NAME_CHARS)}" if owner.container_name else "",
    ]
    if not any(named) and owner.unit:
        named = [f"unit {shortened(owner.unit, MAX_NAME_CHARS)}"]
    if not any(named) and cgroup not in {None, "/", limited}:
        named = [f"cgroup {shortened(cgroup or '', MAX_PATH_CHARS)}"]
    return [name for name in named if name]


def no_victim_body() -> str:
    """Return the body of a `system_oom_no_victim` event."""
    return "the kernel was out of memory and found no process that it may kill"


def unaccounted_body(count: int) -> str:
    """Return the body of a `system_oom_unaccounted` event."""
    return f"the kernel counted {_plural(count, 'OOM kill')} that its log did not show"


def unconfirmed_body(count: int) -> str:
    """Return the body of a `system_oom_unconfirmed` event."""
    return f"the kernel log showed {_plural(count, 'OOM kill')} that the kernel did not count: the text may be forged"


def records_lost_body(count: int) -> str:
    """Return the body of a `kmsg_records_lost` event."""
    return f"{_plural(count, 'record')} of the kernel log {'was' if count == 1 else 'were'} overwritten before the read"


def clock_jumped_body(jumped_s: float) -> str:
    """Return the body of a `wall_clock_jumped` event."""
    return f"the wall clock left the kernel's clock by {jumped_s:+.1f} s: the machine slept, or the clock was set"


def agent_killed_body(kill: OomKill) -> str:
    """Return the body of an `otel_oom_agent_killed` event."""
    return f"otel-oom itself (pid {kill.pid}) was OOM-killed; its next start found it in the kernel log"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
