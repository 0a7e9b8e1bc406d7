"""What became of one request to the collector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, Literal, Protocol, TypeVar

Data_contra = TypeVar("Data_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The truth about one request.

    ok: the collector has it (all but `dropped` of it, which a partial success rejected)
    retry: it has not, and may take it later; not before retry_after_s where it says so
    rejected: it will never take this request
    """

    verdict: Literal["ok", "retry", "rejected"]
    why: str = ""
    retry_after_s: float | None = None
    dropped: int = 0


OK: Final = Outcome("ok")


class Exporter(Protocol, Generic[Data_contra]):
    """One way to a collector for one signal. `send` makes one attempt, bounded by the timeout, and never raises."""

    def send(self, data: Data_contra) -> Outcome:
        """Make one request."""

    def close(self) -> None:
        """Close the connections."""


class Discard(Generic[Data_contra]):
    """The `none` exporter."""

    def send(self, data: Data_contra) -> Outcome:  # noqa: ARG002 the interface's
        """Drop it: that is what was asked for."""
        return OK

    def close(self) -> None:
        """Nothing is open."""
