"""What of a server's words reaches a log line: one line, no secret, and the variable that is in effect."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace

import pytest
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer
from support.pipelines import CODE, sending, settings
from support.waiting import eventually

from otel_oom.config.redaction import REPLACEMENT
from otel_oom.otlp import remedies
from otel_oom.otlp.export_outcome import Outcome
from otel_oom.otlp.outcome_text import OutcomeText

KEY = "canary-2f9c"
BASIC = base64.b64encode(f"tenant:{KEY}".encode()).decode()


def shown(env: dict[str, str], why: str) -> str:
    return OutcomeText(env, "logs").of(Outcome("retry", why)).why


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"OTEL_EXPORTER_OTLP_HEADERS": f"api-key={KEY}"}, f"bad key {KEY}"),
        ({"OTEL_EXPORTER_OTLP_LOGS_HEADERS": f"a=b, api-key = {KEY} ,c=d"}, f"bad key {KEY}"),
        ({"OTEL_EXPORTER_OTLP_METRICS_HEADERS": f"api-key={KEY}"}, f"bad key {KEY}"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{KEY}"}, f"bad token {KEY}."),
        ({"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {KEY}"}, f"got 'Bearer {KEY}'"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Basic {BASIC}"}, f"no user tenant:{KEY}, {BASIC}"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "k=canary%2D2f9c"}, f"{KEY} canary%2D2f9c"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": f"a={KEY[:6]},b={KEY}"}, KEY),
        ({"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Basic !{KEY}"}, f"!{KEY}"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"https://user:{KEY}@c:4318"}, f"user:{KEY} and {KEY}"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"https://tenant:{KEY}@c:4318"}, f"Basic {BASIC}"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"https://{KEY}@c:4318"}, KEY),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"u:{KEY}@c:4317"}, KEY),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"https://c/v1/logs?a=b&key={KEY}"}, f"POST /v1/logs?key={KEY}"),
        ({"HTTPS_PROXY": f"http://u:{KEY}@proxy:3128"}, f"proxy says {KEY}"),
        ({"http_proxy": "http://u:canary%2D2f9c@proxy:3128"}, f"proxy says {KEY}"),
    ],
)
def test_a_secret_does_not_pass(env: dict[str, str], why: str) -> None:
    got = shown(env, why)
    assert "canary" not in got
    assert BASIC not in got
    assert REPLACEMENT in got


def test_a_secret_at_the_cut_does_not_pass_in_part() -> None:
    for length in range(250, 330):
        assert "canary" not in shown({"OTEL_EXPORTER_OTLP_HEADERS": f"k={KEY}"}, "x" * length + KEY)


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        ("two\nlines\r\n and\ta tab", "two lines and a tab"),
        ("\x1b[31mred\x00\x07\u2028", r"\x1b[31mred\x00\x07"),
        ("x" * 301, "x" * 300 + "…"),
        ("the key k and the word in", "the key k and the word in"),
    ],
)
def test_the_words_are_one_bounded_line(why: str, expected: str) -> None:
    assert shown({"OTEL_EXPORTER_OTLP_HEADERS": "a=k,b=in,c="}, why) == expected


def test_the_variable_that_is_in_effect_is_named() -> None:
    env = {"OTEL_EXPORTER_OTLP_LOGS_HEADERS": "a=b", "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY": "file"}
    failed = Outcome("retry", remedy=remedies.KEY)
    certificate = replace(failed, remedy=remedies.CLIENT_CERTIFICATE)
    assert OutcomeText(env, "logs").of(failed).remedy == "set the key in OTEL_EXPORTER_OTLP_LOGS_HEADERS"
    assert OutcomeText(env, "metrics").of(failed).remedy == remedies.KEY
    usual = OutcomeText(env, "logs").of(Outcome("retry"), "check OTEL_EXPORTER_OTLP_HEADERS")
    assert usual.remedy == "check OTEL_EXPORTER_OTLP_LOGS_HEADERS"
    assert "and its key in OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY" in OutcomeText(env, "metrics").of(certificate).remedy
    assert "name it in OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE" in OutcomeText(env, "metrics").of(certificate).remedy


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        ("http/protobuf", Answer(401, details=f"no such key: {KEY}")),
        ("http/protobuf", Answer(403, content_type="application/json", details=f'{{"error": {{"message": "{KEY}"}}}}')),
        ("http/protobuf", Answer(500, content_type="text/plain", details=f"x {KEY}")),
        ("http/protobuf", Answer(301, details=KEY)),
        ("http/protobuf", Answer(400, details=f"bad {KEY}")),
        ("http/protobuf", Answer(200, content_type="text/html", page=f"<title>{KEY}</title>".encode())),
        ("http/protobuf", Answer(rejected=1, details=KEY)),
        ("http/protobuf", Answer(details=KEY)),
        ("grpc", Answer(CODE.UNAUTHENTICATED, details=f"no such key: {KEY}")),
        ("grpc", Answer(CODE.INVALID_ARGUMENT, details=f"bad {KEY}")),
        ("grpc", Answer(rejected=1, details=KEY)),
        ("grpc", Answer(details=KEY)),
    ],
)
def test_a_server_that_repeats_the_key(
    protocol: Protocol, answer: Answer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with OtlpReceiver(protocol) as receiver:
        receiver.script.otherwise = answer
        with sending(settings(receiver) | {"OTEL_EXPORTER_OTLP_HEADERS": f"x-key={KEY}"}) as rig:
            rig.kill("first")
            assert eventually(lambda: {signal for signal, _ in rig.health.exports} == {"logs", "metrics"})
            assert {request.headers["x-key"] for request in receiver.requests} == {KEY}
    assert caplog.messages
    assert KEY not in caplog.text
    assert KEY not in "".join(capfd.readouterr())
