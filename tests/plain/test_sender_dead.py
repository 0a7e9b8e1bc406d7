"""A connection that died without a word (a cable, a firewall, a suspended peer) is given up, and a new one made."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import pytest
from support.kernel import eventually
from support.otlp_receiver import OtlpReceiver, Protocol
from support.pipelines import sending, settings


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


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_dead_connection_is_given_up(protocol: Protocol) -> None:
    with OtlpReceiver(protocol) as receiver, Relay(receiver.port) as relay:
        variables = settings(receiver) | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{relay.port}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "",  # the default, which the pings of gRPC have to fit
            "OTEL_METRICS_EXPORTER": "none",
        }
        with sending(variables) as rig:
            rig.kill("first")
            assert eventually(lambda: not len(rig.spool))
            relay.die()
            rig.kill("second")
            receiver.wait(lambda: "second" in receiver.delivered, within_s=20.0)
            assert 1 <= rig.health.exports["logs", "retry"] <= 2
            assert receiver.delivered == ["first", "second"]
