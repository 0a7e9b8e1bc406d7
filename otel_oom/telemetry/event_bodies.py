"""The body of each event: one sentence for people."""

from __future__ import annotations

from otel_oom.kernel.oom_kill import OomKill


def kill_sentence(kill: OomKill) -> str:
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


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
