"""Which errors of libraries say that the process or the machine has too little of something."""

from __future__ import annotations

import pytest

from otel_oom import surroundings
from otel_oom.errors import shortage

_NO_FILES = f"no more files can be opened; {surroundings.OPEN_FILES.here()}"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), "not enough memory; give it more"),
        (OSError(12, "Cannot allocate memory"), "not enough memory; give it more"),
        (ImportError("libssl.so.3: failed to map segment from shared object"), "not enough memory; give it more"),
        (RuntimeError("can't start new thread"), f"no thread can be started; {surroundings.NO_THREAD.here()}"),
        (OSError(24, "Too many open files", "/etc/hosts"), _NO_FILES),
        (OSError(23, "Too many open files in system"), _NO_FILES),
        (OSError(5, "Input/output error"), "None"),
        (ImportError("No module named x"), "None"),
        (RuntimeError("no credential provider"), "None"),
    ],
)
def test_a_shortage_is_told_from_a_bug(error: Exception, expected: str) -> None:
    assert str(shortage(error)).startswith(expected)
