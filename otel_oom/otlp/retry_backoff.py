"""When to retry: without end, with full jitter, in monotonic time. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_FIRST_S: Final = 0.25
_CAP_LOOPBACK_S: Final = 1.0
_CAP_S: Final = 5.0
_CAP_LONG_S: Final = 30.0
_LONG_OUTAGE_S: Final = 300.0
_PROBE_S: Final = 1.0
# Where waiting does not help: a kill still causes an attempt, because somebody may have set the key. A storm of kills
# causes only one attempt in this time.
_PROBE_RARELY_S: Final = 5.0
_RETRY_AFTER_CAP_S: Final = 3600.0  # a server that names a year must not stop all exports


class Backoff:
    """The retries of one signal. jitter(low, high) returns a random number between the two."""

    def __init__(self, *, is_loopback: bool, jitter: Callable[[float, float], float]) -> None:
        self._is_loopback = is_loopback
        self._jitter = jitter
        self.due_s = 0.0
        """When the next attempt is allowed, monotonic seconds."""
        self._step_s = _FIRST_S
        self._began_s: float | None = None
        self._attempted_s = 0.0
        self._not_before_s = 0.0
        self._probe_s = _PROBE_S

    @property
    def is_outage(self) -> bool:
        """Whether the last attempt failed."""
        return self._began_s is not None

    def failed(self, now_s: float, retry_after_s: float | None, *, needs_operator: bool = False) -> None:
        """An attempt failed. No attempt is made before the time that the server names, not even an early probe.

        needs_operator: waiting does not help, so attempts are rare from the start, also on loopback
        """
        if self._began_s is None:
            self._began_s = now_s
        self._attempted_s = now_s
        if needs_operator:
            cap_s = _CAP_LONG_S
        elif self._is_loopback:
            cap_s = _CAP_LOOPBACK_S
        else:
            cap_s = _CAP_S if now_s - self._began_s < _LONG_OUTAGE_S else _CAP_LONG_S
        self._probe_s = _PROBE_RARELY_S if needs_operator else _PROBE_S
        self._not_before_s = now_s + min(retry_after_s or 0.0, _RETRY_AFTER_CAP_S)
        self.due_s = max(self._not_before_s, now_s + self._jitter(0.0, min(self._step_s, cap_s)))
        self._step_s = min(self._step_s * 2, _CAP_LONG_S)

    def succeeded(self) -> None:
        """The outage is over."""
        self.due_s, self._step_s, self._began_s, self._not_before_s = 0.0, _FIRST_S, None, 0.0

    def probe(self) -> None:
        """There is something new to send: attempt early, but not before the time that the server named.

        At most one attempt a second; one in 5 s where waiting does not help.
        """
        self.due_s = min(self.due_s, max(self._not_before_s, self._attempted_s + self._probe_s))

    def hurry(self) -> None:
        """Attempt at once, unless the server named a time. For the end of the agent, and for a reconnect."""
        self.due_s = min(self.due_s, self._not_before_s)
