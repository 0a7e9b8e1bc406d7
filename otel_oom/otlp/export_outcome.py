"""The outcome of one request to the collector, and the interface of exporters. No I/O.

Rules:
- Only a `rejected` answer, and data that cannot be encoded, are final. Any other failure may be corrected on the way to
  the collector, so the data is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from otel_oom.otlp import remedies
from otel_oom.schema import ExportOutcome

Data = TypeVar("Data")
Request = TypeVar("Request")
Data_contra = TypeVar("Data_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one request.

    result: `ok`: the collector accepted it, except for `dropped` parts that a partial success rejected
        `retry`: it did not, and may accept it later; not before retry_after_s, where it names a time
        `rejected`: it will never accept this request
    why: the cause, or a warning with `ok`; remedy: what to check, where the answer shows that
    is_silent: there was no answer, so the other signal's connection may be dead as well
    needs_operator: waiting does not help: somebody must change a setting, or the server
    is_too_large: with `retry`: the request may be larger than somebody on the way takes, so the next one is smaller
    clock_offset_s: this machine's wall clock minus the collector's, where the answer shows it
    """

    result: ExportOutcome
    why: str = ""
    retry_after_s: float | None = None
    dropped: int = 0
    remedy: str = ""
    is_silent: bool = False
    needs_operator: bool = False
    is_too_large: bool = False
    clock_offset_s: float | None = None


OK: Final = Outcome("ok")

MAX_ANSWER_BYTES: Final = 1 << 20
"""What is read of the body of an answer, over HTTP and gRPC. A response of OTLP has a few bytes."""

# Request timeout, too early, too many requests: waiting may help. After other 4xx statuses only an operator can help.
TEMPORARY_HTTP_STATUSES: Final = frozenset({408, 425, 429})


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


def accepted(partial: Any) -> Outcome:
    """The outcome of an acceptance. partial: its ExportLogsPartialSuccess or ExportMetricsPartialSuccess.

    A message without a rejected part is a warning (OTLP specification, "Partial Success").
    """
    dropped = getattr(partial, "rejected_log_records", 0) or getattr(partial, "rejected_data_points", 0)
    return Outcome("ok", partial.error_message, dropped=max(0, dropped))


class Exporter(Protocol, Generic[Data_contra]):
    """One way to a collector for one signal. `send` makes one attempt.

    The timeout bounds the whole attempt. Over HTTP it does not bound two steps: the lookup of a name, which takes as
    long as the C library takes, and the signature by a credential provider.
    """

    def send(self, data: Data_contra) -> Outcome:
        """Make one request. Raises: NotEncodableError, and what the libraries raise where they fail themselves."""

    def reconnect(self) -> None:
        """Close the connection, if there is one: the next request opens a new one."""

    def close(self) -> None:
        """Close the connections."""


class LocalExporter(Generic[Data_contra]):
    """The exporters `none` and `console`. export: takes the data on this machine, and may write it to stdout."""

    def __init__(self, export: Callable[[Data_contra], object]) -> None:
        self._export = export

    def send(self, data: Data_contra) -> Outcome:
        """Export it. Raises: what export raises."""
        try:
            self._export(data)
        except OSError as error:
            why = f"stdout cannot be written: {error.strerror or error}"
            return Outcome("retry", why, remedy=remedies.STDOUT, needs_operator=True)
        return OK

    def reconnect(self) -> None:
        """Do nothing: there is no connection."""

    def close(self) -> None:
        """Do nothing: there is no connection."""
