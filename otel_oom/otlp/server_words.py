r"""A server's own words out of the body of its answer. No I/O.

\x08\x03\x12\x0binvalid key                         `message` of a Status (OTLP specification)
{"code":3,"message":"invalid key"}                  the same in JSON, or another server's `error`
<html><head><title>502 Bad Gateway</title></head>   a web page's title
invalid temporality and type combination            text
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from google.protobuf.message import DecodeError

from otel_oom.otlp.http_acceptance import is_html

_MAX_BYTES: Final = 16_384
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_CONTROL: Final = re.compile(r"[^\t\n\r\x1b -\U0010ffff]")  # text has no other control characters than these four
_TAG: Final = re.compile(r"<[^>]*>")
_KEYS: Final = ("message", "error", "errors", "detail", "details", "error_description", "reason", "title")
_STATUS_BEGINS: Final = (b"\x08", b"\x12")  # `code` or `message` in protobuf; no text begins with these bytes
_MAX_DEPTH: Final = 4


def server_words(kind: str, body: bytes) -> str:
    """The server's words, of any length; empty if the body has no readable text. kind: media type of the body."""
    text = body[:_MAX_BYTES].decode(errors="replace").strip()
    if is_html(kind, body):
        title = _TITLE.search(text)
        return f"an HTML page: {(title[1] if title else _TAG.sub(' ', text)).strip()}".rstrip(": ")
    if body.startswith(_STATUS_BEGINS):
        return _status_message(body)
    if text.startswith(("{", "[")):
        try:
            return _json_message(json.loads(body)) or text
        except (ValueError, RecursionError):
            return text
    return "" if _CONTROL.search(text) else text


def _status_message(body: bytes) -> str:
    from google.rpc.status_pb2 import Status  # only after a refusal

    try:
        return str(Status.FromString(body).message)
    except DecodeError:
        return ""


def _json_message(value: Any, depth: int = 0) -> str:
    """The first text under a known key: `{"error": {"message": "no"}}`, `{"errors": [{"detail": "no"}]}`."""
    if isinstance(value, str):
        return value
    if depth == _MAX_DEPTH or not isinstance(value, dict | list):
        return ""
    inside = value[:1] if isinstance(value, list) else [value[key] for key in _KEYS if key in value]
    return next(filter(None, (_json_message(one, depth + 1) for one in inside)), "")
