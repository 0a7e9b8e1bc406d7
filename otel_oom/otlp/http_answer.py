"""What an HTTP answer of a collector means, and what the absence of an answer means.

Source: OTLP specification, "OTLP/HTTP Response" (success, partial success, failures, throttling).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from h11 import RemoteProtocolError
from opentelemetry.exporter.otlp.common.http import _extract_retry_after

from otel_oom.otlp.export_outcome import KEY_REMEDY, OK, Outcome, accepted

if TYPE_CHECKING:
    from opentelemetry.exporter.http.transport._base import BaseHTTPResult

# These statuses mean that the request itself is at fault. Anything else (a wrong path, a missing key, a proxy) may be
# corrected on the way, so the data is kept. 400 and 422 are a refusal only with a Status of OTLP, which the Collector
# (v0.159.0) sends in the request's own type. A TLS server answers 400 to plain HTTP as well, Go's without a type and
# nginx as text/html, and has not seen the data. Loki sends its Status as an octet stream.
_TOO_LARGE: Final = 413
_BAD_REQUEST: Final = frozenset({400, 422})
_OTLP_TYPES: Final = frozenset({"application/x-protobuf", "application/json", "application/octet-stream"})
_EVIDENCE: Final = 200  # bytes of an answer that is not OTLP: its first line names the cause

_REMEDIES: Final = {
    400: "the answer is not OTLP; if the port speaks TLS, write https://",
    401: KEY_REMEDY,
    403: KEY_REMEDY,
    404: "OTEL_EXPORTER_OTLP_ENDPOINT names the base URL, to which v1/logs and v1/metrics are added",
}
_NOT_HTTP_REMEDY: Final = "if it speaks gRPC, set OTEL_EXPORTER_OTLP_PROTOCOL=grpc, or name the collector's HTTP port"
_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ")


def answered(result: BaseHTTPResult, response: type[Any]) -> Outcome:
    """The outcome of an answer. response: class of the message of a success."""
    status = result.status_code or 0
    if 200 <= status < 300:
        return _partial_success(result.content(), response)
    why = f"HTTP {status} {result.reason or ''}".strip()
    if status == _TOO_LARGE or (status in _BAD_REQUEST and _is_otlp(result.headers())):
        return Outcome("rejected", why)
    if status in _BAD_REQUEST:
        why = f"{why}: {result.content()[:_EVIDENCE].decode(errors='replace')}".rstrip(": \r\n")
    if 300 <= status < 400:
        where = result.headers().get("location", "another place")
        return Outcome("retry", f"{why}: to {where}", remedy="OTEL_EXPORTER_OTLP_ENDPOINT must name the final place")
    return Outcome("retry", why, _extract_retry_after(result), remedy=_REMEDIES.get(status, ""))


def _is_otlp(headers: Mapping[str, str]) -> bool:
    """By the content type, without its parameters (`; charset=utf-8`)."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() in _OTLP_TYPES


def _partial_success(content: bytes, response: type[Any]) -> Outcome:
    try:
        partial = response.FromString(content).partial_success
    except DecodeError:
        return OK  # accepted, with a body in another form
    return accepted(partial)


def no_answer(error: Exception | None) -> Outcome:
    """The innermost cause, without what requests wraps around it: `Connection refused`, not three lines."""
    cause = error
    while inner := _wrapped(cause):
        cause = inner
    # Compared by module name, because plain HTTP loads neither ssl nor http.client.
    module = type(cause).__module__
    if isinstance(cause, RemoteProtocolError) or (module == "http.client" and not isinstance(cause, OSError)):
        return Outcome("retry", "the answer is not HTTP", remedy=_NOT_HTTP_REMEDY)
    if module == "ssl":
        why = f"TLS: {getattr(cause, 'verify_message', '') or getattr(cause, 'reason', '') or cause}"
    elif isinstance(cause, OSError) and cause.strerror:
        why = cause.strerror
    elif "timed out" in str(cause):
        why = "timed out"
    else:
        why = _ERRNO.sub("", str(cause).rpartition(": ")[2]) or type(cause).__name__
    return Outcome("retry", why, is_silent=True)


def _wrapped(error: Exception | None) -> Exception | None:
    inside = (getattr(error, "reason", None), *getattr(error, "args", ()))
    return next((one for one in inside if isinstance(one, Exception)), None)
