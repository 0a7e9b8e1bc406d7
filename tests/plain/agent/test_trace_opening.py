"""What the agent says at its start about the kernel's trace, and what it reads of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import klog

from otel_oom.agent import trace_opening
from otel_oom.agent.trace_opening import NO_TRACE, open_trace
from otel_oom.health import Health
from otel_oom.victim_trace.tracefs_setup import Unavailable
from otel_oom.victim_trace.victim_trace import LostKills, VictimTrace

CGROUPS = "kills without a report get their cgroup from "
LINES = "kills whose lines the kernel log loses are taken from the kernel's trace events"


class Ring:
    """An empty ring."""

    has_missed = False

    def __init__(self) -> None:
        self.reads = 0

    def read_until(self, _time_ns: float) -> list[object]:
        self.reads += 1
        return []

    def overwritten(self) -> int:
        return 0


def opened(monkeypatch: pytest.MonkeyPatch, made: VictimTrace | Unavailable) -> Health:
    def open_victim_trace(*, overwritten: Callable[[int], None]) -> VictimTrace | Unavailable:
        if not isinstance(made, Unavailable):
            overwritten(5)
        return made

    monkeypatch.setattr(trace_opening, "open_victim_trace", open_victim_trace)
    return Health()


@pytest.mark.parametrize(
    ("without_cgroups", "said"),
    [
        (None, f"{CGROUPS}the kernel's trace events"),
        ("no probe", f"{CGROUPS}/proc, which has it for some of them: no probe"),
    ],
)
@pytest.mark.parametrize("is_resumed", [True, False])
def test_an_open_ring(
    monkeypatch: pytest.MonkeyPatch,
    without_cgroups: str | None,
    said: str,
    *,
    is_resumed: bool,
) -> None:
    ring = Ring()
    made = VictimTrace(ring, None, without_cgroups=without_cgroups)  # type: ignore[arg-type]
    health = opened(monkeypatch, made)
    assert open_trace(health, is_resumed=is_resumed) == (made, [said, LINES])
    assert health.trace_overwritten == 5
    assert ring.reads == (0 if is_resumed else 1), "older lines are discarded"


def test_no_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    health = opened(monkeypatch, Unavailable("no tracefs"))
    trace, lines = open_trace(health, is_resumed=True)
    assert trace is NO_TRACE
    assert lines == [f"{CGROUPS}/proc, which has it for some of them: no tracefs"]
    assert health.trace_overwritten is None
    (kill,) = klog.kills([klog.killed()])
    trace.log_lost(is_backlog=False)
    found: object = trace.find(kill)
    assert (found, trace.take_lost((), "boot", 1)) == (None, LostKills())
