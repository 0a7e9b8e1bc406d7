"""Chooses which totals to export next, under which identity, and when. No I/O, no clock.

Rules:
- The first collection of a series holds its totals from before any new kill, and is repeated until it is delivered.
  Without it a metrics backend sees the first kill as a start value, and not as an increase.
- News is exported within `_GATHER_S`, everything else with the heartbeat.
- After an identity change the last totals of the retired series come first, under their own identity. Then the new
  series opens.
- After a reconnect the totals that were acknowledged last are exported again before new ones: if the machine slept, a
  metrics backend has only an old sample. Exception: a collector may have accepted newer totals without an answer. Then
  the older ones are not repeated, because a backend reads a decrease as a reset.
- No failed request loses a count. A cumulative collection is replaced by a newer one, which holds the same counts.
- With delta temporality an unanswered collection is repeated unchanged: a collector may have accepted it, and a
  metrics backend drops a second point with the same time. After a rejected one, the next delta covers its interval too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from otel_oom.health import Health
from otel_oom.otlp import point_times
from otel_oom.otlp.export_outcome import Outcome
from otel_oom.otlp.metric_values import Values, kill_counts, own_values, retired_values
from otel_oom.otlp.point_times import Moment, PointTimes
from otel_oom.spool.spool import Spool
from otel_oom.totals import RetiredSeries, Series, Totals

_GATHER_S: Final = 0.05  # a storm's kills go out as one point, not as hundreds


class State(NamedTuple):
    """What a collector should know as soon as it changes: the exportable totals, and the agent's health."""

    series: Series
    down_reason: str | None
    is_durable: bool | None
    reconnects: int


class DeltaStart(NamedTuple):
    """Where the next deltas begin: the values that a collector acknowledged last, and the times of their points."""

    values: Values
    times: PointTimes


@dataclass(frozen=True, slots=True)
class Collection:
    """What one request exports.

    kind: `opening`: must be delivered before newer totals; `current`: the newest ones; `retired`: of a retired series
    state: the health at the time, and the series with the totals of this collection, which may not be the newest
    values: absolute ones; times: of their points; delta_start: with delta temporality only
    """

    kind: Literal["opening", "current", "retired"]
    state: State
    values: Values
    times: PointTimes
    delta_start: DeltaStart | None

    @property
    def series(self) -> Series:
        """The totals in it, and the identity that they are exported under."""
        return self.state.series

    @property
    def is_required(self) -> bool:
        """Whether it is repeated even after a rejection. Not with delta temporality: a delta needs no earlier total."""
        return self.kind == "opening" and self.delta_start is None


class MetricSchedule:
    """Collects what is due. The sender sends it, and passes a final outcome to `handle_outcome`.

    kernel_kills: the kernel's own count of kills, None before Linux 4.13, which does not count them
    """

    def __init__(
        self,
        spool: Spool,
        health: Health,
        kernel_kills: Callable[[], int | None],
        *,
        is_delta: bool,
        heartbeat_s: float,
        start: Moment,
    ) -> None:
        self._spool = spool
        self._health = health
        self._kernel_kills = kernel_kills
        self._is_counting = kernel_kills() is not None
        self._is_delta = is_delta
        self._heartbeat_s = heartbeat_s
        checkpoint = spool.checkpoint
        last = Moment(max(start.wall_ns, checkpoint.exported_ns), start.monotonic_ns)
        self._times = PointTimes.before_first(last, checkpoint.totals.stamps_ns)
        self._exported = self.state
        self._key = self._exported.series.key
        self._delta_start = self._delta_start_of(checkpoint.acknowledged_of_current or Totals(0))
        self._opening: Totals | None = None
        """The totals that must be delivered before any newer ones."""
        self._pending: Collection | None = None
        """The last collection of the current series, while its outcome is not known."""
        self._heartbeat_due_s = 0.0
        self._finished_s = 0.0

    def open_series(self) -> None:
        """Deliver the totals as they are now before anything newer. Called before the first kill is added."""
        self._opening = self._spool.exportable.totals

    @property
    def state(self) -> State:
        """The newest state that may be exported."""
        health = self._health
        return State(self._spool.exportable, health.down_reason, health.is_durable, health.reconnects)

    @property
    def due_s(self) -> float:
        """When the next collection is due, monotonic seconds: at the heartbeat, and sooner if there is news."""
        if self._spool.retired is not None:
            return 0.0
        due_s = self._heartbeat_due_s
        if self.state != self._exported:
            due_s = min(due_s, self._finished_s + _GATHER_S)
        return min(due_s, self._spool.held_until_s)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to send: the newest state was accepted, or rejected permanently."""
        is_repeating = self._is_delta and self._pending is not None
        is_free = self._opening is None and self._spool.retired is None and not is_repeating
        is_newest = self._exported.series.totals == self._spool.totals  # none wait for the disk
        return is_free and is_newest and self.state == self._exported

    def collect(self, now: Moment) -> Collection:
        """What is to be exported now."""
        retired = self._spool.retired
        if retired is not None:
            return self._collect_retired(retired)
        state = self.state
        if state.series.key != self._key:
            self._change_identity(state.series, now)
        elif self._is_delta and self._pending is not None:
            return self._pending
        elif state.reconnects != self._exported.reconnects and self._can_repeat:
            self._opening = self._exported.series.totals
        # A repeated opening has new times: after a long outage a collector would refuse the old ones for ever.
        totals = state.series.totals if self._opening is None else self._opening
        self._times = self._times.next(now, totals.stamps_ns)
        self._pending = Collection(
            "current" if self._opening is None else "opening",
            state._replace(series=Series(state.series.identity, totals)),
            {**kill_counts(totals, is_counting=self._is_counting), **self._own_values()},
            self._times,
            self._delta_start,
        )
        return self._pending

    def handle_outcome(self, collection: Collection, outcome: Outcome, now_s: float) -> None:
        """The collector accepted a collection, or rejected it permanently. now_s: monotonic seconds."""
        self._finished_s = now_s
        if collection.kind == "retired":
            self._spool.acknowledge(collection.series, 0)  # 0: its time is not that of the current series
            return
        self._opening, self._pending, self._exported = None, None, collection.state
        if outcome.result == "ok":
            self._spool.acknowledge(collection.series, collection.times.newest_ns)
            if self._delta_start is not None:  # a value that is absent this time is still acknowledged
                self._delta_start = DeltaStart({**self._delta_start.values, **collection.values}, collection.times)
        self._heartbeat_due_s = now_s + self._heartbeat_s

    @property
    def _can_repeat(self) -> bool:
        """Whether a collector has the totals that were acknowledged last, and no newer ones."""
        is_certain = self._pending is None or self._pending.series == self._exported.series
        return is_certain and self._opening is None and not self._is_delta

    def _own_values(self) -> Values:
        kernel_kills = self._kernel_kills() if self._is_counting else None
        return own_values(self._health, len(self._spool), kernel_kills)

    def _delta_start_of(self, acknowledged: Totals) -> DeltaStart | None:
        """Where the first deltas begin: after the acknowledged kills, and after the agent's own current numbers."""
        if not self._is_delta:
            return None
        kills = kill_counts(acknowledged, is_counting=self._is_counting)
        return DeltaStart({**kills, **self._own_values()}, self._times)

    def _change_identity(self, series: Series, now: Moment) -> None:
        """A new series starts at 0, and its times after all that was exported before it."""
        self._key, self._opening, self._pending = series.key, Totals(series.totals.start_ns), None
        self._times = PointTimes.before_first(Moment(self._times.newest_ns, now.monotonic_ns), {})
        self._delta_start = self._delta_start_of(Totals(0))

    def _collect_retired(self, retired: RetiredSeries) -> Collection:
        """Collect a retired series: equal at each attempt. A cumulative one begins at 0 if no collector has it."""
        opens = retired.acknowledged is None and not self._is_delta
        start = Totals(retired.series.totals.start_ns)
        series = Series(retired.series.identity, start if opens else retired.series.totals)
        before, times = point_times.of_retired(retired, series.totals, is_delta=self._is_delta)
        values = retired_values(retired, series.totals, is_counting=self._is_counting)
        delta_start = DeltaStart(kill_counts(retired.acknowledged or start, is_counting=self._is_counting), before)
        state = self.state._replace(series=series)
        return Collection("retired", state, values, times, delta_start if self._is_delta else None)
