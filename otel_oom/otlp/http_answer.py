"""What an HTTP answer of a collector means, and what the absence of an answer means.

Source: OTLP specification, "OTLP/HTTP Response" (success, partial success, failures, throttling).
"""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from h11 import RemoteProtocolError

from otel_oom.otlp import remedies, tls_failure
from otel_oom.otlp.export_outcome import MAX_ANSWER_BYTES, TEMPORARY_HTTP_STATUSES, Outcome, accepted
from otel_oom.otlp.http_acceptance import OTLP_TYPES, accepted_message
from otel_oom.otlp.http_proxy import ProxyError
from otel_oom.otlp.server_words import server_words

if TYPE_CHECKING:
    from opentelemetry.exporter.http.transport._base import BaseHTTPResult

# These statuses mean that the request itself is at fault. Anything else (a wrong path, a missing key, a proxy) may be
# corrected on the way, so the data is kept. 400 and 422 are a refusal only with a Status of OTLP, which the Collector
# (v0.159.0) sends in the request's own type. A TLS server answers 400 to plain HTTP as well, Go's without a type and
# nginx as text/html, and has not seen the data. Loki sends its Status as an octet stream. A proxy that forwards plain
# requests may refuse one itself, by a page, by JSON, or by its size. So behind such a proxy these are no rejections.
_TOO_LARGE: Final = 413
_BAD_REQUEST: Final = frozenset({400, 422})
_JSON: Final = "application/json"

_REMEDIES: Final = {
    400: "the answer is not OTLP; if the port speaks TLS, write https://",
    401: remedies.KEY,
    403: remedies.KEY,
    404: remedies.PATH,
    405: remedies.PATH,
    406: remedies.NOT_A_COLLECTOR,
    407: remedies.PROXY,
    410: remedies.PATH,
    415: remedies.NOT_A_COLLECTOR,
    501: remedies.NOT_A_COLLECTOR,
}
_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ")


def answered(result: BaseHTTPResult, response: type[Any], url: str, *, is_forwarded: bool = False) -> Outcome:
    """The outcome of an answer.

    response: class of the response message (ExportLogsServiceResponse or ExportMetricsServiceResponse)
    url: of the request; a remedy names its path
    is_forwarded: a proxy has read the request, and may have refused it itself
    """
    status = result.status_code or 0
    kind = _media_type(result)
    body = _body(result)
    message = accepted_message(status, kind, body, response)
    if message is not None:
        return accepted(message.partial_success)
    why = f"HTTP {status} {result.reason or ''}".strip()
    words = server_words(kind, body)
    if 200 <= status < 300:
        why = f"{why}, but the answer is not a collector's: {words or kind or 'no text'}"
        return Outcome("retry", why, remedy=remedies.NOT_A_COLLECTOR, needs_operator=True)
    if 300 <= status < 400:
        where = result.headers().get("location", "another place")
        return Outcome("retry", f"{why}: to {where}", remedy=remedies.MOVED, needs_operator=True)
    why = f"{why}: {words}" if words else why
    is_of_server = kind in OTLP_TYPES - ({_JSON} if is_forwarded else set())
    if (status in _BAD_REQUEST and is_of_server) or (status == _TOO_LARGE and (is_of_server or not is_forwarded)):
        return Outcome("rejected", why)
    if status == _TOO_LARGE:
        return Outcome("retry", why, remedy=remedies.REQUEST_SIZE, needs_operator=True, is_too_large=True)
    remedy = _REMEDIES.get(status, remedies.SERVER)
    if remedy is remedies.PATH:
        remedy = f"nothing takes OTLP at {urlsplit(url).path or '/'} there; {remedy}"
    needs_operator = (status < 500 and status not in TEMPORARY_HTTP_STATUSES) or status == 501
    return Outcome("retry", why, _retry_after_s(result), remedy=remedy, needs_operator=needs_operator)


def _retry_after_s(result: BaseHTTPResult) -> float | None:
    """What the server asks to wait for, None if it names nothing that can be read."""
    if "retry-after" not in result.headers():
        return None
    from opentelemetry.exporter.otlp.common.http import _extract_retry_after  # imports email: only where it is needed

    return _extract_retry_after(result)


def _media_type(result: BaseHTTPResult) -> str:
    """The media type without its parameters (`; charset=utf-8`); empty if the answer names none."""
    return result.headers().get("content-type", "").partition(";")[0].strip().lower()


def _body(result: BaseHTTPResult) -> bytes:
    """The body, decompressed. The request asks for `identity`, but some proxies ignore that."""
    body = result.content()
    if result.headers().get("content-encoding", "").strip().lower() in {"gzip", "x-gzip", "deflate"}:
        with suppress(zlib.error):
            return zlib.decompressobj(wbits=47).decompress(body, MAX_ANSWER_BYTES)  # 47: gzip or zlib
    return body


def no_answer(error: Exception | None) -> Outcome:
    """The outcome of a request that got no answer. error: of the transport.

    `why` is the innermost cause, such as `Connection refused`: requests and urllib3 wrap it in longer errors.
    """
    cause = error
    while inner := _wrapped(cause):
        cause = inner
    # Compared by module name, because plain HTTP loads neither ssl nor http.client.
    module = type(cause).__module__
    if isinstance(cause, RemoteProtocolError) or (module == "http.client" and not isinstance(cause, OSError)):
        return Outcome("retry", "the answer is not HTTP", remedy=remedies.NOT_HTTP, needs_operator=True)
    if module == "ssl":
        return _tls_failure(str(getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or cause))
    if isinstance(cause, ProxyError):
        remedy = remedies.of_proxy(cause.status)
        needs_operator = remedy is not remedies.PROXY_FAILS
        return Outcome("retry", cause.strerror or "", remedy=remedy, is_silent=True, needs_operator=needs_operator)
    if isinstance(cause, OSError) and cause.strerror:
        why = cause.strerror
    elif "timed out" in str(cause):
        why = "timed out"
    else:
        why = _ERRNO.sub("", str(cause).rpartition(": ")[2]) or type(cause).__name__
    return Outcome("retry", why, is_silent=True)


def _tls_failure(words: str) -> Outcome:
    remedy = tls_failure.remedy(words)
    needs_operator = bool(remedy)
    if "EOF occurred" in words:  # a refusal without an alert; a server that restarts closes connections as well
        remedy = remedies.CLOSED_AFTER_HANDSHAKE
    return Outcome("retry", f"TLS: {words}", remedy=remedy, is_silent=True, needs_operator=needs_operator)


def _wrapped(error: Exception | None) -> Exception | None:
    """The exception that another one holds as its `reason` or as an argument, None without one."""
    inside = (getattr(error, "reason", None), *getattr(error, "args", ()))
    return next((one for one in inside if isinstance(one, Exception)), None)
