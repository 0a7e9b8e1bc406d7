"""One log line for each kill, with the sentence of its event, at most ten in five seconds.

    java (pid 4711) was OOM-killed: 498.2 MiB RSS, cgroup /g at its 512.0 MiB limit
    490 more kill(s) within 5 s have no line here; each has its event

Rules:
- A kill is logged after its event is in the spool. No failure here reaches the reader: the kill counts as not shown.
- The reader calls `end_turn` at `due_s`. So the number of kills that were not shown follows a storm, without another
  kill and without a thread of its own.
- The body of an event holds text that processes chose. `log_output` makes one printable line of it.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from otel_oom import schema
from otel_oom.telemetry.event import Event

log = logging.getLogger(__name__)

_MAX_LINES: Final = 10
_PERIOD_S: Final = 5.0


class KillLog:
    """Logs kills. is_on: False logs nothing; now_s: monotonic seconds."""

    def __init__(self, *, is_on: bool = True, now_s: Callable[[], float] = time.monotonic) -> None:
        self._is_on = is_on
        self._now_s = now_s
        self._shown_s: deque[float] = deque(maxlen=_MAX_LINES)
        """When the newest lines were logged."""
        self._muted_s: float | None = None
        """Since when kills have no line. It lasts a period, so a burst has at most eleven lines whenever it begins."""
        self._hidden = 0
        self._backlog = 0

    def add(self, events: Iterable[Event]) -> None:
        """These events are in the spool. Does not raise."""
        if self._is_on:
            with suppress(Exception):  # no memory: the reader must not pass the same events on again
                for event in events:
                    if event.name == schema.OOM_KILL:
                        self._add(event)

    @property
    def due_s(self) -> float:
        """When `end_turn` has a line to log, monotonic seconds; inf: it has none."""
        return math.inf if self._muted_s is None else self._muted_s + _PERIOD_S

    def end_turn(self, *, is_backlog: bool) -> None:
        """The reader has passed on what it read. is_backlog: it still reads what is older than the agent's start."""
        self._unmute()
        if self._backlog and not is_backlog:
            _log("found %d kill(s) in the kernel log that are older than this start", self._backlog)
            self._backlog = 0

    def close(self) -> None:
        """The agent stops: log what was not shown."""
        self._muted_s = None if self._muted_s is None else float("-inf")
        self.end_turn(is_backlog=False)

    def _add(self, kill: Event) -> None:
        is_backlog = bool(kill.attributes.get(schema.BACKLOG.name))
        self._backlog += is_backlog
        if not self._show(kill, is_backlog=is_backlog):
            self._muted_s = self._now_s() if self._muted_s is None else self._muted_s
            self._hidden += 1

    def _show(self, kill: Event, *, is_backlog: bool) -> bool:
        self._unmute()
        now_s = self._now_s()
        is_full = len(self._shown_s) == _MAX_LINES and now_s - self._shown_s[0] < _PERIOD_S
        is_shown = not (is_full or self._hidden) and _log(
            "%s%s%s",
            kill.body,
            " (before this start)" if is_backlog else "",
            " (the kernel did not count it)" if kill.attributes.get(schema.IS_UNCONFIRMED.name) else "",
        )
        if is_shown:
            self._shown_s.append(now_s)
        return is_shown

    def _unmute(self) -> None:
        if self._muted_s is not None and self._now_s() - self._muted_s >= _PERIOD_S:
            _log("%d more kill(s) within 5 s have no line here; each has its event", self._hidden)
            self._muted_s, self._hidden = None, 0


def _log(message: str, *arguments: object) -> bool:
    """Whether the line could be logged. Memory may be short: it is a machine that kills.

    `Logger.info` would search the stack for its caller, which takes as long as all the rest (16 of 40 µs).
    """
    try:
        if log.isEnabledFor(logging.INFO):
            log.handle(log.makeRecord(log.name, logging.INFO, "", 0, message, arguments, None))
    except Exception:  # noqa: BLE001 the kill is in the spool, and the reader goes on
        return False
    return True
