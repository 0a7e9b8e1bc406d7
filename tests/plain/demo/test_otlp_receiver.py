"""The receiver of the demo: what it answers, and what it hands on."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from otel_oom.demo.otlp_receiver import Receiver, plain


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


def post(receiver: Receiver, path: str, body: bytes, **headers: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(receiver.endpoint).netloc, timeout=5)
    try:
        connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_listens_on_this_machine_only(receiver: Receiver) -> None:
    assert urlsplit(receiver.endpoint).hostname == "127.0.0.1"


def test_requests_are_decoded_in_order(receiver: Receiver) -> None:
    first, second = ExportLogsServiceRequest(), ExportLogsServiceRequest()
    first.resource_logs.add().schema_url = "first"
    second.resource_logs.add().schema_url = "second"
    assert post(receiver, "/v1/logs", first.SerializeToString()) == 200
    assert post(receiver, "/v1/logs", gzip.compress(second.SerializeToString()), Content_Encoding="gzip") == 200
    received = [receiver.logs.get(timeout=5) for _ in range(2)]
    assert [item.message for item in received] == [first, second]
    assert received[0].received_ns <= received[1].received_ns
    assert receiver.metrics.empty()


def test_other_requests_are_refused(receiver: Receiver) -> None:
    assert post(receiver, "/v1/traces", b"") == 404
    assert post(receiver, "/v1/metrics", b"\xff") == 400
    assert receiver.logs.empty()
    assert receiver.metrics.empty()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AnyValue(), None),
        (AnyValue(string_value=""), ""),
        (AnyValue(int_value=0), 0),
        (AnyValue(bool_value=False), False),
        (AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()])), [1, None]),
        (AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="a", value=AnyValue(int_value=1))])), {"a": 1}),
    ],
)
def test_a_value_of_otlp_is_a_python_value(value: AnyValue, expected: object) -> None:
    assert plain(value) == expected
