"""Messages larger than somebody takes, over gRPC. Only a server's statement about the request is a rejection.

The servers are grpcio's own. Its texts are those of the library in the agent.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TypeAlias, cast

import grpc
import pytest
from grpc import Compression, StatusCode
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from support.pipelines import Rig, event, sending
from support.waiting import eventually

from otel_oom.otlp import grpc_exporter, remedies
from otel_oom.otlp.export_outcome import MAX_ANSWER_BYTES
from otel_oom.otlp.grpc_answer import failed

Options: TypeAlias = tuple[tuple[str, int], ...]
UNLIMITED: Options = (("grpc.max_send_message_length", -1),)


def answer_of(size: int) -> bytes:
    """A response with a warning of this size, bytes."""
    response = ExportLogsServiceResponse()
    response.partial_success.error_message = "x" * size
    return bytes(response.SerializeToString())


class Server:
    """A collector by grpcio that stores each request, and answers the same to each.

    options: of the server, such as its limits; compression: of its answers
    """

    def __init__(self, answer: bytes, options: Options, compression: Compression | None) -> None:
        self.stored = 0
        self._answer = answer
        self._pool = ThreadPoolExecutor(2)
        self._server = grpc.server(self._pool, options=options, compression=compression)
        method = grpc.unary_unary_rpc_method_handler(self._store)
        for signal, service in (("logs", "LogsService"), ("metrics", "MetricsService")):
            name = f"opentelemetry.proto.collector.{signal}.v1.{service}"
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": method}),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def _store(self, *_: object) -> bytes:
        self.stored += 1
        return self._answer

    def stop(self) -> None:
        self._server.stop(0).wait()
        self._pool.shutdown(wait=False)


@contextmanager
def delivering(
    answer: bytes, options: Options = (), compression: Compression | None = None, *, body: str = "", **variables: str
) -> Iterator[tuple[Server, Rig]]:
    server = Server(answer, options or UNLIMITED, compression)
    settings = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.port}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "5000",
        **variables,
    }
    try:
        with sending(settings) as rig:
            events = [replace(event(uid), body=body) for uid in ("first", "second")]
            rig.spool.put(events, replace(rig.spool.checkpoint))
            yield server, rig
    finally:
        server.stop()


ANSWER_AT_SERVER = (("grpc.max_send_message_length", 8),)
REQUEST_AT_SERVER = (("grpc.max_receive_message_length", 1_000),)


@pytest.mark.parametrize(
    ("size", "options", "compression", "words"),
    [
        pytest.param(5 << 20, (), None, "CLIENT: Received message larger than max (", id="5 MiB"),
        pytest.param(MAX_ANSWER_BYTES, (), None, "CLIENT: Received message larger than max (", id="1 MiB"),
        pytest.param(20 << 20, (), Compression.Gzip, "Decompressed message larger than max", id="a gzip bomb"),
        pytest.param(9, ANSWER_AT_SERVER, None, "SERVER: Sent message larger than max (", id="the server's own limit"),
    ],
)
def test_an_answer_that_is_too_large_is_no_rejection(
    size: int, options: Options, compression: Compression | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with delivering(answer_of(size), options, compression) as (server, rig):
        assert eventually(lambda: rig.health.exports["logs", "retry"] >= 3)
        assert eventually(lambda: rig.health.exports["metrics", "retry"] >= 2)
        assert len(rig.spool) == 2
        assert not rig.health.dropped
        assert {outcome for _, outcome in rig.health.exports} == {"retry"}
        assert server.stored >= 3
    (line,) = [line for line in caplog.messages if "cannot deliver logs" in line]
    assert f"RESOURCE_EXHAUSTED: {words}" in line
    assert line.endswith(remedies.MESSAGE_SIZE)


def test_an_answer_below_the_limit_is_an_acceptance() -> None:
    with delivering(answer_of(MAX_ANSWER_BYTES - 100)) as (server, rig):
        assert eventually(lambda: not len(rig.spool))
        assert not rig.health.dropped
        assert rig.health.exports["logs", "ok"] == server.stored - rig.health.exports["metrics", "ok"] == 1


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_request_that_is_too_large_for_the_server(compression: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its own statement is final. With gzip its words are those of a limit here, so the events are kept."""
    with delivering(
        answer_of(0), REQUEST_AT_SERVER, body="x" * 5_000, OTEL_EXPORTER_OTLP_LOGS_COMPRESSION=compression
    ) as (server, rig):
        if compression == "none":
            assert eventually(lambda: rig.health.dropped["rejected"] == 2)
            assert not len(rig.spool)
            assert "RESOURCE_EXHAUSTED: SERVER: Received message larger than max (" in caplog.text
        else:
            assert eventually(lambda: rig.health.exports["logs", "retry"] >= 3)
            assert len(rig.spool) == 2
            assert not rig.health.dropped
            assert "RESOURCE_EXHAUSTED: Decompressed message larger than max; " in caplog.text
        assert not server.stored or rig.health.exports["metrics", "ok"]


def test_a_request_that_this_side_does_not_send_is_no_rejection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A name resolver may set this limit, in a service config."""
    limit = ("grpc.max_send_message_length", 8_000)  # more than one event needs, less than two
    monkeypatch.setattr(grpc_exporter, "_CHANNEL_OPTIONS", (*grpc_exporter._CHANNEL_OPTIONS, limit))
    with delivering(answer_of(0), body="x" * 5_000) as (_, rig):
        assert eventually(lambda: not len(rig.spool)), "the next requests are smaller"
        assert rig.health.exports["logs", "ok"] == 2
        assert not rig.health.dropped
    assert "RESOURCE_EXHAUSTED: CLIENT: Sent message larger than max (" in caplog.text


@pytest.mark.parametrize(
    ("details", "result"),
    [
        ("grpc: received message larger than max (9 vs. 4)", "rejected"),
        ("grpc: received message after decompression larger than max 4", "rejected"),
        ("grpc: message after decompression larger than max (9 vs. 4)", "rejected"),
        ("grpc: trying to send message larger than max (9 vs. 4)", "retry"),
        ("slow down", "retry"),
    ],
)
def test_words_of_the_library_for_go(details: str, result: str) -> None:
    call = SimpleNamespace(code=lambda: StatusCode.RESOURCE_EXHAUSTED, details=lambda: details, trailing_metadata=tuple)
    assert failed(cast("grpc.Call", call), is_tls=False).result == result
