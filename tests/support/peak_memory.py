"""Peak of this process's resident memory: for tests whose server makes no memory of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

_SELF = Path("/proc/self")


def peak_growth() -> Callable[[], int]:
    """Reset the peak (proc(5), clear_refs); returns a function for its growth since then, MiB."""
    (_SELF / "clear_refs").write_text("5")
    before = _kib("VmRSS")
    return lambda: (_kib("VmHWM") - before) // 1024


def _kib(name: str) -> int:
    (found,) = re.findall(rf"^{name}:\s+(\d+) kB$", (_SELF / "status").read_text(), re.MULTILINE)
    return int(found)
