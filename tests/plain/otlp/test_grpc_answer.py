"""What a server answers to a gRPC call that is no gRPC server, or a broken one: frames of a real HTTP/2 server."""

from __future__ import annotations

import pytest
from support.http2_server import GARBAGE, GRPC, WEB_PAGE, Fields, Frames, Http2Server, message
from support.pipelines import sending
from support.waiting import eventually

from otel_oom.otlp import remedies

_OK: Fields = [("grpc-status", "0")]
_WARNING = b"\x0a\x06\x12\x04slow"


def http(status: int) -> Frames:
    return Frames([(":status", str(status)), ("content-type", "text/html")], b"<html>")


def settings(server: Http2Server) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.port}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2000",
    }


@pytest.mark.parametrize(
    ("frames", "why", "remedy"),
    [
        pytest.param(
            WEB_PAGE, "UNKNOWN: the answer is HTTP without a gRPC status", remedies.NOT_A_COLLECTOR, id="a page"
        ),
        pytest.param(
            Frames(GRPC, message(b"")),
            "UNKNOWN: the answer is HTTP without a gRPC status",
            remedies.NOT_A_COLLECTOR,
            id="no trailers",
        ),
        pytest.param(
            Frames(GRPC), "UNKNOWN: the answer is HTTP without a gRPC status", remedies.NOT_A_COLLECTOR, id="no status"
        ),
        pytest.param(
            GARBAGE, "INTERNAL: the answer is no OTLP message", remedies.NOT_A_COLLECTOR, id="garbage, and a success"
        ),
        pytest.param(
            Frames(GRPC, b"\0\xff\xff\xff\xff", _OK),
            "RESOURCE_EXHAUSTED: CLIENT: Received message larger than max (4294967295 vs. 1048576)",
            remedies.MESSAGE_SIZE,
            id="a length without an end",
        ),
        pytest.param(Frames([*GRPC, ("grpc-status", "99")]), "UNKNOWN", remedies.SERVER, id="an unknown status"),
        pytest.param(
            Frames([*GRPC, *_OK]), "OK: the answer has no response message", remedies.NOT_GRPC, id="trailers only"
        ),
        pytest.param(
            Frames([*WEB_PAGE.head, *_OK]),
            "OK: the answer has no response message",
            remedies.NOT_GRPC,
            id="a page with a status",
        ),
        pytest.param(http(302), "UNKNOWN: HTTP 302 instead of a gRPC answer", remedies.NOT_GRPC, id="302"),
        pytest.param(http(401), "UNAUTHENTICATED: HTTP 401 instead of a gRPC answer", remedies.KEY, id="401"),
        pytest.param(http(403), "PERMISSION_DENIED: HTTP 403 instead of a gRPC answer", remedies.KEY, id="403"),
        pytest.param(http(404), "UNIMPLEMENTED: HTTP 404 instead of a gRPC answer", remedies.NOT_GRPC, id="404"),
        pytest.param(http(407), "UNKNOWN: HTTP 407 instead of a gRPC answer", remedies.PROXY, id="407"),
        pytest.param(http(429), "UNAVAILABLE: HTTP 429 instead of a gRPC answer", remedies.SERVER, id="429"),
        pytest.param(http(502), "UNAVAILABLE: HTTP 502 instead of a gRPC answer", remedies.SERVER, id="502"),
    ],
)
def test_what_is_no_acceptance_keeps_the_data(
    frames: Frames, why: str, remedy: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Http2Server(frames) as server, sending(settings(server)) as rig:
        rig.kill("first")
        assert eventually(lambda: rig.health.exports["logs", "retry"] >= 2)
        assert eventually(lambda: rig.health.exports["metrics", "retry"] >= 2)
        assert len(rig.spool) == 1
        assert not rig.health.dropped
        assert {outcome for _, outcome in rig.health.exports} == {"retry"}
        assert server.requests >= 4
    assert {record.name for record in caplog.records} == {"otel_oom"}, "no line of the library, and no traceback"
    assert f"cannot deliver logs, will retry: {why}; {remedy}" in caplog.messages
    assert f"cannot deliver metrics, will retry: {why}; {remedy}" in caplog.messages


@pytest.mark.parametrize(
    ("frames", "warning"),
    [
        pytest.param(Frames(GRPC, message(b""), _OK), "", id="an empty message"),
        pytest.param(Frames([(":status", "200")], message(b""), _OK), "", id="without a content type"),
        pytest.param(Frames(GRPC, message(_WARNING), _OK), "slow", id="a warning"),
    ],
)
def test_what_is_an_acceptance(frames: Frames, warning: str, caplog: pytest.LogCaptureFixture) -> None:
    with Http2Server(frames) as server, sending(settings(server)) as rig:
        rig.kill("first")
        assert eventually(lambda: rig.health.exports["logs", "ok"] == 1)
        assert eventually(lambda: not len(rig.spool))
        assert not rig.health.dropped
    expected = [f"the collector accepted {signal} with a warning: {warning}" for signal in ("metrics", "logs")]
    assert sorted(set(caplog.messages)) == (sorted(expected) if warning else [])
