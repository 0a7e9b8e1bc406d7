"""An OTLP receiver for both protocols that answers by a script and remembers every request that it could read.

Rules:
- `script` holds the answers of the next requests of a signal, in order; after them `otherwise` is given.
- A request is recorded when its body was read, whatever is answered to it.
- `stop` closes the port, so that connections are refused; `start` opens the same port again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from support.otlp_servers import Answer, GrpcServer, HttpServer, Signal

from otel_oom.demo.otlp_receiver import plain

Protocol = Literal["http/protobuf", "grpc"]

_REQUESTS: Mapping[Signal, Any] = {
    "logs": logs_service_pb2.ExportLogsServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
}
T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """One request. arrived_s: monotonic seconds when it was read; headers: names in lower case.

    accepted: the data was taken in, though the answer may have said otherwise
    """

    signal: Signal
    message: Any
    arrived_s: float
    path: str
    headers: Mapping[str, str]
    accepted: bool

    @property
    def records(self) -> list[dict[str, Any]]:
        """Attributes of the log records."""
        return [
            {pair.key: plain(pair.value) for pair in record.attributes}
            for resource in self.message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    @property
    def uids(self) -> list[str]:
        return [record["log.record.uid"] for record in self.records]

    @property
    def resource(self) -> dict[str, Any]:
        (first, *_) = getattr(self.message, f"resource_{self.signal}")
        return {pair.key: plain(pair.value) for pair in first.resource.attributes}

    def points(self, metric: str) -> dict[str, Any]:
        """The points of a metric by the values of their attributes."""
        return {
            " ".join(str(plain(pair.value)) for pair in point.attributes): point
            for resource in self.message.resource_metrics
            for scope in resource.scope_metrics
            for one in scope.metrics
            if one.name == metric
            for point in getattr(one, one.WhichOneof("data")).data_points
        }

    def values(self, metric: str) -> dict[str, int]:
        return {attributes: point.as_int for attributes, point in self.points(metric).items()}


@dataclass
class Script:
    """What is answered: to the next requests of each signal, and to all others."""

    logs: deque[Answer] = field(default_factory=deque)
    metrics: deque[Answer] = field(default_factory=deque)
    otherwise: Answer = field(default_factory=Answer)


class OtlpReceiver:
    """A context that listens on a port that the kernel picks."""

    def __init__(
        self, protocol: Protocol, *, certificate: tuple[Path, Path] | None = None, address: str = "127.0.0.1"
    ) -> None:
        self.protocol = protocol
        self.script = Script()
        self.requests: list[Request] = []
        self.released = threading.Event()
        """Set when hanging requests are to end."""
        self._certificate = certificate
        self._address = address
        self._arrived = threading.Condition()
        self._server: HttpServer | GrpcServer | None = None
        self.port = 0
        self.start()

    @property
    def endpoint(self) -> str:
        return f"http{'s' if self._certificate else ''}://{self._address}:{self.port}"

    def start(self) -> None:
        kind: Any = HttpServer if self.protocol == "http/protobuf" else GrpcServer
        self._server = kind(self.take, self.released, (self._address, self.port), self._certificate)
        self.port = self._server.port

    def stop(self) -> None:
        """Refuse connections, and cut those that are open."""
        server, self._server = self._server, None
        if server:
            server.stop()

    def __enter__(self) -> OtlpReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.stop()

    def accepted(self, signal: Signal) -> list[Request]:
        return [one for one in list(self.requests) if one.signal == signal and one.accepted]

    def exports(self, count: int) -> list[Request]:
        """The first accepted requests with metrics, when there are so many. Raises: TimeoutError."""
        self.wait(lambda: len(self.accepted("metrics")) >= count)
        return self.accepted("metrics")[:count]

    def of(self, signal: Signal) -> list[Request]:
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
                raise TimeoutError(f"not within {within_s} s; {len(self.requests)} requests came")
            return found

    def take(self, signal: Signal, body: bytes, path: str, headers: Mapping[str, str]) -> Answer:
        """Record a request; returns what is to be answered."""
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
