"""Bytes that are no record: their first 80 are kept as evidence, whatever is wrong with them."""

import pytest

from otel_oom.kernel.kmsg_record import Malformed, parse


@pytest.mark.parametrize("begin", [b"no semicolon", b"6,1;", b"6,x,1,-;"])
def test_the_first_80_bytes_are_kept(begin: bytes) -> None:
    raw = begin + b"x" * 100
    malformed = parse(raw)
    assert isinstance(malformed, Malformed)
    assert malformed.raw == raw[:80]
    assert len(malformed.raw) == 80
