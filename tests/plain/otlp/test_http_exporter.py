"""What each request carries beside the data, over HTTP and gRPC alike: User-Agent, and the authorization of the URL."""

from __future__ import annotations

import re

import pytest
from support.otlp_receiver import OtlpReceiver, Protocol, Request
from support.pipelines import sending

from otel_oom import __version__

E = "OTEL_EXPORTER_OTLP_"
BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
BASIC = "Basic bWU6c2VjcmV0"  # me:secret


def requests(receiver: OtlpReceiver, variables: dict[str, str]) -> list[Request]:
    """One request of each signal."""
    with sending(receiver.settings | variables) as rig:
        rig.kill("first")
        receiver.wait(lambda: receiver.delivered and receiver.accepted("metrics"))
        return [receiver.of("logs")[0], receiver.of("metrics")[0]]


@BOTH
def test_user_agent(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver:
        for request in requests(receiver, {}):
            expected = rf"otel-oom/{re.escape(__version__)} OTel-OTLP-Exporter-Python/[0-9.]+( grpc-.*)?"
            assert re.fullmatch(expected, request.headers["user-agent"])


def test_the_user_agent_of_the_user_wins() -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        for request in requests(receiver, {f"{E}HEADERS": "user-agent=mine"}):
            assert request.headers["user-agent"] == "mine"


@BOTH
@pytest.mark.parametrize(
    ("headers", "expected"), [("", BASIC), ("x-key=1", BASIC), ("Authorization=Bearer%20t", "Bearer t")]
)
def test_user_and_password_of_an_endpoint(
    protocol: Protocol, headers: str, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    with OtlpReceiver(protocol) as receiver:
        endpoint = receiver.endpoint.replace("://", "://me:secret@")
        for request in requests(receiver, {f"{E}ENDPOINT": endpoint, f"{E}HEADERS": headers}):
            assert request.headers["authorization"] == expected
            assert "secret" not in request.headers.get("host", "")
    assert "secret" not in caplog.text


def test_a_query_stays_behind_the_path() -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        endpoint = f"{receiver.endpoint}/x/?tenant=a%20b"
        paths = [request.path for request in requests(receiver, {f"{E}ENDPOINT": endpoint})]
        assert paths == ["/x/v1/logs?tenant=a%20b", "/x/v1/metrics?tenant=a%20b"]
