"""Events to SDK log records. The one module that imports `_logs`, private API of the SDK."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.sdk._logs import (
    LoggerProvider,
    LogRecordProcessor,
    ReadableLogRecord,
    ReadWriteLogRecord,
)
from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter
from opentelemetry.sdk.resources import Resource

from otel_oom import schema
from otel_oom.config.otlp_export import Export
from otel_oom.otlp.export_outcome import OK, Discard, Exporter, Outcome, encoded
from otel_oom.otlp.resource import SCOPE_NAME
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity


class _Gather(LogRecordProcessor):
    """Holds what was emitted until the sender takes it: the sender alone decides when a record goes out."""

    def __init__(self) -> None:
        self.records: list[ReadableLogRecord] = []

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        self.records.append(
            ReadableLogRecord(
                log_record=log_record.log_record,
                resource=log_record.resource or Resource.get_empty(),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def shutdown(self) -> None:
        """Nothing is open."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 the interface's
        return True


class LogSender:
    """Log records through the OTel API, and out in batches of the sender's choice.

    resource_of: the resource of an origin; identity: of events that have none
    """

    def __init__(
        self,
        resource_of: Callable[[ResourceIdentity], Resource],
        exporter: Exporter[Sequence[ReadableLogRecord]],
        identity: ResourceIdentity,
    ) -> None:
        self._resource_of = resource_of
        self._exporter = exporter
        self._gather = _Gather()
        self._identity = identity
        self._logger = self._logger_of(identity)

    def send(self, events: Sequence[Event]) -> Outcome:
        """Emit and export: one request, one outcome for all of them. They are of one origin."""
        encoded(self._emit, events)
        return self._exporter.send(self._gather.records)

    def rehearse(self, events: Sequence[Event]) -> None:
        """All of `send` but the request itself: what it imports and allocates the first time is there afterwards."""
        self._emit(events)
        if not isinstance(self._exporter, Discard | _Console):
            from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs

            encode_logs(self._gather.records).SerializeToString()

    def _emit(self, events: Sequence[Event]) -> None:
        self._gather.records = []
        identity = next((event.identity for event in events if event.identity), self._identity)
        if identity != self._identity:  # what this machine was before, or is from now on
            self._logger, self._identity = self._logger_of(identity), identity
        for event in events:
            kind = schema.EVENTS[event.name]
            self._logger.emit(
                timestamp=event.observed_ns,
                observed_timestamp=event.observed_ns,
                severity_number=SeverityNumber(kind.severity),
                severity_text=kind.severity_text,
                body=event.body,
                attributes=event.attributes,
                event_name=event.name,
            )

    def _logger_of(self, identity: ResourceIdentity) -> Logger:
        provider = LoggerProvider(resource=self._resource_of(identity), shutdown_on_exit=False)
        provider.add_log_record_processor(self._gather)
        return provider.get_logger(SCOPE_NAME)

    def reconnect(self) -> None:
        """Leave the connection: the next request makes a new one."""
        self._exporter.reconnect()

    def close(self) -> None:
        """Close the connections."""
        self._exporter.close()


class _Console(ConsoleLogRecordExporter):
    """JSON on stdout."""

    def send(self, batch: Sequence[ReadableLogRecord]) -> Outcome:
        self.export(batch)
        return OK

    def reconnect(self) -> None:
        """Nothing is open but stdout."""

    def close(self) -> None:
        """Stdout stays open."""


def exporter(export: Export) -> Exporter[Sequence[ReadableLogRecord]]:
    """The exporter that the settings name, its library imported here and not before."""
    if export.exporter == "none":
        return Discard()
    if export.exporter == "console":
        return _Console(sys.stdout)
    if export.protocol == "grpc":
        from otel_oom.otlp import grpc_exporter

        return grpc_exporter.GrpcLogs(**grpc_exporter.arguments(export))
    from otel_oom.otlp import http_exporter

    return http_exporter.HttpLogs(**http_exporter.arguments(export))
