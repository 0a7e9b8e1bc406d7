"""The agent against the shortage that it reports: not the kernel's next victim, its memory there before it is needed.

Rules:
- All of it is for the whole process, so `otel-oom run` alone asks for it, once; nothing here happens at import.
- What the system does not allow is returned as one line with its mend, and never ends the agent.
- Only this process is touched: /proc/self/oom_score_adj, its own threads, its own memory.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import resource
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

_OOM_SCORE_ADJ: Final = "/proc/self/oom_score_adj"

# The threads' work takes 30 KiB of stack, a runaway recursion 720 KiB until Python ends it: with less it would end the
# process (measured with Python 3.10 to 3.13). glibc's 8 MiB would all count as locked memory.
_STACK_BYTES: Final = 1 << 20
_M_ARENA_MAX: Final = -8  # malloc.h

# include/uapi/asm-generic/mman.h; ONFAULT since Linux 4.4. Without it every page of every library would be read in.
_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_MCL_ONFAULT: Final = 4


def lower_oom_score(score_adj: int, path: str = _OOM_SCORE_ADJ) -> str | None:
    """Let the kernel take others first; score_adj: -1000 (never this one) to 1000. None, or why it may not.

    A value that is as low already (systemd's OOMScoreAdjust=) stays as it is.
    """
    try:
        if int(Path(path).read_text("ascii")) > score_adj:
            Path(path).write_text(str(score_adj), "ascii")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return (
            f"the OOM killer may end this agent as any other process (oom_score_adj {score_adj}: {why}); "
            "give it CAP_SYS_RESOURCE, or its unit OOMScoreAdjust="
        )
    return None


def bound_threads() -> None:
    """Threads that start after this are small: little stack, and one heap for all, as Python runs one at a time."""
    threading.stack_size(_STACK_BYTES)
    with suppress(AttributeError):  # musl has one heap anyway
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def lock_memory() -> str | None:
    """Keep what is in memory there: none of it is swapped out, or dropped to be read from a disk that stands still.

    To be called when everything is loaded; it takes no memory more. None, or why it may not.
    """
    gc.collect()
    gc.freeze()  # what is there now stays: no collection touches it again
    libc = ctypes.CDLL(None, use_errno=True)
    with suppress(AttributeError):  # not in musl
        libc.malloc_trim(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    # A finite limit would make some later allocation fail, unless the kernel holds this process above it. With a limit
    # of 0 it locks for such a process alone: so it says itself which one this is.
    limit = hard if hard == resource.RLIM_INFINITY else 0
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, hard))
    failed = libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)
    error = ctypes.get_errno()
    if failed or limit == 0:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (soft, hard))
    if not failed:
        return None
    why = f"the limit is {soft >> 10} KiB" if error == errno.EPERM else os.strerror(error)
    return (
        f"memory is not locked ({why}), so it may be swapped out; give its unit LimitMEMLOCK=infinity, or CAP_IPC_LOCK"
    )
