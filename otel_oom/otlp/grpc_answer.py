"""What the failure of a gRPC call means.

Source: OTLP specification, "OTLP/gRPC Response" (failures, throttling).
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc import Call, StatusCode

from otel_oom.otlp.export_outcome import KEY_REMEDY, Outcome

_NOT_GRPC_REMEDY: Final = (
    "if it speaks HTTP, set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or name the collector's gRPC port"
)


def failure(call: Call) -> Outcome:
    """The outcome of a call that failed."""
    code, details = call.code(), call.details() or ""
    if "http1.x server" in details or "Failed parsing HTTP/2" in details:
        return Outcome("retry", f"{code.name}: the answer is not gRPC", remedy=_NOT_GRPC_REMEDY)
    innermost = details.rpartition("; last error: ")[2].rpartition("Failed to connect to remote host: ")[2]
    why = f"{code.name}: {innermost}"
    # RESOURCE_EXHAUSTED is two things: throttling, and a message larger than the server takes.
    if code is StatusCode.INVALID_ARGUMENT or (code is StatusCode.RESOURCE_EXHAUSTED and "larger than max" in details):
        return Outcome("rejected", why)
    remedy = KEY_REMEDY if code in {StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED} else ""
    return Outcome("retry", why, _retry_after_s(call), remedy=remedy)


def _retry_after_s(call: Call) -> float | None:
    for name, value in call.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            info = RetryInfo()
            try:
                if any(detail.Unpack(info) for detail in Status.FromString(value).details):
                    return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
            except DecodeError:
                return None  # not a Status: our own backoff decides
    return None
