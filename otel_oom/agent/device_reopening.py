"""Opens the kernel log device again after it has closed: every 5 s, until it is open or the agent stops."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from otel_oom.errors import OtelOomError
from otel_oom.health import Health
from otel_oom.kernel.log_source import Closed, Source
from otel_oom.machine.service_manager import ServiceManager

_REOPEN_S: Final = 5.0


def reopen(
    source: Source,
    closed: Closed,
    health: Health,
    service: ServiceManager,
    wake_sender: Callable[[], None],
    *,
    is_stopped: Callable[[], bool],
) -> None:
    """Return when the source is open again or the agent is stopped. Each failure is counted and logged in `health`.

    wake_sender: the sender exports the state of the device at once, not with the next heartbeat
    """
    reason = closed.reason
    while not is_stopped():
        health.device_down(reason)
        wake_sender()
        source.wait(min(_REOPEN_S, service.longest_wait_s))
        service.turned(time.monotonic())
        try:
            source.open()
        except OtelOomError as error:
            reason = error.problem
        else:
            health.device_up()
            wake_sender()
            return
