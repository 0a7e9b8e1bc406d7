"""From the kill line to the collector: how long a log record is on its way, beside the SDK's own processors.

All ways end in one OTLP/HTTP receiver in this process and take their turns record by record, so the machine's mood
strikes all of them alike. The agent's way begins earlier than the others': at the read of a recorded kill line, so it
pays for the parsing, the look at /proc and the hand-over between its two threads too.

    python benchmarks/latency.py [RECORDS]
"""

from __future__ import annotations

import os
import statistics
import sys
import threading
import time
from collections.abc import Callable

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor

from otel_oom import config, running
from otel_oom.receiver import Receiver
from otel_oom.recording import Recording


def stock(processor: LogRecordProcessor) -> Callable[[], None]:
    """A logger of the SDK's own with a record of about the size of ours."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(processor)
    logger = provider.get_logger("benchmark")
    attributes = {f"oom.attribute.number{number}": "some twenty characters" for number in range(32)}

    def emit() -> None:
        now = time.time_ns()
        logger.emit(
            timestamp=now,
            observed_timestamp=now,
            severity_number=SeverityNumber.ERROR,
            body="python3 (pid 2110) was OOM-killed",
            attributes=attributes,
        )

    return emit


def main(records: int) -> None:
    """Measure and print."""
    with Receiver() as receiver:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.endpoint
        feed = Recording()
        agent = running.start(config.load(os.environ, spool="none"), source=feed)
        thread = threading.Thread(target=agent.run)
        thread.start()
        ways = {
            "otel-oom, from the kill line": feed.play,
            "SimpleLogRecordProcessor": stock(SimpleLogRecordProcessor(OTLPLogExporter())),
            "BatchLogRecordProcessor": stock(BatchLogRecordProcessor(OTLPLogExporter())),
        }
        took_ms: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(records + 5):
            for way, go in ways.items():
                began = time.perf_counter()
                go()
                receiver.logs.get(timeout=10)
                if turn >= 5:  # the first ones pay for connections
                    took_ms[way].append((time.perf_counter() - began) * 1e3)
                time.sleep(0.06)  # past the gathering of the counter, as one kill among others of a day
        agent.agent.stop()
        thread.join()
    simple = statistics.median(took_ms["SimpleLogRecordProcessor"])
    print(f"{records} records each, one at a time, OTLP/HTTP to a receiver in the same process\n")
    print(f"{'':<32}{'p50 ms':>10}{'p99 ms':>10}{'p50 ratio':>12}")
    for way, samples in took_ms.items():
        p99 = statistics.quantiles(samples, n=100)[98]
        print(f"{way:<32}{statistics.median(samples):>10.2f}{p99:>10.2f}{statistics.median(samples) / simple:>12.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
