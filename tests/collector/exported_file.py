"""The file of a Collector's file exporter (OTLP JSON, one message a line) as plain values. No I/O.

A last line without a newline is left out: the exporter writes a line and its newline separately. A field that
opentelemetry-proto does not know raises ParseError, so that it cannot pass unseen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from support import otlp_decoding
from support.otlp_decoding import DataPoint, LogRecord


def log_records(text: str) -> list[LogRecord]:
    """Every log record, in the order in which it was received."""
    messages = (json_format.ParseDict(line, LogsData()) for line in _lines(text) if "resourceLogs" in line)
    return [record for message in messages for record in otlp_decoding.log_records(message)]


def data_points(text: str) -> list[DataPoint]:
    """Every data point, in the order in which it was received."""
    messages = (json_format.ParseDict(line, MetricsData()) for line in _lines(text) if "resourceMetrics" in line)
    return [point for message in messages for point in otlp_decoding.data_points(message)]


def _lines(text: str) -> Iterator[dict[str, Any]]:
    whole, _, _ = text.rpartition("\n")
    return map(json.loads, whole.splitlines())
