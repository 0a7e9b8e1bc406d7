"""Makes SDK log records of events, and the exporter for them. No other module imports the SDK's private `_logs`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_oom import schema
from otel_oom.config.attribute_limits import AttributeLimits
from otel_oom.config.otlp_export import ExportSettings
from otel_oom.otlp.attribute_limits import limited
from otel_oom.otlp.export_outcome import Exporter, LocalExporter, Outcome, encoded
from otel_oom.otlp.resource import SCOPE_NAME
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity

_SCOPE: Final = InstrumentationScope(SCOPE_NAME, schema_url=schema.SCHEMA_URL)


class LogSender:
    """Exports events.

    resource_of: the resource of an identity; identity: of events that have none
    limits: of the attributes of a log record
    """

    def __init__(
        self,
        resource_of: Callable[[ResourceIdentity], Resource],
        exporter: Exporter[Sequence[ReadableLogRecord]],
        identity: ResourceIdentity,
        limits: AttributeLimits,
    ) -> None:
        self._resource_of = resource_of
        self._exporter = exporter
        self._identity = identity
        self._resource = resource_of(identity)
        self._limits = limits

    def send(self, events: Sequence[Event]) -> Outcome:
        """Make one request with events of one identity."""
        return self._exporter.send(encoded(self._records, events))

    def warm_up(self, events: Sequence[Event]) -> None:
        """Do all of `send` but the request, so that its imports and first allocations are done."""
        records = self._records(events)
        if not isinstance(self._exporter, LocalExporter):
            from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs

            encode_logs(records).SerializeToString()

    def _records(self, events: Sequence[Event]) -> list[ReadableLogRecord]:
        identity = next((event.identity for event in events if event.identity), self._identity)
        if identity != self._identity:
            self._identity, self._resource = identity, self._resource_of(identity)
        return [self._record(event) for event in events]

    def _record(self, event: Event) -> ReadableLogRecord:
        kind = schema.EVENTS[event.name]
        record = LogRecord(
            timestamp=event.observed_ns,
            observed_timestamp=event.observed_ns,
            severity_number=SeverityNumber(kind.severity),
            severity_text=kind.severity_text,
            body=event.body,
            attributes=limited(event.attributes, self._limits),
            event_name=event.name,
        )
        return ReadableLogRecord(record, self._resource, _SCOPE)

    def reconnect(self) -> None:
        """Close the connection: the next request opens a new one."""
        self._exporter.reconnect()

    def close(self) -> None:
        """Close the connections."""
        self._exporter.close()


def exporter(export: ExportSettings) -> Exporter[Sequence[ReadableLogRecord]]:
    """The exporter that the settings name; its library is imported here and not before.

    Raises: ValueError, OSError, RuntimeError, ImportError or LookupError for settings that it refuses.
    """
    if export.exporter == "none":
        return LocalExporter(lambda _: None)
    if export.exporter == "console":
        return LocalExporter(ConsoleLogRecordExporter(sys.stdout).export)
    if export.protocol == "grpc":
        from otel_oom.otlp import grpc_exporter

        return grpc_exporter.GrpcLogs(export)
    from otel_oom.otlp import http_exporter

    return http_exporter.HttpLogs(export)
