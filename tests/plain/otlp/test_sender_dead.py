"""A connection that died without a sign (a cable, a firewall, a suspended peer) is closed, and a new one opened."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from grpc import StatusCode
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer
from support.pipelines import event, sending, settings
from support.waiting import eventually

from otel_oom.config import standard_variables
from otel_oom.otlp import grpc_exporter


class Relay:
    """Between sender and receiver; after `die` the open connections stay open and carry nothing more."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._death = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def die(self) -> None:
        self._death.set()
        self._death = threading.Event()

    def _start(self, what: object, *arguments: object) -> None:
        threading.Thread(target=what, args=arguments, daemon=True).start()  # type: ignore[arg-type]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [near, far]
                for a, b in ((near, far), (far, near)):
                    self._start(self._carry, a, b, self._death)

    def _carry(self, source: socket.socket, sink: socket.socket, is_dead: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not is_dead.is_set():
                    sink.sendall(data)
            if not is_dead.is_set():
                sink.shutdown(socket.SHUT_WR)


BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])


def through(relay: Relay, receiver: OtlpReceiver) -> dict[str, str]:
    return settings(receiver) | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{relay.port}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
    }


@pytest.mark.parametrize(
    ("protocol", "timeout_ms"),
    [
        ("http/protobuf", ""),  # the default
        ("grpc", ""),
        ("grpc", "10000"),  # the specification's own: pings find out before
        ("http/protobuf", "600"),
        ("grpc", "600"),
    ],
)
def test_a_dead_connection_is_given_up(protocol: Protocol, timeout_ms: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_variables, "TIMEOUT", replace(standard_variables.TIMEOUT, default="700"))  # of 4000
    pings = tuple((name, value // 8) for name, value in grpc_exporter._KEEPALIVE)
    monkeypatch.setattr(grpc_exporter, "_KEEPALIVE", pings)
    with OtlpReceiver(protocol) as receiver, Relay(receiver.port) as relay:
        variables = through(relay, receiver) | {
            "OTEL_EXPORTER_OTLP_TIMEOUT": timeout_ms,
            "OTEL_METRICS_EXPORTER": "none",
        }
        with sending(variables) as rig:
            rig.kill("first")
            assert eventually(lambda: not len(rig.spool))
            relay.die()
            began_s = time.monotonic()
            rig.kill("second")
            receiver.wait(lambda: "second" in receiver.delivered, within_s=20.0)
            assert time.monotonic() - began_s < 3.0
            assert rig.health.exports["logs", "retry"] == 1
            assert receiver.delivered == ["first", "second"]


@BOTH
def test_both_signals_reconnect_when_logs_find_the_connection_dead(protocol: Protocol) -> None:
    """A dead connection must not cost both of them a timeout."""
    with OtlpReceiver(protocol) as receiver, Relay(receiver.port) as relay, sending(through(relay, receiver)) as rig:
        rig.kill("first")
        receiver.exports(2)
        assert eventually(lambda: rig.sender._schedule.is_done)
        relay.die()
        rig.kill("second")
        receiver.exports(3)
        receiver.wait(lambda: "second" in receiver.delivered)
        assert (rig.health.exports["logs", "retry"], rig.health.exports["metrics", "retry"]) == (1, 0)


@BOTH
def test_both_signals_reconnect_when_metrics_find_the_connection_dead(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver, Relay(receiver.port) as relay, sending(through(relay, receiver)) as rig:
        rig.kill("first")
        receiver.exports(2)
        assert eventually(lambda: rig.sender._schedule.is_done and not len(rig.spool))
        relay.die()
        rig.health.device_down("gone")
        rig.spool.wake()
        receiver.exports(3)
        rig.kill("second")
        receiver.wait(lambda: "second" in receiver.delivered)
        assert (rig.health.exports["logs", "retry"], rig.health.exports["metrics", "retry"]) == (0, 1)


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\nX-Endless: ",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000\r\n\r\n",
    ],
    ids=["status line", "header", "body", "body without a length", "refusal"],
)
def test_an_answer_that_never_ends_is_given_up_in_time(head: str) -> None:
    """Each byte arrives in time, but the answer never ends."""
    with OtlpReceiver("http/protobuf") as receiver:
        receiver.script.logs.append(Answer(kind="drip", details=head))
        with sending(settings(receiver) | {"OTEL_EXPORTER_OTLP_TIMEOUT": "400"}) as rig:
            rig.kill("first")
            receiver.wait(lambda: receiver.delivered)
            refused, taken = receiver.of("logs")
            assert taken.arrived_s - refused.arrived_s > 0.3, "after the timeout of 0.4 s"
            assert rig.health.exports["logs", "retry"] == 1


def held() -> int:
    """Open files and threads of this process."""
    return sum(1 for kind in ("fd", "task") for _ in Path(f"/proc/self/{kind}").iterdir())


@BOTH
def test_many_dead_connections_leave_nothing_behind(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver:
        receiver.script.otherwise = Answer(kind="reset", status=StatusCode.UNAVAILABLE)
        variables = settings(receiver) | {"OTEL_METRICS_EXPORTER": "none"}
        with sending(variables, is_started=False) as rig:
            batch = [event("first")]
            for _ in range(30):
                assert rig.sender._logs.send(batch).result == "retry"
            before = held()
            for _ in range(100):
                assert rig.sender._logs.send(batch).result == "retry"
            assert eventually(lambda: held() <= before + 10)
            receiver.script.otherwise = Answer()
            assert rig.sender._logs.send(batch).result == "ok"
