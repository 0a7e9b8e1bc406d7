"""No way by which a secret gets into the configuration, and no failure, puts it into a line of `otel-oom run`.

Each way is tried with the real command, in a process, against a collector that echoes the whole request in every kind
of refusal. The command also logs its environment, as a library might in an exception.
"""

from __future__ import annotations

import base64
import itertools
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from grpc import StatusCode
from support.agents import environment
from support.otlp_receiver import OtlpReceiver
from support.otlp_servers import Answer, Signal

SECRET = "SeCrEt-9d2f61c07be84a35"
ENCODED = base64.b64encode(f"user:{SECRET}".encode()).decode()
E = "OTEL_EXPORTER_OTLP_"
PEM = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"

_RUN = """
import functools, logging, os, random, sys
from otel_oom.cli.log_output import LogOutput
from otel_oom.cli.main import main
write_in_background = LogOutput.write_in_background
def patched(output):
    write_in_background(output)
    from otel_oom import rate_limited_log
    from otel_oom.agent import start  # not before: the import of the SDK logs
    from otel_oom.kernel.recorded_log import RecordedLog
    rate_limited_log.REPEAT_AFTER_S = 0
    random.uniform = lambda low, high: 0.01  # pauses between two attempts
    recording = RecordedLog()
    recording.play()
    prepare = functools.partial(start.prepare, source=recording)
    def quote_all(config, **_):
        try:
            raise ValueError(dict(os.environ), config)
        except ValueError:
            logging.getLogger("a.library").exception("quoted")
        return prepare(config)
    start.prepare = quote_all
LogOutput.write_in_background = patched
sys.exit(main(["run"]))
"""

_ENOUGH = 6  # failed requests: each kind of refusal once

#: by way: the variables, with {at} for host and port of the collector
WAYS = {
    "a header": {"HEADERS": f"authorization=Bearer%20{SECRET}"},
    "a header of one signal": {"LOGS_HEADERS": f"x-key={SECRET}", "METRICS_HEADERS": f"x-key={SECRET}"},
    "a header with a colon": {"HEADERS": f"authorization: Basic {SECRET}="},
    "a header with a space": {"HEADERS": f"authorization Bearer {SECRET}"},
    "a header that HTTP cannot carry": {"HEADERS": f"x-key={SECRET}%0A"},
    "a key alone": {"HEADERS": SECRET},
    "a password": {"ENDPOINT": f"http://user:{SECRET}@{{at}}"},
    "a user": {"ENDPOINT": f"http://{SECRET}@{{at}}"},
    "a query": {"LOGS_ENDPOINT": f"http://{{at}}/v1/logs?key={SECRET}"},
    "a query of both signals": {"ENDPOINT": f"http://{{at}}/?api-key={SECRET}"},
    "a fragment": {"ENDPOINT": f"http://{{at}}/#{SECRET}"},
    "a password before a port that is no number": {"ENDPOINT": f"http://user:{SECRET}@collector:4318x"},
    "a password before a port that is too large": {"ENDPOINT": f"http://user:{SECRET}@collector:99999"},
    "a password in another scheme": {"ENDPOINT": f"ftp://user:{SECRET}@{{at}}"},
    "a password without a scheme": {"ENDPOINT": f"user:{SECRET}@{{at}}"},
    "a password with a slash": {"ENDPOINT": f"http://user:{SECRET}/1@{{at}}"},
    "a password with a question mark": {"ENDPOINT": f"http://user:?{SECRET}@{{at}}"},
    "a password of a URL that is none": {"ENDPOINT": f"http://user:{SECRET}@[::1:4318"},
    "a key as the endpoint": {"ENDPOINT": SECRET},
    "a header as the endpoint": {"ENDPOINT": f"Bearer {SECRET}"},
    "a key as the protocol": {"PROTOCOL": SECRET},
    "a key as the compression": {"COMPRESSION": SECRET},
    "a key as the timeout": {"TIMEOUT": SECRET},
    "a client key in place of its file": {
        "ENDPOINT": "https://{at}",
        "CLIENT_KEY": PEM,
        "CLIENT_CERTIFICATE": PEM.replace("PRIVATE KEY", "CERTIFICATE"),
    },
    "a certificate in place of its file": {"ENDPOINT": "https://{at}", "CERTIFICATE": PEM},
}
OTHER_WAYS = {
    "a proxy": {"HTTP_PROXY": f"http://user:{SECRET}@{{at}}", f"{E}ENDPOINT": "http://collector.invalid:4318"},
    "a proxy for https": {"HTTPS_PROXY": f"http://user:{SECRET}@{{at}}", f"{E}ENDPOINT": "https://collector.invalid"},
    "a proxy of another kind": {"ALL_PROXY": f"socks5://user:{SECRET}@{{at}}", f"{E}ENDPOINT": "http://c.invalid:1"},
    "a key as the exporter": {"OTEL_LOGS_EXPORTER": SECRET},
    "a key as a limit": {"OTEL_ATTRIBUTE_COUNT_LIMIT": SECRET},
    "a key as a boolean": {"OTEL_OOM_FROM_RING": SECRET},
    "a key as a resource attribute without a name": {"OTEL_RESOURCE_ATTRIBUTES": f"token {SECRET}"},
}
ALL = {way: {f"{E}{name}": value for name, value in names.items()} for way, names in WAYS.items()} | OTHER_WAYS


class _Echo(socketserver.StreamRequestHandler):
    """Answers one request with all that it got, each in another way."""

    kinds = itertools.cycle(("400", "status", "500", "301", "reason", "no HTTP"))
    answered = 0

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        shown = b" | ".join(head.split(b"\r\n"))
        plain = b"Content-Type: text/plain\r\nConnection: close\r\n\r\n" + shown
        status = b"Content-Type: application/json\r\nConnection: close\r\n\r\n" + b'{"message": "' + shown + b'"}'
        self.wfile.write(
            {
                "400": b"HTTP/1.1 400 Bad Request\r\n" + plain,
                "status": b"HTTP/1.1 400 Bad Request\r\n" + status,
                "500": b"HTTP/1.1 500 Oops\r\n" + plain,
                "301": b"HTTP/1.1 301 Moved\r\nLocation: http://other/?" + shown + b"\r\n" + plain,
                "reason": b"HTTP/1.1 503 " + shown + b"\r\n" + plain,
                "no HTTP": shown,
            }[next(self.kinds)]
        )
        type(self).answered += 1


class _GrpcEcho(OtlpReceiver):
    """Refuses each request with all its metadata."""

    def take(self, signal: Signal, body: bytes, path: str, headers: Mapping[str, str]) -> Answer:
        super().take(signal, body, path, headers)
        quoted = " | ".join(f"{name}: {value}" for name, value in headers.items())
        return Answer(StatusCode.UNAUTHENTICATED, details=quoted)


@contextmanager
def echo() -> Iterator[str]:
    """Host and port of a collector that refuses every request, and quotes it."""
    _Echo.answered = 0
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def lines_of(variables: dict[str, str], at: str, is_enough: str) -> str:
    """What the command writes until it ends, or until these words are in enough lines."""
    given = {name: value.replace("{at}", at) for name, value in variables.items()}
    settings = {f"{E}ENDPOINT": f"http://{at}", f"{E}TIMEOUT": "1000", **given}
    with subprocess.Popen(
        [sys.executable, "-c", _RUN], env=environment(**settings), stderr=subprocess.PIPE, text=True
    ) as run:
        watchdog = threading.Timer(4.0, run.send_signal, [signal.SIGTERM])
        watchdog.start()
        assert run.stderr is not None
        text, failures = "", 0
        for line in run.stderr:
            text += line
            failures += is_enough in line
            if failures == _ENOUGH:
                run.send_signal(signal.SIGTERM)
        watchdog.cancel()
    return text


def check(text: str) -> None:
    assert text.startswith("otel-oom: ")
    for form in (SECRET[:8], ENCODED[:8]):
        assert form not in text, text


@pytest.mark.parametrize("way", ALL)
def test_no_line_shows_a_secret_over_http(way: str) -> None:
    with echo() as at:
        text = lines_of(ALL[way], at, "cannot deliver")
    check(text)
    if f"{E}HEADERS" in ALL[way] and "quoted" in text:
        assert "[redacted]" in text, "the test has shown it to the command"


@pytest.mark.parametrize("way", [way for way in ALL if way != "a key as the protocol"])
def test_no_line_shows_a_secret_over_grpc(way: str) -> None:
    """The collector quotes all that it got."""
    with _GrpcEcho("grpc") as receiver:
        text = lines_of({f"{E}PROTOCOL": "grpc", **ALL[way]}, f"127.0.0.1:{receiver.port}", "cannot deliver")
        check(text)
        is_sent = any(
            SECRET in value or ENCODED in value for one in receiver.requests for value in one.headers.values()
        )
        assert not is_sent or "[redacted]" in text
