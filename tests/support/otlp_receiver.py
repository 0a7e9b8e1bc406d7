"""An OTLP receiver for both protocols that answers by a script and keeps every request that it could read.

Rules:
- `script` holds the answers to the next requests of a signal, in order. After them every answer is `otherwise`.
- A request is kept as soon as its body was read, whatever the answer is.
- `stop` closes the port, so that connections are refused. `start` opens the same port again.
- The package has a receiver of its own, for the demo. Tests do not use it: they must not lean on the code under test.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from support import otlp_decoding
from support.otlp_decoding import DataPoint, LogRecord
from support.otlp_servers import Answer, GrpcServer, HttpServer, Signal

Protocol = Literal["http/protobuf", "grpc"]

_REQUESTS: Mapping[Signal, Any] = {
    "logs": logs_service_pb2.ExportLogsServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
}
T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """One request. arrived_s: monotonic seconds when it was read; headers: names in lower case.

    accepted: the data was stored, though the answer may have been another one
    """

    signal: Signal
    message: Any
    arrived_s: float
    path: str
    headers: Mapping[str, str]
    accepted: bool

    @cached_property
    def log_records(self) -> list[LogRecord]:
        """All log records; empty for metrics."""
        return otlp_decoding.log_records(self.message) if self.signal == "logs" else []

    @cached_property
    def data_points(self) -> list[DataPoint]:
        """All data points; empty for logs."""
        return otlp_decoding.data_points(self.message) if self.signal == "metrics" else []

    @property
    def uids(self) -> list[str]:
        """`log.record.uid` of all log records."""
        return [record.uid for record in self.log_records]

    @property
    def resource(self) -> dict[str, Any]:
        """Attributes of the first resource."""
        (first, *_) = getattr(self.message, f"resource_{self.signal}")
        return otlp_decoding.attributes_of(first.resource.attributes)

    def points(self, metric: str) -> dict[str, DataPoint]:
        """The points of a metric by the values of their attributes, joined by spaces."""
        return {" ".join(map(str, one.attributes.values())): one for one in self.data_points if one.name == metric}

    def values(self, metric: str) -> dict[str, Any]:
        """The values of a metric by the values of their attributes, joined by spaces."""
        return {attributes: point.value for attributes, point in self.points(metric).items()}


@dataclass
class Script:
    """The answers: to the next requests of each signal, and to all others."""

    logs: deque[Answer] = field(default_factory=deque)
    metrics: deque[Answer] = field(default_factory=deque)
    otherwise: Answer = field(default_factory=Answer)


class OtlpReceiver:
    """A context that listens on a port that the kernel chooses."""

    def __init__(
        self, protocol: Protocol, *, certificate: tuple[Path, ...] | None = None, address: str = "127.0.0.1"
    ) -> None:
        self.protocol = protocol
        self.script = Script()
        self.requests: list[Request] = []
        self.released = threading.Event()
        """Set when requests that hang must end."""
        self._certificate = certificate
        self._address = address
        self._arrived = threading.Condition()
        self._server: HttpServer | GrpcServer | None = None
        self.port = 0
        self.start()

    @property
    def endpoint(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http{'s' if self._certificate else ''}://{self._address}:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """Variables of an agent that exports to this receiver."""
        return {"OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint}

    def secure(self, certificate: tuple[Path, ...]) -> None:
        """Speak TLS from the next start on."""
        self._certificate = certificate

    def start(self) -> None:
        """Listen. After `stop`: on the same port as before."""
        kind: Any = HttpServer if self.protocol == "http/protobuf" else GrpcServer
        self._server = kind(self.take, self.released, (self._address, self.port), self._certificate)
        self.port = self._server.port

    def stop(self) -> None:
        """Refuse new connections, and close those that are open."""
        server, self._server = self._server, None
        if server:
            server.stop()

    def __enter__(self) -> OtlpReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.stop()

    def accepted(self, signal: Signal) -> list[Request]:
        """The requests of a signal whose data was stored, in order."""
        return [one for one in list(self.requests) if one.signal == signal and one.accepted]

    def exports(self, count: int) -> list[Request]:
        """Wait for this number of accepted requests with metrics; returns them. Raises: TimeoutError."""
        self.wait(lambda: len(self.accepted("metrics")) >= count)
        return self.accepted("metrics")[:count]

    def of(self, signal: Signal) -> list[Request]:
        """All requests of a signal, in order."""
        return [one for one in list(self.requests) if one.signal == signal]

    @property
    def delivered(self) -> list[str]:
        """Uids of all log records that were accepted, in order."""
        return [uid for request in self.accepted("logs") for uid in request.uids]

    def wait(self, look: Callable[[], T], within_s: float = 10.0) -> T:
        """The first true value of `look`, asked after each request. Raises: TimeoutError."""
        with self._arrived:
            found = self._arrived.wait_for(look, within_s)
            if not found:
                raise TimeoutError(f"not within {within_s} s; {len(self.requests)} requests arrived")
            return found

    def take(self, signal: Signal, body: bytes, path: str, headers: Mapping[str, str]) -> Answer:
        """Keep a request; returns the answer."""
        message = _REQUESTS[signal].FromString(body)
        with self._arrived:
            queue = getattr(self.script, signal)
            answer = queue.popleft() if queue else self.script.otherwise
            request = Request(signal, message, time.monotonic(), path, headers, accepted=False)
            if not answer.when(request):
                answer = Answer()
            request = replace(request, accepted=answer.accepts or answer.stores)
            self.requests.append(request)
            self._arrived.notify_all()
        return answer
