"""The seed of a test's random moments, and the size and results of the long forms.

- OTEL_OOM_CRASHES: number of SIGKILLs (20; the long form has 200)
- OTEL_OOM_PAUSE_S: how long an agent is stopped, seconds (10; the long form has 60)
- OTEL_OOM_SEED: the seed of a run that failed, to repeat it
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

CRASHES = int(os.environ.get("OTEL_OOM_CRASHES", "20"))
PAUSE_S = float(os.environ.get("OTEL_OOM_PAUSE_S", "10"))
_IS_LONG = not {"OTEL_OOM_CRASHES", "OTEL_OOM_PAUSE_S"}.isdisjoint(os.environ)


def seed() -> int:
    """OTEL_OOM_SEED, or a new seed. It is printed, so that the report of a failure has it."""
    chosen = int(os.environ.get("OTEL_OOM_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
    print(f"OTEL_OOM_SEED={chosen}")  # noqa: T201 pytest shows it where the test fails
    return chosen


def show(capsys: pytest.CaptureFixture[str], *columns: object) -> None:
    """Print a row of results, if the long form was asked for."""
    if _IS_LONG:
        with capsys.disabled():
            print(f"\n| {' | '.join(str(column) for column in columns)} |")  # noqa: T201
