"""The name of the socket on which one agent answers: made of its mount namespace and the text of its spool's path.

Rules:
- Each container has a mount namespace of its own. So agents of two containers with one network namespace
  (`hostNetwork`) and the same path have two names.
- The path is not looked up: its disk may hang. Both sides have the same text from the same settings.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Final

_MAX_PATH_BYTES: Final = 48  # the name of a socket has 107


def socket_name(spool: Path | None, pid: str = "self") -> bytes:
    """The name for an agent with this spool (None: without one), in the mount namespace of a process.

    Raises: OSError, the process is gone, or this user may not look at it.
    """
    namespace = os.fsencode(Path(f"/proc/{pid}/ns/mnt").readlink())  # mnt:[4026531841]
    path = b"none" if spool is None else os.fsencode(os.path.normpath(spool))
    return b"\0otel-oom/live/%s/%s/%08x" % (namespace, path[-_MAX_PATH_BYTES:], zlib.crc32(path))
