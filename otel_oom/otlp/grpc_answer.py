"""What the answer to a gRPC call means.

Source: OTLP specification, "OTLP/gRPC Response" (success, partial success, failures, throttling).

If the answer is not that of a gRPC server, only the library's message shows this (grpcio 1.85.3, measured against a raw
HTTP/2 server):

    Received http2 header with status: 404                              an HTTP status other than 200
    Stream removed (Data frame with END_STREAM flag received)           HTTP 200 with a body and no grpc-status
    No status received                                                  HTTP 200 without a body and a grpc-status
    Exception deserializing response!                                   a message that is not OTLP's

A message that is too large has the code RESOURCE_EXHAUSTED. Only the first three of these texts are rejections of the
request by the server (grpcio 1.85.3, measured; grpc-go 1.83, its source):

    SERVER: Received message larger than max (9 vs. 4)        grpcio's server
    grpc: received message larger than max (9 vs. 4)          grpc-go's server
    grpc: received message after decompression larger than max 4
    Decompressed message larger than max                      the request at the server, or its answer here
    CLIENT: Received message larger than max (9 vs. 4)        the answer here: the server may have stored the data
    SERVER: Sent message larger than max (9 vs. 4)            the answer at the server: the same
    trying to send message larger than max (9 vs. 4)          the same, of grpc-go
    CLIENT: Sent message larger than max (9 vs. 4)            the request here, which was not sent
"""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc import Call, StatusCode

from otel_oom.otlp import remedies, tls_failure
from otel_oom.otlp.export_outcome import TEMPORARY_HTTP_STATUSES, Outcome, accepted

# grpcio logs a traceback for each message that is not OTLP's, and for each status text that is not UTF-8, without a
# limit. The outcome says it.
for _noisy in ("grpc._common", "grpc._cython"):
    logging.getLogger(_noisy).setLevel(logging.CRITICAL)

_HTTP_STATUS: Final = re.compile(r"Received http2 header with status: (\d+)")
_NO_STATUS: Final = re.compile("END_STREAM flag received|No status received")
_NO_MESSAGE: Final = re.compile("deserializing response")
_NOT_REJECTED: Final = re.compile("CLIENT: |Decompressed message|Sent message|to send message")
_REMOVED: Final = re.compile(r"^Stream removed \((.*)\)$", re.DOTALL)  # around some of the texts above
_NOT_HTTP2: Final = re.compile("http1.x server|Failed parsing HTTP/2")
_PROXY: Final = re.compile(r"HTTP proxy returned response code (\d+)")
_CLOSED: Final = re.compile("failed to connect to all addresses.*(Socket closed|Connection reset by peer)")
# After these codes waiting does not help.
_REMEDIES: Final = {
    StatusCode.UNAUTHENTICATED: remedies.KEY,
    StatusCode.PERMISSION_DENIED: remedies.KEY,
    StatusCode.UNIMPLEMENTED: remedies.PATH,
    StatusCode.NOT_FOUND: remedies.PATH,
}
_HTTP_REMEDIES: Final = {401: remedies.KEY, 403: remedies.KEY, 407: remedies.PROXY}


def answered(call: Call, message: Any) -> Outcome:
    """The outcome of a call with the status OK. message: the response, None if there is none."""
    if message is None:  # grpcio takes a status without a message for a success
        return _needs_operator(f"{call.code().name}: the answer has no response message")
    return accepted(message.partial_success)


def failed(call: Call, *, is_tls: bool) -> Outcome:
    """The outcome of a call with another status than OK. is_tls: whether the channel uses TLS."""
    code, details = call.code(), _REMOVED.sub(r"\1", call.details() or "")
    if status := _HTTP_STATUS.search(details):
        return _http_status(code, int(status[1]))
    if _NOT_HTTP2.search(details):
        return _needs_operator(f"{code.name}: the answer is not gRPC")
    if _NO_STATUS.search(details):
        return _needs_operator(f"{code.name}: the answer is HTTP without a gRPC status", remedies.NOT_A_COLLECTOR)
    if _NO_MESSAGE.search(details):
        return _needs_operator(f"{code.name}: the answer is no OTLP message", remedies.NOT_A_COLLECTOR)
    innermost = details.rpartition("; last error: ")[2].rpartition("Failed to connect to remote host: ")[2]
    why = f"{code.name}: {innermost}" if innermost else str(code.name)
    if code is StatusCode.INVALID_ARGUMENT:
        return Outcome("rejected", why)
    if code is StatusCode.RESOURCE_EXHAUSTED and "larger than max" in details:  # else it is throttling
        if _NOT_REJECTED.search(details):
            return Outcome("retry", why, remedy=remedies.MESSAGE_SIZE, needs_operator=True, is_too_large=True)
        return Outcome("rejected", why)
    if code is StatusCode.UNAVAILABLE:
        return _unavailable(call, why, details, is_tls=is_tls)
    remedy = _REMEDIES.get(code, remedies.SERVER)
    return Outcome("retry", why, _retry_after_s(call), remedy=remedy, needs_operator=code in _REMEDIES)


def _unavailable(call: Call, why: str, details: str, *, is_tls: bool) -> Outcome:
    """The outcome of UNAVAILABLE: there is no connection, or a server answers with this code."""
    if proxy := _PROXY.search(details):
        remedy = remedies.of_proxy(int(proxy[1]))
        return Outcome("retry", why, remedy=remedy, needs_operator=remedy is not remedies.PROXY_FAILS)
    remedy = tls_failure.remedy(details) if is_tls else ""
    if remedy:
        return Outcome("retry", why, remedy=remedy, needs_operator=True)
    # gRPC does not show the server's TLS alert. A server that restarts also closes connections, so waiting may help.
    if _CLOSED.search(details):
        remedy = remedies.CLOSED_AFTER_HANDSHAKE if is_tls else remedies.NOT_PLAIN
    return Outcome("retry", why, _retry_after_s(call), remedy=remedy)


def _http_status(code: StatusCode, status: int) -> Outcome:
    why = f"{code.name}: HTTP {status} instead of a gRPC answer"
    if status >= 500 or status in TEMPORARY_HTTP_STATUSES:
        return Outcome("retry", why, remedy=remedies.SERVER)
    return _needs_operator(why, _HTTP_REMEDIES.get(status, remedies.NOT_GRPC))


def _needs_operator(why: str, remedy: str = remedies.NOT_GRPC) -> Outcome:
    return Outcome("retry", why, remedy=remedy, needs_operator=True)


def _retry_after_s(call: Call) -> float | None:
    """RetryInfo of the answer, seconds; None without one."""
    for name, value in call.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            info = RetryInfo()
            try:
                if any(detail.Unpack(info) for detail in Status.FromString(value).details):
                    return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
            except DecodeError:
                return None  # not a Status: our own backoff decides
    return None
