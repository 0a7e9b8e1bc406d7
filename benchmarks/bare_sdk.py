"""The SDK with one exporter for each signal, one record and one count, and then nothing: what `footprint.py` compares.

python benchmarks/bare_sdk.py http|grpc
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

if __name__ == "__main__":
    exporters = f"opentelemetry.exporter.otlp.proto.{sys.argv[1]}"
    log_exporter = import_module(f"{exporters}._log_exporter").OTLPLogExporter()
    metric_exporter = import_module(f"{exporters}.metric_exporter").OTLPMetricExporter()
    logs = LoggerProvider()
    logs.add_log_record_processor(BatchLogRecordProcessor(log_exporter))
    metrics = MeterProvider([PeriodicExportingMetricReader(metric_exporter, export_interval_millis=60_000)])
    logs.get_logger("benchmark").emit(severity_number=SeverityNumber.ERROR, body="a process was OOM-killed")
    metrics.get_meter("benchmark").create_counter("oom.kills").add(1)
    metrics.force_flush()
    signal.pause()
