"""The window over a stream: little of an overlong line is kept, and line numbers are right wherever blocks end."""

from __future__ import annotations

from support.parsing import in_blocks, kills, noise, report, stamped

from otel_oom.parse.text_window import Window


def test_a_window_holds_little_of_an_overlong_line() -> None:
    window = Window(in_blocks(b"x" * 5_000_000 + b"\nnext\n" + noise(200_000)))
    while not window.is_last:
        window.slide()
        assert len(window.data) < 4 << 20
    assert b"\nnext\n" in window.data


def test_numbers_of_lines() -> None:
    text = noise(100_000) + stamped(report(7))
    lines = text.count(b"\n")
    assert [lines] == [kill.record.number for kill in kills(text, 30_000)]  # type: ignore[attr-defined]


def test_an_overlong_line_costs_no_memory_and_hides_nothing() -> None:
    text = b"x" * 3_000_000 + b" Killed process 1 (y)\n" + stamped(report(7))
    assert [kill.pid for kill in kills(text, 10_000)] == [7]
    assert kills(text, every_line=True) == kills(text, 10_000)
