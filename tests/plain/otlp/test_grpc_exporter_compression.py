"""Compression over gRPC, by the bytes of the messages at an HTTP/2 server."""

from __future__ import annotations

import gzip

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from support import otlp_decoding
from support.http2_server import GRPC, Frames, Http2Server, message
from support.pipelines import sending
from support.waiting import eventually

ACCEPTS = Frames(GRPC, message(b""), [("grpc-status", "0")])
_HEAD_BYTES = 5  # of a message: whether it is compressed, and its length


@pytest.mark.parametrize(
    ("variable", "value", "compressed"),
    [
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", {"logs", "metrics"}),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip", {"logs"}),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip", {"metrics"}),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none", set()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "", set()),
    ],
)
def test_compression_on_the_wire(variable: str, value: str, compressed: set[str]) -> None:
    with Http2Server(ACCEPTS) as server:
        settings = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.port}",
            variable: value,
        }
        with sending(settings) as rig:
            rig.kill("first")
            assert eventually(lambda: rig.health.exports["logs", "ok"] and rig.health.exports["metrics", "ok"])
    found = {}
    for fields, body in server.bodies:
        assert int.from_bytes(body[1:_HEAD_BYTES], "big") == len(body) - _HEAD_BYTES
        is_compressed = bool(body[0])
        assert fields.get("grpc-encoding", "identity") == ("gzip" if is_compressed else "identity")
        signal = "logs" if "LogsService" in fields[":path"] else "metrics"
        content = gzip.decompress(body[_HEAD_BYTES:]) if is_compressed else body[_HEAD_BYTES:]
        if signal == "logs":
            (record,) = otlp_decoding.log_records(ExportLogsServiceRequest.FromString(content))
            assert record.uid == "first"
        found[signal] = is_compressed
    assert found == {signal: signal in compressed for signal in ("logs", "metrics")}
