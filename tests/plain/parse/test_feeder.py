"""What the feeder adds to a line: a time where it has none, and who wrote it."""

from __future__ import annotations

from support.parsing import kills, report, searched, stamped


def test_an_opener_that_lost_its_time() -> None:
    text = stamped(report(7), us=1_974_000_000)
    found = kills(text[text.index(b"java") :])
    assert [kill.context.completeness for kill in found] == ["full"]


def test_user_space_is_refused_where_the_text_says_so() -> None:
    user = stamped(report(7)[-1:]).replace(b"[", b"<8>[", 1)
    text, found = searched(stamped(report(6)) + user)
    assert [kill.pid for kill in found] == [6]
    assert text.refused == 1


def test_a_report_that_never_ends_is_given_up() -> None:
    quiet = ["nothing of a report"] * 6_000
    text = stamped([*report(7)[:-1], *quiet, report(7)[-1]], step_us=1)
    slow, fast = kills(text, every_line=True), kills(text, 4_096)
    assert slow == fast
    assert [kill.context.completeness for kill in fast] == ["suppressed"]


def test_a_long_table_does_not_end_a_report() -> None:
    text = stamped(report(7, rows=20_000), step_us=1)
    slow, fast = kills(text, every_line=True), kills(text)
    assert slow == fast
    assert [len(kill.context.top_tasks) for kill in fast] == [5]
    assert [kill.context.completeness for kill in fast] == ["full"]


def test_a_slow_console_does_not_end_a_report() -> None:
    text = stamped(report(7, rows=5_000), step_us=7_000)
    slow, fast = kills(text, every_line=True), kills(text)
    assert slow == fast
    assert [kill.context.completeness for kill in fast] == ["full"]


def test_a_line_with_another_clock_does_not_end_a_report() -> None:
    lines = stamped(report(7)).splitlines(keepends=True)
    other = b"Nov 29 05:18:58 host kernel: oom_policy=default\n"
    text = b"".join([lines[0], other, *lines[1:]])
    for found in (kills(text), kills(text, every_line=True)):
        assert [(kill.pid, kill.context.completeness) for kill in found] == [(7, "full")]
