"""The body of each event: one English sentence for people. No I/O."""

from __future__ import annotations

from otel_oom.kernel.oom_kill import OomKill


def kill_body(kill: OomKill) -> str:
    """Return, for example, `java (pid 9) was OOM-killed: 20.0 MiB RSS, cgroup /g at its 32.0 MiB limit`."""
    comm = kill.comm if kill.comm is not None else "a process"
    memory = "" if kill.rss is None else f" {_mib(kill.rss)} RSS,"
    context = kill.context
    if kill.scope == "system":
        where = "the machine was out of memory"
    elif context.memcg_path is None:
        where = "its cgroup was at its limit"
    elif context.memcg_limit is None:
        where = f"cgroup {context.memcg_path} at its limit"
    else:
        where = f"cgroup {context.memcg_path} at its {_mib(context.memcg_limit)} limit"
    return f"{comm} (pid {kill.pid}) was OOM-killed:{memory} {where}"


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


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
