"""When a request is repeated after a failure."""

from __future__ import annotations

import pytest

from otel_oom.otlp.retry_backoff import Backoff


def longest(_low: float, high: float) -> float:
    return high


def waits(*, is_loopback: bool, failures: int, began_s: float = 1000.0) -> list[float]:
    backoff, now_s, found = Backoff(is_loopback=is_loopback, jitter=longest), began_s, []
    for _ in range(failures):
        backoff.failed(now_s, None)
        found.append(backoff.due_s - now_s)
        now_s = backoff.due_s
    return found


def test_the_first_attempt_is_allowed_at_once() -> None:
    assert Backoff(is_loopback=False, jitter=longest).due_s == 0


def test_waits_double_up_to_the_cap() -> None:
    assert waits(is_loopback=False, failures=8) == [0.25, 0.5, 1, 2, 4, 5, 5, 5]
    assert waits(is_loopback=True, failures=5) == [0.25, 0.5, 1, 1, 1]


def test_in_a_long_outage_attempts_are_rarer() -> None:
    found = waits(is_loopback=False, failures=100)
    assert set(found[5:60]) == {5}
    assert found[-1] == 30
    assert set(waits(is_loopback=True, failures=1000)[2:]) == {1}


@pytest.mark.parametrize("is_loopback", [True, False])
def test_attempts_are_rare_from_the_start_if_waiting_does_not_help(*, is_loopback: bool) -> None:
    backoff, now_s, found = Backoff(is_loopback=is_loopback, jitter=longest), 0.0, []
    for _ in range(9):
        backoff.failed(now_s, None, needs_operator=True)
        found.append(backoff.due_s - now_s)
        now_s = backoff.due_s
    assert found == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    backoff.failed(now_s, None, needs_operator=True)
    backoff.probe()
    assert backoff.due_s == now_s + 5.0
    backoff.hurry()
    assert backoff.due_s == now_s, "a stop does not wait"
    backoff.failed(now_s, None)
    assert backoff.due_s <= now_s + (1.0 if is_loopback else 5.0), "an outage afterwards is an outage"
    backoff.probe()
    assert backoff.due_s <= now_s + 1.0


def test_the_jitter_is_full() -> None:
    asked: list[tuple[float, float]] = []

    def jitter(low: float, high: float) -> float:
        asked.append((low, high))
        return 0.1

    backoff = Backoff(is_loopback=False, jitter=jitter)
    backoff.failed(1.0, None)
    assert (asked, backoff.due_s) == ([(0.0, 0.25)], 1.1)


@pytest.mark.parametrize(
    ("retry_after_s", "due_s"), [(None, 10.25), (0.0, 10.25), (0.1, 10.25), (7.0, 17.0), (1e12, 3610.0), (-5.0, 10.25)]
)
def test_the_time_that_the_server_names_is_kept_up_to_an_hour(retry_after_s: float | None, due_s: float) -> None:
    backoff = Backoff(is_loopback=False, jitter=longest)
    backoff.failed(10.0, retry_after_s)
    assert backoff.due_s == due_s


def test_a_probe_comes_early_but_not_twice_a_second_nor_before_the_servers_time() -> None:
    backoff = Backoff(is_loopback=False, jitter=lambda *_: 20.0)
    backoff.failed(10.0, None)
    backoff.probe()
    assert backoff.due_s == 11.0
    backoff.failed(11.0, 5.0)
    backoff.probe()
    assert backoff.due_s == 16.0
    backoff.hurry()
    assert backoff.due_s == 16.0


def test_a_stop_hurries() -> None:
    backoff = Backoff(is_loopback=False, jitter=longest)
    backoff.failed(10.0, None)
    backoff.hurry()
    assert backoff.due_s == 10.0


def test_a_success_ends_the_outage() -> None:
    backoff = Backoff(is_loopback=False, jitter=longest)
    for _ in range(5):
        backoff.failed(10.0, 60.0)
    backoff.succeeded()
    assert backoff.due_s == 0
    backoff.failed(20.0, None)
    assert backoff.due_s == 20.25
    backoff.probe()
    assert backoff.due_s == 20.25, "a probe never makes it later"
