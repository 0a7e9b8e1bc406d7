"""Whether an HTTP answer is an acceptance: the response message of the OTLP specification. No I/O.

Rules:
- The message may be in the request's encoding, or JSON: Honeycomb answers `{}` to protobuf. An empty body is an empty
  message. tests/support/backend_answers.py lists the answers of backends, with their sources.
- A status other than 200 is outside the specification. Loki answers 204, Fluent Bit 201, and gateways 202.
- HTML is no acceptance, whatever the status: a login page or a dashboard answers so.
- A body of `MAX_ANSWER_BYTES` may be cut off, so it is no acceptance. A `Status` is an error, not an acceptance.
- Unknown fields are ignored (specification). But JSON that has only unknown fields must also have a field that says
  success: a proxy, an API gateway or another service may answer 200 with `{"message":"Unauthorized"}`.
- Two backends answer one word. No other text is an acceptance, even if protobuf parses it as unknown fields, as `xx`.
"""

from __future__ import annotations

import json
from typing import Any, Final

from google.protobuf.message import DecodeError

from otel_oom.otlp.export_outcome import MAX_ANSWER_BYTES

_STATUSES: Final = frozenset({200, 201, 202, 204})
OTLP_TYPES: Final = frozenset(
    {"application/x-protobuf", "application/protobuf", "application/octet-stream", "application/json"}
)
"""Media types in which servers send messages of OTLP in protobuf: the right ones, and those of some servers."""
_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_TEXT_BYTES: Final = bytes(range(0x20, 0x7F)) + b"\t\n\r"  # a response message also has 0x00, 0x08 or 0x12
_WORDS: Final = frozenset({b"ok", b"success"})  # Splunk's `"OK"`, Alibaba Cloud's `success`
_STATUS_BEGINS: Final = b"\x08"  # `code` of a Status; no response message of OTLP has a number as its first field
_SAYS_SUCCESS: Final = ("code", "status", "success", "ok")
_GOOD: Final = frozenset({"0", "1", "200", "201", "202", "204", "accepted", "none", "ok", "success", "true"})


def is_html(kind: str, body: bytes) -> bool:
    """Whether an answer is a web page. kind: its media type, empty if it names none."""
    return kind in _HTML or body[:64].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def accepted_message(status: int, kind: str, body: bytes, response: type[Any]) -> Any:
    """The response message, None if the answer is no acceptance.

    status: of HTTP; kind: media type, in lower case, empty if there is none
    response: class of the message (ExportLogsServiceResponse or ExportMetricsServiceResponse)
    """
    text = body.strip()
    if status not in _STATUSES or len(body) >= MAX_ANSWER_BYTES or is_html(kind, body):
        return None
    if not text or text.strip(b'"').lower() in _WORDS:
        return response()
    if text.startswith(b"{"):  # in protobuf a group, which OTLP does not have
        return _from_json(text, response)
    if kind not in {"", *OTLP_TYPES} or body.startswith(_STATUS_BEGINS) or not body.translate(None, _TEXT_BYTES):
        return None
    try:
        return response.FromString(body)
    except DecodeError:
        return None


def _from_json(text: bytes, response: type[Any]) -> Any:
    from google.protobuf import json_format  # only where a server answers so

    try:
        fields = json.loads(text)
        if not _is_success({name.lower().replace("_", ""): value for name, value in fields.items()}):
            return None
        return json_format.ParseDict(fields, response(), ignore_unknown_fields=True)
    except (ValueError, RecursionError, json_format.ParseError):
        return None


def _is_success(fields: dict[str, Any]) -> bool:
    """Whether JSON fields say that the request was accepted. fields: with names in lower case, without underscores."""
    if fields.get("error") or fields.get("errors") or not isinstance(fields.get("partialsuccess"), dict | None):
        return False
    said = [True for name in ("error", "errors") if name in fields]  # `"errors": []`
    said += [str(fields[name]).lower() in _GOOD for name in _SAYS_SUCCESS if name in fields]
    return all(said) and (bool(said) or "partialsuccess" in fields or not fields)
