"""What became of one request to the collector.

Rules:
- What cannot be encoded is the fault of the data. Whatever else fails is mended on the way, so the data is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

Verdict = Literal["ok", "retry", "rejected"]

Data = TypeVar("Data")
Request = TypeVar("Request")
Data_contra = TypeVar("Data_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The truth about one request.

    ok: the collector has it (all but `dropped` of it, which a partial success rejected)
    retry: it has not, and may take it later; not before retry_after_s where it says so
    rejected: it will never take this request
    remedy: what to look at, where the answer says more than that there was none
    is_silent: there was none, so the other signal's connection may be dead as well
    clock_offset_s: this machine's wall clock minus the collector's, where the answer shows that
    """

    verdict: Verdict
    why: str = ""
    retry_after_s: float | None = None
    dropped: int = 0
    remedy: str = ""
    is_silent: bool = False
    clock_offset_s: float | None = None


OK: Final = Outcome("ok")


class NotEncodableError(Exception):
    """The data cannot be put into a request, now or later."""


def encoded(encode: Callable[[Data], Request], data: Data) -> Request:
    """The data as a request. Raises: NotEncodableError, MemoryError."""
    try:
        return encode(data)
    except MemoryError:
        raise
    except Exception as error:
        raise NotEncodableError(f"it cannot be encoded: {error!r}") from error


KEY_REMEDY: Final = "OTEL_EXPORTER_OTLP_HEADERS carries the key"


def accepted(partial: Any) -> Outcome:
    """The outcome of an answer of success. partial: its ExportLogsPartialSuccess or ExportMetricsPartialSuccess."""
    dropped = getattr(partial, "rejected_log_records", 0) or getattr(partial, "rejected_data_points", 0)
    return Outcome("ok", partial.error_message, dropped=dropped) if dropped > 0 else OK


class Exporter(Protocol, Generic[Data_contra]):
    """One way to a collector for one signal. `send` makes one attempt.

    The timeout bounds all of it, but over HTTP for two things: the lookup of a name takes what the C library takes, and
    behind a proxy (or with a credential provider) each wait on the socket is bounded, not the whole answer.
    """

    def send(self, data: Data_contra) -> Outcome:
        """Make one request. Raises: NotEncodableError, and what the libraries raise where they fail themselves."""

    def reconnect(self) -> None:
        """Leave the connection, if there is one: the next request makes a new one."""

    def close(self) -> None:
        """Close the connections."""


class Discard(Generic[Data_contra]):
    """The `none` exporter."""

    def send(self, data: Data_contra) -> Outcome:  # noqa: ARG002 the interface's
        """Drop it: that is what was asked for."""
        return OK

    def reconnect(self) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""
