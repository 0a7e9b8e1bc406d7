"""A gRPC channel has pings where a request may last longer than they need to detect a dead connection: 4 s."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_oom.config.settings import load_config
from otel_oom.otlp import grpc_exporter


@pytest.mark.parametrize(("timeout_s", "has_pings"), [(0.3, False), (4.0, False), (4.5, True), (10.0, True)])
def test_pings_follow_the_timeout(timeout_s: float, *, has_pings: bool) -> None:
    export = replace(load_config({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}).logs, timeout_s=timeout_s)
    options = dict(grpc_exporter._arguments(export)["channel_options"])
    assert ("grpc.keepalive_time_ms" in options) == has_pings
    detected_ms = sum(value for name, value in grpc_exporter._KEEPALIVE[:2])
    assert detected_ms == 4_000
