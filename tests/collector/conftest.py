"""A real Collector for each test that asks for one."""

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
    """The Collector's program. Building it may take minutes, once."""
    try:
        return binary()
    except NoCollectorError as error:
        missing("collector", str(error))


@pytest.fixture
def collector(otelcol_binary: Path, tmp_path: Path) -> Iterator[Collector]:
    """A Collector with the repository's configuration, running."""
    with Collector(tmp_path, program=otelcol_binary) as running:
        yield running
