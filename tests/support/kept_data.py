"""A sender whose server lies: what it holds is kept, in time and with little memory."""

from __future__ import annotations

from support.peak_memory import peak_growth
from support.pipelines import sending
from support.waiting import eventually

MOST_S = 20.0  # for two attempts and the pause between them; without a deadline an attempt has no end


def expect_kept(variables: dict[str, str], *, timeout_s: float, most_mib: int) -> None:
    """The answers are failures. The server must run in this process, and make no memory of its own."""
    with sending({**variables, "OTEL_EXPORTER_OTLP_TIMEOUT": str(int(timeout_s * 1000))}) as rig:
        growth_mib = peak_growth()
        rig.kill("first", "second")
        assert eventually(lambda: rig.health.exports["logs", "retry"] >= 2, within_s=MOST_S)
        assert eventually(lambda: rig.health.exports["metrics", "retry"] >= 2, within_s=MOST_S)
        assert growth_mib() < most_mib
        assert {outcome for _, outcome in rig.health.exports} == {"retry"}
        assert len(rig.spool) == 2
        assert not rig.health.dropped
