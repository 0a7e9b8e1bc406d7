"""Checks that the kernel log can be read, and that its ring has space for a storm of kills.

A running agent notices nothing: each open of /dev/kmsg has a place in the log of its own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Final

from otel_oom.check.finding import Finding
from otel_oom.errors import OtelOomError
from otel_oom.kernel.device import Device
from otel_oom.kernel.log_source import Closed

_SIZE_OF_RING: Final = 10  # SYSLOG_ACTION_SIZE_BUFFER, syslog(2)
# Kill lines of 6.18 had 163 bytes on average. The line of the OOM reaper has 86, and each record a header of 8.
_BYTES_OF_A_KILL: Final = 270
_LEAST_RING: Final = 256 << 10


def check_kernel_log(device: str) -> Iterator[Finding]:
    """Open it, and read one record."""
    source = Device(device, from_ring=True)
    try:
        source.open()
        reading = source.read()
    except OtelOomError as error:
        yield Finding("kernel log", "failed", error.problem, error.remedy)
        return
    finally:
        source.close()
    if isinstance(reading, Closed):
        yield Finding(
            "kernel log", "failed", f"{device} cannot be read: {reading.reason}", "name another one: --device"
        )
    else:
        yield Finding("kernel log", "ok", f"{device} can be read")
        yield ring_finding(ring_bytes())


def ring_bytes() -> int | None:
    """Size of the ring, None if this user may not know it (CAP_SYSLOG, kernel.dmesg_restrict=1)."""
    try:
        size = ctypes.CDLL(None, use_errno=True).klogctl(_SIZE_OF_RING, None, 0)
    except (AttributeError, OSError):
        return None
    return size if size > 0 else None


def ring_finding(size: int | None) -> Finding:
    """How many kills of a storm the ring holds for an agent that cannot run meanwhile."""
    if size is None:
        return Finding(
            "log ring", "warning", "its size is unknown: no permission", "give it CAP_SYSLOG, or run as root"
        )
    text = f"{size >> 10} KiB: it holds the lines of some {size // _BYTES_OF_A_KILL:,} kills of a storm"
    if size >= _LEAST_RING:
        return Finding("log ring", "ok", text)
    return Finding("log ring", "warning", text, "boot with log_buf_len=1M, so that an agent without CPU loses no line")
