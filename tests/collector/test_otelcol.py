"""The tools of this level: where the Collector comes from, and how its output is read."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from collector import exported_file, prometheus_page
from collector.otelcol import Collector, NoCollectorError, binary

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without programs; returns its empty cache directory."""
    monkeypatch.delenv("OTELCOL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    return tmp_path


def test_a_wrong_path_in_otelcol_is_an_error(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTELCOL", str(bare / "typo"))
    with pytest.raises(NoCollectorError, match="typo is not a program"):
        binary()


def test_without_go_the_error_has_the_remedy(bare: Path) -> None:
    with pytest.raises(NoCollectorError, match=r"set OTELCOL .* or install Go"):
        binary()
    assert list(bare.iterdir()) == []


def test_a_collector_that_cannot_start_shows_its_output(otelcol_binary: Path, tmp_path: Path) -> None:
    broken = Collector(tmp_path, program=otelcol_binary, environment={"OTEL_OOM_BACKENDS": "[otlp_http/typo]"})
    with pytest.raises(RuntimeError, match="otlp_http/typo"):
        broken.start()


def test_an_incomplete_last_line_is_left_out() -> None:
    line = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"whole"}]}]}]}'
    assert [record.event_name for record in exported_file.log_records(f"{line}\n{line[:-9]}")] == ["whole"]
    assert exported_file.log_records(line) == []


def test_a_sample_is_found_by_part_of_its_labels() -> None:
    page = prometheus_page.parse('# HELP a b\na{x="1",y="\\"}\\\\"} 2\na{x="2"} NaN\nb 3 1800000000000\n')
    assert page.value("a", x="1") == 2
    assert page.value("a", y='"}\\') == 2
    assert page.value("b") == 3
    assert page.value("c") is None
    with pytest.raises(ValueError, match="2 samples match a"):
        page.value("a")
