"""Finds the kill lines that the kernel log lost, among those that the kernel's trace has. No I/O, no clock.

Rules:
- A traced line is lost if records of the log were lost, and no record with its text came for `MIN_AGE_S` afterwards.
  It was read from the trace before the log was read to its end, so its record would have come.
- A lost line is a kill only if the kernel marked its process as a victim right before it. So a text that a program
  wrote to the log is no kill.
- The kernel also marks processes that are already exiting. It prints no kill line for them, and counts no kill.
- With memory.oom.group, the kernel prints and counts the first victim twice, and marks it once: see `oom_group`. So a
  line without a mark of its own, whose pid has a lost kill up to `_REPEAT_NS` before it, is a repeat.
- Whether the kernel's counter has these kills is the caller's question. It must have all of them, or none is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from otel_oom.kernel.kill_line import KillLine
from otel_oom.victim_trace.traced_line import TracedLine

MIN_AGE_S: Final = 1.0
"""Less than the 5 s after which the reconciliation publishes a kill without a line."""

_MAX_AFTER_NS: Final = 50_000_000
"""How long after the time of the log's record the event may come: an interrupt may come in between."""

_CUT_NS: Final = 999  # the log's times are whole µs, cut
_REPEAT_NS: Final = 5_000_000_000
_MAX_TEXTS: Final = 2_048  # some 1 MiB
_MAX_OF_TEXT: Final = 8  # a program can write one text to the log again and again


_MarkNs: TypeAlias = Callable[[KillLine, TracedLine], "int | None"]


@dataclass(frozen=True, slots=True)
class LostLine:
    """A lost kill line. is_repeat: of a victim that is printed twice; is_backlog: older than this agent."""

    line: TracedLine
    kill: KillLine
    is_repeat: bool
    is_backlog: bool


@dataclass(frozen=True, slots=True)
class _Waiting:
    line: TracedLine
    read_s: float


class LostLines:
    """Holds traced lines until their records come."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[_Waiting]] = {}  # by text, the oldest first
        self._lost_s = self._backlog_s = float("-inf")

    def add(self, lines: Iterable[TracedLine], now_s: float) -> None:
        """Hold lines that were read from the trace. now_s: a monotonic clock. The oldest are dropped."""
        for line in lines:
            of_text = self._waiting.setdefault(line.text, [])
            of_text.append(_Waiting(line, now_s))
            del of_text[:-_MAX_OF_TEXT]
        while len(self._waiting) > _MAX_TEXTS:
            del self._waiting[next(iter(self._waiting))]

    def came(self, text: str, line_ns: int) -> None:
        """The record of a line was read from the log. line_ns: its time."""
        of_text = self._waiting.get(text, [])
        for at, one in enumerate(of_text):
            if line_ns - _CUT_NS <= one.line.time_ns <= line_ns + _MAX_AFTER_NS:
                del of_text[at]
                break
        if not of_text:
            self._waiting.pop(text, None)

    def discard(self) -> None:
        """Forget all lines: they are older than the counting."""
        self._waiting.clear()

    def log_lost(self, now_s: float, *, is_backlog: bool) -> None:
        """Records of the log were lost. All that the trace had at this moment was added before.

        is_backlog: they are older than this agent
        """
        self._lost_s = now_s
        if is_backlog:
            self._backlog_s = now_s

    def take(self, now_s: float, mark_ns: _MarkNs) -> list[LostLine]:
        """The lost kill lines, oldest first. Each one is returned once.

        mark_ns: when the kernel marked the process of a line, right before it; None: it did not
        """
        until_s = min(self._lost_s, now_s - MIN_AGE_S)
        if until_s == float("-inf"):
            return []
        lost = [one for of_text in self._waiting.values() for one in of_text if one.read_s <= until_s]
        kept = ((text, [one for one in of_text if one.read_s > until_s]) for text, of_text in self._waiting.items())
        self._waiting = {text: of_text for text, of_text in kept if of_text}
        return self._kills(sorted(lost, key=lambda one: one.line.time_ns), mark_ns)

    def _kills(self, lost: list[_Waiting], mark_ns: _MarkNs) -> list[LostLine]:
        found = []
        killed_ns: dict[int, int] = {}  # by pid: when its last kill line that is no repeat was printed
        for one in lost:
            line, kill = one.line, one.line.parsed()
            if kill is None:
                continue
            before_ns = killed_ns.get(kill.pid, -_REPEAT_NS - 1)
            marked_ns = mark_ns(kill, line)
            is_first = marked_ns is not None and marked_ns > before_ns
            if is_first:
                killed_ns[kill.pid] = line.time_ns
            elif line.time_ns - before_ns > _REPEAT_NS:
                continue
            is_backlog = one.read_s <= self._backlog_s
            found.append(LostLine(line, kill, is_repeat=not is_first, is_backlog=is_backlog))
        return found
