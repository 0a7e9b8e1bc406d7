"""Variables whose effect is in the process: its lines on standard error, and what the SDK reads and loads itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.agents import environment
from support.certificates import make_certificates
from support.otlp_receiver import OtlpReceiver
from support.otlp_servers import Answer
from support.waiting import eventually

_PLAYED = """
import functools, sys
from otel_oom.cli.main import main
from otel_oom.config import environment
from otel_oom.kernel.recorded_log import RecordedLog
recording = RecordedLog()
recording.play()
hide = environment.hide_from_sdk
def hide_from_sdk(environ):
    hide(environ)
    from otel_oom.agent import start
    start.prepare = functools.partial(start.prepare, source=recording)
environment.hide_from_sdk = hide_from_sdk
sys.exit(main(["run"]))
"""
_PROVIDERS = """
import grpc, requests
def session():
    made = requests.Session()
    made.headers["x-token"] = "of the provider"
    return made
def credentials():
    token = grpc.metadata_call_credentials(lambda _, say: say((("x-token", "of the provider"),), None))
    with open({ca!r}, "rb") as file:
        return grpc.composite_channel_credentials(grpc.ssl_channel_credentials(file.read()), token)
"""
P = "OTEL_PYTHON_EXPORTER_OTLP_"


@contextmanager
def agent(receiver: OtlpReceiver, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The agent in a process, with the recorded kill as its kernel log."""
    with subprocess.Popen(
        [sys.executable, "-c", _PLAYED],
        env=environment(**{**receiver.settings, **variables}),
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def lines(started: subprocess.Popen[str]) -> str:
    """What it wrote until it was stopped."""
    started.terminate()
    return started.communicate(timeout=30)[1]


@pytest.mark.parametrize(
    ("level", "levels"),
    [
        ("", {"info", "warning"}),
        ("Debug", {"info", "warning"}),
        ("info", {"info", "warning"}),
        ("warn", {"warning"}),
        ("error", set()),
        ("none", set()),
        ("loud", {"info", "warning"}),
    ],
)
def test_the_level_of_the_log(level: str, levels: set[str]) -> None:
    with OtlpReceiver("http/protobuf") as receiver:
        receiver.script.metrics.append(Answer(503))
        with agent(receiver, OTEL_LOG_LEVEL=level) as started:
            receiver.wait(lambda: receiver.delivered and receiver.accepted("metrics"), 30)
            said = lines(started)
    assert {line.split(": ")[1] for line in said.splitlines()} == levels, said
    assert ("OTEL_LOG_LEVEL='loud' is not supported, so info applies" in said) is (level == "loud")


def test_warnings_are_said_at_the_start_and_show_no_value() -> None:
    """The SDK would print the part that is malformed, once at its import and once for the resource."""
    with (
        OtlpReceiver("http/protobuf") as receiver,
        agent(
            receiver,
            OTEL_RESOURCE_ATTRIBUTES="host.name=canary,canary",
            OTEL_OOM_DEVISE="canary",
            OTEL_EXPORTER_OTLP_COMPRESSION="lzma",
            OTEL_ATTRIBUTE_COUNT_LIMIT="many",
            OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES="NO_SUCH",
        ) as started,
    ):
        (request, *_) = receiver.wait(lambda: receiver.accepted("logs"), 30)
        said = lines(started)
    assert "canary" not in said
    assert request.resource["host.name"] != "canary"
    starts = [line.removeprefix("otel-oom: ") for line in said.splitlines()]
    expected = (
        "warning: OTEL_EXPORTER_OTLP_COMPRESSION='lzma' is not supported",
        "warning: OTEL_RESOURCE_ATTRIBUTES is discarded as a whole: its part 2 has no equals sign",
        "warning: OTEL_ATTRIBUTE_COUNT_LIMIT='many' is not valid",
        "warning: OTEL_OOM_DEVISE is unknown and has no effect; did you mean OTEL_OOM_DEVICE?",
    )
    assert [line for line, begin in zip(starts[:4], expected, strict=True) if not line.startswith(begin)] == []
    assert any(line.startswith("info: watching ") for line in starts[4:])


def test_detectors_of_the_sdk_add_attributes() -> None:
    with (
        OtlpReceiver("http/protobuf") as receiver,
        agent(receiver, OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="process") as started,
    ):
        (request, *_) = receiver.wait(lambda: receiver.accepted("logs"), 30)
        assert request.resource["process.pid"] == started.pid
        assert request.resource["service.name"] == "otel-oom"


def test_a_detector_that_is_not_installed_is_one_warning() -> None:
    with (
        OtlpReceiver("http/protobuf") as receiver,
        agent(receiver, OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="nobody") as started,
    ):
        receiver.wait(lambda: receiver.accepted("logs"), 30)
        started.terminate()
        assert started.stderr is not None
        stderr = started.stderr.read()
    assert stderr.count("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS: Failed to load resource detector 'nobody'") == 1
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("protocol", "variable", "signals"),
    [
        ("http/protobuf", f"{P}HTTP_CREDENTIAL_PROVIDER", {"logs", "metrics"}),
        ("http/protobuf", f"{P}HTTP_LOGS_CREDENTIAL_PROVIDER", {"logs"}),
        ("http/protobuf", f"{P}HTTP_METRICS_CREDENTIAL_PROVIDER", {"metrics"}),
        ("grpc", f"{P}GRPC_CREDENTIAL_PROVIDER", {"logs", "metrics"}),
        ("grpc", f"{P}GRPC_LOGS_CREDENTIAL_PROVIDER", {"logs"}),
        ("grpc", f"{P}GRPC_METRICS_CREDENTIAL_PROVIDER", {"metrics"}),
    ],
)
def test_a_credential_provider_is_asked(protocol: str, variable: str, signals: set[str], tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    (tmp_path / "providers.py").write_text(_PROVIDERS.format(ca=certificates.path("ca.pem")))
    distribution = tmp_path / "providers-1.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: providers\nVersion: 1\n")
    (distribution / "entry_points.txt").write_text(
        "[opentelemetry_otlp_credential_provider]\nsession = providers:session\ncredentials = providers:credentials\n"
    )
    is_grpc = protocol == "grpc"
    variables = {variable: "credentials" if is_grpc else "session", "PYTHONPATH": str(tmp_path)}
    part = variable.removeprefix(P).removesuffix("CREDENTIAL_PROVIDER").partition("_")[2]  # such as LOGS_
    for name in {"", part}:
        variables[f"OTEL_EXPORTER_OTLP_{name}CERTIFICATE"] = certificates.path("ca.pem")
    kind = "grpc" if is_grpc else "http/protobuf"
    with (
        OtlpReceiver("grpc" if is_grpc else "http/protobuf", certificate=certificates.server) as receiver,
        agent(receiver, OTEL_EXPORTER_OTLP_PROTOCOL=kind, **variables) as started,
    ):
        assert eventually(lambda: receiver.accepted("logs") and receiver.accepted("metrics"), within_s=30), lines(
            started
        )
        tokens = {request.signal: request.headers.get("x-token") for request in receiver.requests}
    expected = {signal: "of the provider" if signal in signals else None for signal in ("logs", "metrics")}
    assert tokens == expected
