"""The offset of the clock from the Date header of an answer."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_oom.otlp.http_date_header import offset_s

S = 10**9
AT = 1_795_544_412  # Tue, 24 Nov 2026 18:20:12 GMT


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Tue, 24 Nov 2026 18:20:12 GMT", 0.0),
        ("Tue, 24 Nov 2026 17:20:12 GMT", 3600.0),
        ("Tue, 24 Nov 2026 18:20:42 GMT", -30.0),
        ("Tue, 24 Nov 2026 18:20:60 GMT", None),  # a leap second
        ("Wed, 31 Feb 2026 18:20:12 GMT", None),
        ("Tue, 24 Nov 0000 18:20:12 GMT", None),
        ("Tuesday, 24-Nov-26 18:20:12 GMT", None),  # RFC 850, which no server may send today
        ("Tue Nov 24 18:20:12 2026", None),  # asctime, likewise
        ("Tue, 24 Nov 2026 18:20:12 +0000", None),
        ("Tue, 24 Nov ٢٠٢٦ 18:20:12 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_the_offset_of_a_header(date: str | None, expected: float | None) -> None:
    asked_ns, answered_ns = AT * S + S // 4, AT * S + 3 * S // 4
    assert offset_s(date, asked_ns, answered_ns) == expected


@given(st.integers(0, 4_000_000_000), st.integers(-(10**12), 10**12), st.integers(0, 10 * S))
def test_the_error_is_at_most_half_a_second_and_half_of_the_request(
    theirs_ns: int, ahead_ms: int, took_ns: int
) -> None:
    """theirs_ns: the collector's clock, in units of 0.5 s, in the middle of the request."""
    theirs_ns *= S // 2
    ours_ns = theirs_ns + ahead_ms * 10**6
    date = formatdate(theirs_ns // S, usegmt=True)
    found = offset_s(date, ours_ns - took_ns // 2, ours_ns + took_ns // 2)
    assert found is not None
    assert abs(found - ahead_ms / 1e3) <= 0.5001


@given(st.text(max_size=40))
def test_any_text_is_handled(text: str) -> None:
    offset_s(text, 0, 0)
