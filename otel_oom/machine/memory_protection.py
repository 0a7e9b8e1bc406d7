"""Protects the agent against a lack of memory: its OOM score, the size of its threads, its locked memory.

Rules:
- Every setting holds for the whole process. So only `otel-oom run` makes them, once, and none is made at import.
- A setting that the system refuses is returned as one line with its remedy, and does not end the agent.
- Only this process is changed.
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

from otel_oom import surroundings

_OOM_SCORE_ADJ: Final = "/proc/self/oom_score_adj"

# The threads need 30 KiB of stack. An endless recursion takes 720 KiB before Python raises RecursionError: a smaller
# stack would end the process (measured with Python 3.10 to 3.13). glibc's 8 MiB would all count as locked memory.
_STACK_BYTES: Final = 1 << 20
_M_ARENA_MAX: Final = -8  # malloc.h

# include/uapi/asm-generic/mman.h. ONFAULT (Linux 4.4+) locks a page at its first use: else every page of every library
# would be read into memory.
_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_MCL_ONFAULT: Final = 4


def lower_oom_score(score_adj: int, path: str = _OOM_SCORE_ADJ) -> str | None:
    """Make the kernel choose other victims first. Returns None, or a warning with its remedy.

    score_adj: from -1000 (this process is never killed) to 1000. A lower value, set by systemd, is kept.
    """
    try:
        if int(Path(path).read_text("ascii")) > score_adj:
            Path(path).write_text(str(score_adj), "ascii")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return (
            f"the OOM killer may end this agent like any other process (oom_score_adj {score_adj}: {why}); "
            f"{surroundings.OOM_SCORE.here(score=score_adj)}"
        )
    return None


def bound_threads() -> None:
    """Give later threads a small stack, and one common heap: Python runs one thread at a time."""
    threading.stack_size(_STACK_BYTES)
    with suppress(AttributeError):  # musl always has one heap
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def lock_memory() -> str | None:
    """Lock all memory: no page is swapped out, or dropped and later read from a disk that may hang.

    Call it when all modules are loaded. It takes no additional memory. Returns None, or a warning with its remedy.
    """
    gc.collect()
    gc.freeze()  # later collections skip the objects that exist now
    libc = ctypes.CDLL(None, use_errno=True)
    with suppress(AttributeError):  # not in musl
        libc.malloc_trim(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    # Under a finite limit some later allocation would fail, unless the process has CAP_IPC_LOCK. With a limit of 0,
    # mlockall succeeds only with that capability: so the call itself is the check.
    limit = hard if hard == resource.RLIM_INFINITY else 0
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, hard))
    failed = libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)
    error = ctypes.get_errno()
    if failed or limit == 0:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (soft, hard))
    if not failed:
        return None
    why = f"the limit is {soft >> 10} KiB" if error == errno.EPERM else os.strerror(error)
    return f"memory is not locked ({why}), so it may be swapped out; {surroundings.LOCKED_MEMORY.here()}"
