"""Times of metric points. No I/O, no clock: each moment is passed in.

Rules:
- A point of kills has the time of its newest kill, if no earlier point held that kill. Every other point has the time
  of the collection.
- A point is always later than the point before it in its series: collectors drop a point that goes back in time, and
  log nothing. After the wall clock was set back, times continue from the last one at the pace of the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from otel_oom.totals import RetiredSeries, Totals

_STEP_NS: Final = 1_000_000  # metrics backends keep milliseconds: the next point must be later there too

_OTHERS: Final = ""  # the key of all series except those of kills: their points have one time per collection


class Moment(NamedTuple):
    """One reading of both clocks. wall_ns: ns since the Unix epoch; monotonic_ns: ns of CLOCK_MONOTONIC."""

    wall_ns: int
    monotonic_ns: int


class _Point(NamedTuple):
    """time_ns: its time; monotonic_ns: when it was made; kill_ns: the newest kill in it, 0 before the first."""

    time_ns: int
    monotonic_ns: int
    kill_ns: int


@dataclass(frozen=True, slots=True)
class PointTimes:
    """The times of one collection's points, wall clock ns since the Unix epoch.

    points: by scope of kills, and one for all other series
    """

    points: Mapping[str, _Point]

    @classmethod
    def before_first(cls, moment: Moment, kill_stamps_ns: Mapping[str, int]) -> PointTimes:
        """Times that the first points must exceed. kill_stamps_ns: the newest kills that were exported already."""
        stamps_ns = {_OTHERS: 0, **kill_stamps_ns}
        return cls({key: _Point(moment.wall_ns, moment.monotonic_ns, stamp_ns) for key, stamp_ns in stamps_ns.items()})

    def next(self, moment: Moment, kill_stamps_ns: Mapping[str, int]) -> PointTimes:
        """Times of the next collection. kill_stamps_ns: its newest kill of each scope."""
        keys = {**self.points, **kill_stamps_ns}
        return PointTimes({key: self._next(key, moment, kill_stamps_ns.get(key, 0)) for key in keys})

    def of(self, scope: str | None) -> int:
        """The time of a point. scope: of a point of kills, None for any other."""
        return self._of(scope or _OTHERS).time_ns

    @property
    def newest_ns(self) -> int:
        """The latest of the times."""
        return max(point.time_ns for point in self.points.values())

    def _of(self, key: str) -> _Point:
        """A scope without kills has the times of the other series."""
        return self.points.get(key, self.points[_OTHERS])

    def _next(self, key: str, moment: Moment, kill_ns: int) -> _Point:
        last = self._of(key)
        time_ns = moment.wall_ns if kill_ns == last.kill_ns else kill_ns
        if time_ns // _STEP_NS <= last.time_ns // _STEP_NS:
            time_ns = last.time_ns + max(_STEP_NS, moment.monotonic_ns - last.monotonic_ns)
        return _Point(time_ns, moment.monotonic_ns, kill_ns)


def of_retired(retired: RetiredSeries, totals: Totals, *, is_delta: bool) -> tuple[PointTimes, PointTimes]:
    """Times of the last exported points of a retired series, and of the next ones, which hold `totals`.

    They depend on the series alone, so that all copies of a machine export equal points. If the machine itself runs on,
    a metrics backend has newer points of it, and drops these.
    """
    acknowledged = retired.acknowledged or Totals(totals.start_ns)
    last_ns = max(retired.exported_ns, totals.start_ns)
    moment = Moment(last_ns + _STEP_NS, 0)
    last = PointTimes.before_first(Moment(last_ns, 0), acknowledged.stamps_ns)
    if retired.acknowledged is not None and not any(acknowledged.kills.values()) and not is_delta:
        last = last.next(moment, {})  # of an opening at 0, which may have been exported with the first of these times
    return last, last.next(moment, totals.stamps_ns)
