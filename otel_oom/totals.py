"""Counter totals and the identity that they are exported under. Values: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

MAX_RETIRED_SERIES: Final = (
    100  # forks with untold kills, while no collector is to be had: beyond it the oldest is given up
)


@dataclass(frozen=True, slots=True)
class Totals:
    """What the counters carry. start_ns: when they began at 0, wall clock ns since the Unix epoch.

    kills: kill lines by scope; stamps_ns: the newest kill of each scope, wall clock ns
    """

    start_ns: int
    kills: Mapping[str, int] = field(default_factory=dict)
    stamps_ns: Mapping[str, int] = field(default_factory=dict)
    unaccounted: int = 0

    def plus(self, scope: str, observed_ns: int) -> Totals:
        """One kill more."""
        return replace(
            self,
            kills={**self.kills, scope: self.kills.get(scope, 0) + 1},
            stamps_ns={**self.stamps_ns, scope: observed_ns},
        )

    def plus_unaccounted(self, count: int) -> Totals:
        """More kills that the log did not show."""
        return replace(self, unaccounted=self.unaccounted + count)

    def plus_all(self, other: Totals, observed_ns: int) -> Totals:
        """All that others held, as kills of now."""
        kills = {scope: self.kills.get(scope, 0) + count for scope, count in other.kills.items() if count}
        return replace(
            self,
            kills={**self.kills, **kills},
            stamps_ns={**self.stamps_ns, **dict.fromkeys(kills, observed_ns)},
            unaccounted=self.unaccounted + other.unaccounted,
        )

    def beyond(self, acknowledged: Totals | None) -> Totals:
        """What these hold more than others of the same beginning."""
        if acknowledged is None or acknowledged.start_ns != self.start_ns:
            return self
        kills = {scope: count - acknowledged.kills.get(scope, 0) for scope, count in self.kills.items()}
        return replace(self, kills=kills, unaccounted=self.unaccounted - acknowledged.unaccounted)


@dataclass(frozen=True, slots=True)
class ResourceIdentity:
    """Who sends: what in the resource tells this machine from its copies.

    instance_id: `service.instance.id`, if the user sets no other; host_name, host_id: empty where there is none
    """

    instance_id: str
    host_name: str = ""
    host_id: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Totals, and whose they are."""

    identity: ResourceIdentity
    totals: Totals

    @property
    def key(self) -> tuple[ResourceIdentity, int]:
        """What makes them one series: whose, and since when."""
        return self.identity, self.totals.start_ns


@dataclass(frozen=True, slots=True)
class RetiredSeries:
    """The last totals of what this machine was.

    acknowledged: those that a collector has taken, None before the first; exported_ns: the latest time that a point carried
    """

    series: Series
    acknowledged: Totals | None
    exported_ns: int

    def after(self, series: Series) -> RetiredSeries:
        """The same, when a collector has taken that, which may be another one's."""
        return replace(self, acknowledged=series.totals) if series.key == self.series.key else self
