"""A proxy that refuses: the line names its variable, whatever the protocol. A real proxy."""

from __future__ import annotations

import pytest
from support.http_proxy import NAME, HttpProxy
from support.otlp_receiver import Protocol
from support.pipelines import sending
from support.waiting import eventually

from otel_oom.otlp import remedies


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("refusal", "remedy"),
    [
        ("407 Proxy Authentication Required", remedies.PROXY),
        ("403 Forbidden", remedies.PROXY_REFUSES),
        ("502 Bad Gateway", remedies.PROXY_FAILS),
    ],
)
def test_a_proxy_that_refuses(
    protocol: Protocol, scheme: str, refusal: str, remedy: str, caplog: pytest.LogCaptureFixture
) -> None:
    with HttpProxy(refusal=refusal) as proxy:
        variables = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}://{NAME}:4317",
            f"{scheme}_proxy": f"http://127.0.0.1:{proxy.port}",
        }
        with sending(variables) as rig:
            rig.kill("first")
            assert eventually(lambda: rig.health.exports["logs", "retry"] >= 2)
            assert len(rig.spool) == 1
    line = next(line for line in caplog.messages if "cannot deliver logs" in line)
    assert refusal.partition(" ")[0] in line
    assert f"proxy 127.0.0.1:{proxy.port} ({scheme}_proxy)" in line
    if protocol == "http/protobuf" and scheme == "http" and not refusal.startswith("407"):
        return  # a forwarded request: it may be the server that answers so
    assert remedy in line
