"""The exporters of this machine, and data that cannot be encoded: what the log line says."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest
from support.pipelines import event, sending
from support.waiting import eventually

from otel_oom.otlp import remedies
from otel_oom.otlp.export_outcome import LocalExporter


def test_a_console_that_cannot_be_written_is_named() -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    outcome = LocalExporter[object](full).send(())
    assert (outcome.result, outcome.why) == ("retry", "stdout cannot be written: No space left on device")
    assert outcome.remedy == remedies.STDOUT
    assert outcome.needs_operator


def test_what_cannot_be_encoded_is_not_blamed_on_the_collector(caplog: pytest.LogCaptureFixture) -> None:
    with sending({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}) as rig:
        rig.spool.put([replace(event("a"), observed_ns=-5)])
        assert eventually(lambda: rig.health.dropped["rejected"] == 1)
    lines = [line for line in caplog.messages if line.startswith("cannot deliver logs: it cannot be encoded")]
    assert lines[0].endswith(f"; {remedies.NOT_ENCODABLE}")
