"""The ways to a collector: HTTP and gRPC, plain, with TLS and with mutual TLS, and gRPC over a unix socket."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from support.certificates import Certificates
from support.otlp_receiver import OtlpReceiver, Protocol
from support.pipelines import Rig, sending

E: Final = "OTEL_EXPORTER_OTLP_"
SHORT_S: Final = 1.0
"""Timeout of a request, where a test sets none."""

Way = Literal["http", "https", "mutual TLS", "gRPC", "gRPC with TLS", "gRPC with mutual TLS", "unix socket"]
HTTP: Final[tuple[Way, ...]] = ("http", "https", "mutual TLS")
GRPC: Final[tuple[Way, ...]] = ("gRPC", "gRPC with TLS", "gRPC with mutual TLS", "unix socket")
TLS: Final[tuple[Way, ...]] = ("https", "gRPC with TLS")
MUTUAL: Final[tuple[Way, ...]] = ("mutual TLS", "gRPC with mutual TLS")
ALL: Final = HTTP + GRPC


@dataclass(frozen=True)
class Server:
    """A real server. variables: of an agent that exports to it; endpoint: as the variable gives it"""

    way: Way
    receiver: OtlpReceiver
    endpoint: str
    variables: dict[str, str]

    @property
    def protocol(self) -> Protocol:
        return self.receiver.protocol

    @contextmanager
    def sending(self, variables: dict[str, str], *without: str) -> Iterator[Rig]:
        """A sender with these variables in addition, and without the others of these names."""
        given = {name: value for name, value in self.variables.items() if name not in without}
        with sending(given | variables) as rig:
            yield rig

    def of_both(self) -> None:
        """Wait until both signals were accepted. Raises: TimeoutError."""
        self.receiver.wait(lambda: self.receiver.accepted("logs") and self.receiver.accepted("metrics"))


@contextmanager
def server(way: Way, certificates: Certificates) -> Iterator[Server]:
    """A server that is reached in this way."""
    protocol: Protocol = "http/protobuf" if way in HTTP else "grpc"
    files = certificates.server if way in TLS else certificates.server_of_clients if way in MUTUAL else None
    variables = {f"{E}PROTOCOL": protocol, f"{E}TIMEOUT": str(int(SHORT_S * 1000))}
    if files:
        variables[f"{E}CERTIFICATE"] = certificates.path("ca.pem")
    if way in MUTUAL:
        variables |= {
            f"{E}CLIENT_CERTIFICATE": certificates.path("client.pem"),
            f"{E}CLIENT_KEY": certificates.path("client.key"),
        }
    with tempfile.TemporaryDirectory() as directory:  # a path of pytest may be too long for a socket
        path = Path(directory) / "otlp.sock"
        address = f"unix:{path}" if way == "unix socket" else "127.0.0.1"
        with OtlpReceiver(protocol, certificate=files, address=address) as receiver:
            endpoint = f"unix://{path}" if way == "unix socket" else receiver.endpoint
            yield Server(way, receiver, endpoint, {f"{E}ENDPOINT": endpoint, **variables})
