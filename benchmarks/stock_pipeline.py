"""A reader of /dev/kmsg as the SDK makes it easy: each `Killed process` line is a log record of the stock pipeline.

python -m benchmarks.stock_pipeline simple|batch http|grpc

It is what otel-oom is measured beside: a loop of read(2), the SDK's LoggerProvider with SimpleLogRecordProcessor or
BatchLogRecordProcessor, and its OTLP exporter, all with their defaults. The timestamp is made from the record's own
time and the boot time, as readers of the kernel log do. It prints `watching` when it reads.
"""

from __future__ import annotations

import os
import select
import sys
import time
from importlib import import_module

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor


def main(processor: str, protocol: str) -> None:
    """Watch until a signal ends the process."""
    exporter = import_module(f"opentelemetry.exporter.otlp.proto.{protocol}._log_exporter").OTLPLogExporter()
    provider = LoggerProvider()
    chosen = SimpleLogRecordProcessor if processor == "simple" else BatchLogRecordProcessor
    provider.add_log_record_processor(chosen(exporter))
    logger = provider.get_logger("benchmark")
    boot_ns = time.time_ns() - time.monotonic_ns()
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(log, 0, os.SEEK_END)
    print("watching", flush=True)
    while True:
        try:
            record = os.read(log, 8192)
        except BlockingIOError:
            select.select([log], [], [])
            continue
        except BrokenPipeError:
            continue
        if b"Killed process " not in record:
            continue
        head, _, text = record.decode("ascii", "replace").partition(";")
        logger.emit(
            timestamp=boot_ns + int(head.split(",")[2]) * 1000,
            observed_timestamp=time.time_ns(),
            severity_number=SeverityNumber.ERROR,
            body=text.partition("\n")[0],
            attributes={"event.name": "stock_pipeline_kill"},
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
