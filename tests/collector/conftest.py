"""A real Collector as a fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from collector.otelcol import Collector, NoCollectorError, binary
from support.levels import missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def otelcol_binary() -> Path:
    """The Collector's program. The first build takes minutes."""
    try:
        return binary()
    except NoCollectorError as error:
        missing("collector", str(error))


@pytest.fixture
def collector(otelcol_binary: Path, tmp_path: Path) -> Iterator[Collector]:
    """A running Collector with the repository's configuration."""
    with Collector(tmp_path, program=otelcol_binary) as running:
        yield running
