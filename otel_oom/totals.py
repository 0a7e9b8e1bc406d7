"""Counter totals, and the resource identity that they are exported under. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from otel_oom.uuid5 import uuid5

SERVICE_INSTANCE_NAMESPACE: Final = UUID("4d63009a-8d0f-11ee-aad7-4c796ed8e320")
"""The namespace of `service.instance.id` (semantic conventions 1.44, service.instance)."""

_UUID_CHARACTERS: Final = 36

MAX_RETIRED_SERIES: Final = 100
"""Retired series that are kept until a collector acknowledges them; beyond it the oldest is given up.

Reason: copies of one machine that run without a collector. Each fork with unacknowledged kills adds one.
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """The counters' values. start_ns: when they were 0, wall clock ns since the Unix epoch.

    kills: kill lines by scope; stamps_ns: observation time of the newest kill of each scope, wall clock ns
    unaccounted: kills that the kernel counted and no line showed
    unconfirmed: kill lines that the kernel did not count
    """

    start_ns: int
    kills: Mapping[str, int] = field(default_factory=dict)
    stamps_ns: Mapping[str, int] = field(default_factory=dict)
    unaccounted: int = 0
    unconfirmed: int = 0

    @property
    def surplus(self) -> int:
        """By how much the kernel's counter is known to exceed the kill lines."""
        return self.unaccounted - self.unconfirmed

    def plus(self, scope: str, observed_ns: int) -> Totals:
        """With one more kill."""
        return replace(
            self,
            kills={**self.kills, scope: self.kills.get(scope, 0) + 1},
            stamps_ns={**self.stamps_ns, scope: observed_ns},
        )

    def plus_surplus(self, count: int) -> Totals:
        """With more kills that no line showed. Less than 0: with kill lines that the kernel did not count."""
        if count < 0:
            return replace(self, unconfirmed=self.unconfirmed - count)
        return replace(self, unaccounted=self.unaccounted + count)

    def plus_all(self, other: Totals, observed_ns: int) -> Totals:
        """With all counts of other totals, stamped observed_ns."""
        kills = {scope: self.kills.get(scope, 0) + count for scope, count in other.kills.items() if count}
        return replace(
            self,
            kills={**self.kills, **kills},
            stamps_ns={**self.stamps_ns, **dict.fromkeys(kills, observed_ns)},
            unaccounted=self.unaccounted + other.unaccounted,
            unconfirmed=self.unconfirmed + other.unconfirmed,
        )

    def beyond(self, acknowledged: Totals | None) -> Totals:
        """The counts that are not acknowledged. All of them if `acknowledged` is None, or has another start time."""
        if acknowledged is None or acknowledged.start_ns != self.start_ns:
            return self
        kills = {scope: count - acknowledged.kills.get(scope, 0) for scope, count in self.kills.items()}
        return replace(
            self,
            kills=kills,
            unaccounted=self.unaccounted - acknowledged.unaccounted,
            unconfirmed=self.unconfirmed - acknowledged.unconfirmed,
        )


@dataclass(frozen=True, slots=True)
class ResourceIdentity:
    """The resource attributes by which this machine differs from its copies.

    instance_id: the machine's UUID. For one run or one fork, `/` and a random part follow: the machine is still
        recognized. Earlier versions stored `-` and a random part.
    host_name, host_id: empty where there is none
    """

    instance_id: str
    host_name: str = ""
    host_id: str = ""

    @property
    def service_instance_id(self) -> str:
        """`service.instance.id`, unless the user sets another: a UUID, also with a random part."""
        return uuid5(SERVICE_INSTANCE_NAMESPACE, self.instance_id) if "/" in self.instance_id else self.instance_id

    def with_random_part(self, part: str) -> ResourceIdentity:
        """The identity of one run or one fork of the same machine. part: empty for the machine's own."""
        return replace(self, instance_id="/".join(filter(None, (self.instance_id[:_UUID_CHARACTERS], part))))

    def is_of_machine(self, instance_ids: str | tuple[str, ...]) -> bool:
        """Whether it is an identity of that machine. instance_ids: the machine's ids, without a random part."""
        return self.instance_id.startswith(instance_ids)


@dataclass(frozen=True, slots=True)
class Series:
    """Totals, and the identity that they are exported under."""

    identity: ResourceIdentity
    totals: Totals

    @property
    def key(self) -> tuple[ResourceIdentity, int]:
        """What makes totals one series: the identity and the start time."""
        return self.identity, self.totals.start_ns


@dataclass(frozen=True, slots=True)
class RetiredSeries:
    """The last totals of a previous identity, some of them unacknowledged.

    acknowledged: the totals that a collector accepted, None before the first
    exported_ns: the latest time of any acknowledged point
    """

    series: Series
    acknowledged: Totals | None
    exported_ns: int
