"""Tests that this machine cannot run: skipped with a reason, or failed where all levels are required."""

import os
from typing import NoReturn

import pytest

REQUIRED = os.environ.get("OTEL_OOM_REQUIRE") == "all"


def missing(level: str, why: str) -> NoReturn:
    """Skip the test: `level` cannot run here because of `why`. With OTEL_OOM_REQUIRE=all it fails instead."""
    if REQUIRED:
        pytest.fail(f"{level}: {why} (OTEL_OOM_REQUIRE=all)", pytrace=False)
    pytest.skip(f"{level}: {why}")
