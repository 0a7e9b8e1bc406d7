"""Waits that are shorter than an agent's, so that no test takes seconds."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry comes after 20 ms; what the jitter really is: `test_retry_backoff`."""
    monkeypatch.setattr("random.uniform", lambda low, high: min(low + 0.02, high))


@pytest.fixture
def only_probes(monkeypatch: pytest.MonkeyPatch) -> float:
    """No retry but at news; returns the shortest time between two attempts, seconds, which is a second for an agent."""
    monkeypatch.setattr("random.uniform", lambda _low, _high: 60.0)
    monkeypatch.setattr("otel_oom.otlp.retry_backoff._PROBE_S", 0.2)
    return 0.2
