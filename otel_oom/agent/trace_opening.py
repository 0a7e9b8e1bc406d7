"""Opens the kernel's trace of victims for an agent, and says what it gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from otel_oom.health import Health
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.victim_trace.tracefs_setup import Unavailable
from otel_oom.victim_trace.victim_trace import LostKills, TracedCgroup, open_victim_trace


class Trace(Protocol):
    """See `VictimTrace`."""

    def find(self, kill: OomKill) -> TracedCgroup | None:
        """The cgroup of the victim of a kill."""

    def log_lost(self, *, is_backlog: bool) -> None:
        """Records of the kernel log were lost."""

    def take_lost(self, read: Iterable[OomKill], boot_id: str, observed_ns: int) -> LostKills:
        """The kills whose lines are lost."""


class _NoTrace:
    """There is no trace ring, or this agent does not read it."""

    def find(self, _kill: OomKill) -> TracedCgroup | None:
        return None

    def log_lost(self, *, is_backlog: bool) -> None:
        pass

    def take_lost(self, _read: Iterable[OomKill], _boot_id: str, _observed_ns: int) -> LostKills:
        return LostKills()


NO_TRACE: Final = _NoTrace()


def open_trace(health: Health, *, is_resumed: bool) -> tuple[Trace, list[str]]:
    """Open the trace ring of this machine. Raises nothing. Returns it, and log lines that say what it gives.

    is_resumed: counting goes on where an earlier agent ended. If not, the kill lines that are in the ring are older
    than the counting.
    """
    trace = open_victim_trace(overwritten=health.trace_ring_read)
    reason = trace.reason if isinstance(trace, Unavailable) else trace.without_cgroups
    from_where = "the kernel's trace events" if reason is None else f"/proc, which has it for some of them: {reason}"
    lines = [f"kills without a report get their cgroup from {from_where}"]
    if isinstance(trace, Unavailable):
        return NO_TRACE, lines
    if not is_resumed:
        trace.discard_lines()
    return trace, [*lines, "kills whose lines the kernel log loses are taken from the kernel's trace events"]
