"""Which HTTP answers are an acceptance: those of real backends, and nothing that another server answers."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from support.backend_answers import ANSWERS, JSON, NOT_FOUND, PROTOBUF, TEXT, BackendAnswer

from otel_oom.otlp import remedies
from otel_oom.otlp.export_outcome import Outcome
from otel_oom.otlp.http_acceptance import accepted_message
from otel_oom.otlp.http_answer import answered
from otel_oom.otlp.http_exchange import Answer

BOTH = pytest.mark.parametrize("response", [ExportLogsServiceResponse, ExportMetricsServiceResponse])
HTML = "text/html; charset=utf-8"


def outcome(status: int, kind: str | None, body: bytes, response: type[Any] = ExportLogsServiceResponse) -> Outcome:
    fields = {} if kind is None else {"content-type": kind}
    return answered(Answer(status, "OK", None, fields, body), response, "http://collector:4318/v1/logs")


@BOTH
@pytest.mark.parametrize("one", ANSWERS, ids=lambda one: one.backend)
def test_what_a_backend_answers_is_an_acceptance(one: BackendAnswer, response: type[Any]) -> None:
    got = outcome(one.status, one.kind, one.body, response)
    assert got.result == "ok"
    assert got.dropped == (1 if one.backend == "OpenObserve" else 0)


def test_each_backend_has_its_row() -> None:
    expected = (
        "Honeycomb Grafana Loki Prometheus Datadog Relic Elastic Dynatrace Azure Google Splunk Axiom VictoriaLogs"
    )
    expected += " VictoriaMetrics OpenObserve SigNoz Collector Jaeger Tempo"
    named = " ".join([*(one.backend for one in ANSWERS), *NOT_FOUND])
    assert [word for word in expected.split() if word not in named] == []
    assert all(one.source for one in ANSWERS)


@BOTH
@pytest.mark.parametrize(
    ("status", "kind", "body", "words"),
    [
        pytest.param(200, HTML, b"<html><title>Sign in</title>", "an HTML page: Sign in", id="a login page"),
        pytest.param(200, HTML, b"", "an HTML page", id="an empty page"),
        pytest.param(200, "TEXT/HTML", b"<p>Hello", "an HTML page: Hello", id="a page without a title"),
        pytest.param(200, None, b"<!DOCTYPE html><title>App</title>", "an HTML page: App", id="a page without a type"),
        pytest.param(200, PROTOBUF, b"<html>x", "an HTML page: x", id="a page of the right type"),
        pytest.param(200, "application/xhtml+xml", b"<?xml?>", "an HTML page", id="XHTML"),
        pytest.param(200, "text/xml", b"<ok/>", "<ok/>", id="XML"),
        pytest.param(200, TEXT, b"Hello", "Hello", id="text"),
        pytest.param(200, TEXT, b"\x0a\x00", "text/plain", id="protobuf as text"),
        pytest.param(200, TEXT, b"OK, computer", "OK, computer", id="text that begins with a word"),
        pytest.param(200, None, b"Hello", "Hello", id="text without a type"),
        pytest.param(200, PROTOBUF, b"\xff\xff\xff", "", id="garbage of the right type"),
        pytest.param(200, PROTOBUF, b"xx", "xx", id="text that parses"),
        pytest.param(200, PROTOBUF, b"\x0a\x7fcut", "\x7fcut", id="a message that is cut"),
        pytest.param(200, "image/png", b"\x0a\x00", "image/png", id="another type"),
        pytest.param(200, JSON, b'{"error":"no such route"}', "no such route", id="JSON with an error"),
        pytest.param(200, JSON, b'{"errors":[{"detail":"no"}]}', "no", id="JSON with errors"),
        pytest.param(200, JSON, b'{"code":16,"message":"no key"}', "no key", id="a Status with 200"),
        pytest.param(200, JSON, b'{"status":"error","reason":"x"}', "x", id="JSON with a status"),
        pytest.param(200, JSON, b'{"Success":false}', '{"Success":false}', id="JSON without success"),
        pytest.param(200, JSON, b'{"partialSuccess":"x"}', '{"partialSuccess":"x"}', id="JSON of another form"),
        pytest.param(200, JSON, b'{"message":"Unauthorized"}', "Unauthorized", id="JSON with a message"),
        pytest.param(200, JSON, b'{"errcode":40001,"errmsg":"no key"}', '{"errcode"', id="JSON with an error's number"),
        pytest.param(200, JSON, b'{"statusCode":401}', '{"statusCode"', id="JSON with an HTTP status"),
        pytest.param(200, JSON, b'{"fault":{"faultstring":"no key"}}', '{"fault"', id="JSON with a fault"),
        pytest.param(200, JSON, b'{"detail":"no key","ok":""}', "no key", id="JSON that says nothing"),
        pytest.param(200, PROTOBUF, b"\x08\x10\x12\x06no key", "no key", id="a Status in protobuf with 200"),
        pytest.param(200, PROTOBUF, b"\x10\x01" * (1 << 19), "application/x-protobuf", id="a body without an end"),
        pytest.param(200, JSON, b"[]", "[]", id="a JSON list"),
        pytest.param(200, JSON, b"{", "{", id="JSON that is cut"),
        pytest.param(200, JSON, b'{"a":' * 9000, '{"a":', id="endless JSON"),
        pytest.param(203, PROTOBUF, b"", "application/x-protobuf", id="203"),
        pytest.param(205, None, b"", "no text", id="205"),
        pytest.param(206, PROTOBUF, b"", "application/x-protobuf", id="206"),
        pytest.param(207, JSON, b"{}", "{}", id="207"),
        pytest.param(226, PROTOBUF, b"", "application/x-protobuf", id="226"),
    ],
)
def test_any_other_answer_keeps_the_data(
    status: int, kind: str | None, body: bytes, words: str, response: type[Any]
) -> None:
    got = outcome(status, kind, body, response)
    assert got.result == "retry"
    assert got.why.startswith(f"HTTP {status} OK, but the answer is not a collector's: {words}")
    assert got.remedy == remedies.NOT_A_COLLECTOR
    assert got.needs_operator


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param(PROTOBUF, b"\x0a\x06\x08\x03\x12\x02no", id="protobuf"),
        pytest.param("application/protobuf", b"\x0a\x06\x08\x03\x12\x02no", id="another name of protobuf"),
        pytest.param("application/octet-stream", b"\x0a\x06\x08\x03\x12\x02no", id="bytes"),
        pytest.param(None, b"\x0a\x06\x08\x03\x12\x02no", id="no type"),
        pytest.param(JSON, b"\x0a\x06\x08\x03\x12\x02no", id="protobuf that is called JSON"),
        pytest.param(JSON, b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"no"}}', id="a string"),
        pytest.param(JSON, b'{"partialSuccess":{"rejectedLogRecords":3,"errorMessage":"no"}}', id="a number"),
        pytest.param(JSON, b'{"partial_success":{"rejected_log_records":3,"error_message":"no"}}', id="other names"),
        pytest.param(TEXT, b'\n {"partialSuccess":{"rejectedLogRecords":3,"errorMessage":"no"},"x":1}', id="as text"),
    ],
)
def test_a_partial_success_is_read_in_both_encodings(kind: str | None, body: bytes) -> None:
    got = outcome(200, kind, body)
    assert (got.result, got.dropped, got.why) == ("ok", 3, "no")


@pytest.mark.parametrize(
    "body",
    [
        b'{"status":"success"}',
        b'{"errors":[]}',
        b'{"code":0}',
        b'{"error":null,"Status":200}',
        b' {"partialSuccess":null} ',
    ],
)
def test_unknown_fields_of_json_are_ignored_unless_they_report_a_failure(body: bytes) -> None:
    assert outcome(200, JSON, body) == Outcome("ok")


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"content-encoding": "gzip"}, gzip.compress(b"\x0a\x06\x08\x03\x12\x02no", mtime=0)),
        ({"content-encoding": "Deflate"}, zlib.compress(b"\x0a\x06\x08\x03\x12\x02no")),
        ({"content-encoding": "gzip"}, b"\x0a\x06\x08\x03\x12\x02no"),  # requests has decoded it
        ({"content-encoding": "identity"}, b"\x0a\x06\x08\x03\x12\x02no"),
    ],
)
def test_a_compressed_answer_is_read(fields: dict[str, str], body: bytes) -> None:
    got = answered(Answer(200, "OK", None, fields, body), ExportLogsServiceResponse, "http://c/v1/logs")
    assert (got.result, got.dropped) == ("ok", 3)


def test_a_compressed_answer_is_bounded() -> None:
    huge = gzip.compress(b"x" * (64 << 20), mtime=0)
    got = answered(
        Answer(200, "OK", None, {"content-encoding": "gzip"}, huge), ExportLogsServiceResponse, "http://c/v1/logs"
    )
    assert got.result == "retry"


@given(
    status=st.sampled_from([200, 204]), kind=st.sampled_from(["", PROTOBUF, JSON, TEXT]), body=st.binary(max_size=80)
)
def test_any_bytes_are_a_message_or_none(status: int, kind: str, body: bytes) -> None:
    message = accepted_message(status, kind, body, ExportLogsServiceResponse)
    assert message is None or isinstance(message, ExportLogsServiceResponse)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.text(max_size=3), inside, max_size=2),
        max_leaves=6,
    )
)
def test_any_json_is_a_message_or_none(value: object) -> None:
    body = json.dumps({"partialSuccess": value}).encode()
    message = accepted_message(200, JSON, body, ExportLogsServiceResponse)
    assert message is None or isinstance(message, ExportLogsServiceResponse)
