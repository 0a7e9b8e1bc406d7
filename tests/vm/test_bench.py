"""The measure of `make bench` that needs a guest still runs: a short standby, and figures that mean nothing."""

from __future__ import annotations

import pytest

from benchmarks import time_truth
from benchmarks.measured import TITLES, Measure


@pytest.mark.timeout(300)
def test_the_time_of_a_kill_after_a_standby_is_measured() -> None:
    measure = Measure("time_truth", TITLES["time_truth"], is_short=True, repeats=1)
    time_truth.run(measure)
    errors_s = {one.subject: one.median for one in measure.figures}
    assert errors_s[time_truth.OTEL_OOM] < 2.0 < errors_s[time_truth.READER]
