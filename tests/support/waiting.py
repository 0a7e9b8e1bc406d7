"""Waiting for something that happens soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, within_s: float = 10.0) -> T:
    """The first true value of `look`, or its last value when the time is over. It does not raise."""
    deadline_s = time.monotonic() + within_s
    while not (value := look()) and time.monotonic() < deadline_s:
        time.sleep(0.005)
    return value
