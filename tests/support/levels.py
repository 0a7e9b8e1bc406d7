"""Levels of tests: what this machine cannot run is skipped with its reason, or fails where all is required."""

import os
from typing import NoReturn

import pytest

REQUIRED = os.environ.get("OTEL_OOM_REQUIRE") == "all"


def missing(level: str, why: str) -> NoReturn:
    """End the test: `level` cannot run here because of `why`. With OTEL_OOM_REQUIRE=all that is a failure."""
    if REQUIRED:
        pytest.fail(f"{level}: {why} (OTEL_OOM_REQUIRE=all)", pytrace=False)
    pytest.skip(f"{level}: {why}")
