"""The writer hands an earlier agent's checkpoint to the reader, and waits until the reader has taken it."""

from __future__ import annotations

import threading

from support.agent_rig import first_checkpoint

from otel_oom.health import Health
from otel_oom.spool.spool import Spool

HOUR_S = 3600.0


def test_the_wait_ends_when_the_checkpoint_is_taken() -> None:
    spool = Spool(Health(), first_checkpoint(), has_writer=True)
    outcomes: list[bool] = []
    spool.hand_over(first_checkpoint())
    writer = threading.Thread(target=lambda: outcomes.append(spool.wait_taken(HOUR_S, lambda: False)), daemon=True)
    writer.start()
    assert spool.earlier_checkpoint is not None
    writer.join(0.1)  # it waits
    assert outcomes == []
    spool.earlier_taken()
    writer.join(10.0)
    assert outcomes == [True]
    assert spool.earlier_checkpoint is None
