"""A server's own words, out of the bodies of real refusals."""

from __future__ import annotations

import pytest
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from support.backend_answers import JSON, PROTOBUF, TEXT

from otel_oom.otlp import remedies
from otel_oom.otlp.export_outcome import Outcome
from otel_oom.otlp.http_answer import answered
from otel_oom.otlp.http_exchange import Answer
from otel_oom.otlp.server_words import server_words

DELTA = b'invalid temporality and type combination for metric "oom.kills"\n'


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        pytest.param(TEXT, DELTA, DELTA.decode().strip(), id="Prometheus: delta temporality"),
        pytest.param(PROTOBUF, b"\x08\x03\x12\x02no", "no", id="Status"),
        pytest.param("application/octet-stream", b"\x12\x02no", "no", id="Loki's Status without a code"),
        pytest.param("", b"\x12\x02no", "no", id="Status without a type"),
        pytest.param(PROTOBUF, b"\x08\x03", "", id="Status without a message"),
        pytest.param(PROTOBUF, b"\x12\x7f", "", id="a Status that is cut"),
        pytest.param(JSON, b'{"code":16,"message":"no key"}', "no key", id="Status in JSON"),
        pytest.param(JSON, b'{"error":"invalid OTLP endpoint"}\n', "invalid OTLP endpoint", id="Honeycomb"),
        pytest.param(JSON, b'{"error":{"code":401,"message":"no"}}', "no", id="Google"),
        pytest.param(JSON, b'{"errors":[{"title":"Forbidden","detail":"no key"}]}', "no key", id="a list"),
        pytest.param(JSON, b'{"x":1}', '{"x":1}', id="other JSON"),
        pytest.param(JSON, b'{"error":', '{"error":', id="JSON that is cut"),
        pytest.param(JSON, b'{"error":{"error":{"error":{"error":{"error":"deep"}}}}}', "{", id="deep JSON"),
        pytest.param("text/html", b"<html><head><TITLE>502\n Bad</TITLE>", "an HTML page: 502\n Bad", id="a title"),
        pytest.param("text/html", b"<p>no</p>", "an HTML page: no", id="no title"),
        pytest.param("", b"", "", id="nothing"),
        pytest.param("image/png", b"\x89PNG\x00\x00", "", id="an image"),
        pytest.param("image/png", b"\x89PNG\x1a", "", id="the begin of an image"),
        pytest.param(TEXT, b"\x1b[1mno\x1b[0m", "\x1b[1mno\x1b[0m", id="coloured text"),
        pytest.param(TEXT, b"d\xe9sol\xe9", "d\ufffdsol\ufffd", id="another character set"),
    ],
)
def test_words(kind: str, body: bytes, words: str) -> None:
    got = server_words(kind, body)
    assert got == words or (words == "{" and got.startswith(words))


@given(kind=st.sampled_from(["", JSON, PROTOBUF, TEXT, "text/html"]), body=st.binary(max_size=60))
def test_any_body_has_words_or_none(kind: str, body: bytes) -> None:
    assert isinstance(server_words(kind, body), str)


def refusal(status: int, body: bytes = DELTA, kind: str = TEXT) -> Outcome:
    fields = {"content-type": kind, "location": "https://c/login"}
    return answered(Answer(status, "Reason", None, fields, body), ExportLogsServiceResponse, "http://c:1/otlp/v1/logs")


@pytest.mark.parametrize(
    ("status", "remedy", "needs_operator"),
    [
        (400, "the answer is not OTLP; if the port speaks TLS, write https://", True),
        (401, remedies.KEY, True),
        (403, remedies.KEY, True),
        (404, f"nothing takes OTLP at /otlp/v1/logs there; {remedies.PATH}", True),
        (405, f"nothing takes OTLP at /otlp/v1/logs there; {remedies.PATH}", True),
        (407, remedies.PROXY, True),
        (408, remedies.SERVER, False),
        (409, remedies.SERVER, True),
        (415, remedies.NOT_A_COLLECTOR, True),
        (429, remedies.SERVER, False),
        (500, remedies.SERVER, False),
        (501, remedies.NOT_A_COLLECTOR, True),
        (502, remedies.SERVER, False),
        (503, remedies.SERVER, False),
    ],
)
def test_each_refused_status_has_the_servers_words_and_a_remedy(
    status: int, remedy: str, *, needs_operator: bool
) -> None:
    got = refusal(status)
    assert got.result == "retry"
    assert got.why.strip() == f"HTTP {status} Reason: {DELTA.decode().strip()}"
    assert (got.remedy, got.needs_operator) == (remedy, needs_operator)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_permanent_refusal_has_them_too(status: int) -> None:
    got = refusal(status, Status(code=3, message="the record is too old").SerializeToString(), PROTOBUF)
    assert (got.result, got.why) == ("rejected", f"HTTP {status} Reason: the record is too old")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_the_place(status: int) -> None:
    got = refusal(status)
    assert (got.why, got.remedy) == (f"HTTP {status} Reason: to https://c/login", remedies.MOVED)
    assert got.needs_operator
