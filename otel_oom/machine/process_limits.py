"""Checks at the start that the limits of this process leave the agent what it needs.

Reason: at a limit that is too small a library ends the process later, without a line that says why. gRPC aborts if it
gets no descriptor, no thread or no address space (grpcio 1.85). An endless recursion on a small stack is a SIGSEGV.

Rules:
- A soft limit below the need is raised, at most to the hard limit.
- Threads are started, and end at once. No limit says how many are left: RLIMIT_NPROC is for all processes of the user,
  pids.max for all of the cgroup.

Measured with Python 3.11: over gRPC the agent opened 18 descriptors and used 143 MiB of address space; over HTTP 13
descriptors and 49 MiB.
"""

from __future__ import annotations

import os
import resource
import threading
from dataclasses import dataclass
from typing import Final

from otel_oom.errors import ProcessLimitError
from otel_oom.surroundings import PROCESS_LIMIT, THREADS

# The main thread and that of the log lines run already. To come: spool, sender, identity, and one to spare.
_HTTP_THREADS: Final = 4
# A timer, two more of the event engine, a channel of each signal; and a pool of one for each CPU (grpcio 1.85).
_GRPC_THREADS: Final = 5
_GRPC_POOL: Final = (4, 16)


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit of setrlimit(2), and the least value that the agent works with.

    least: in bytes, or a number of descriptors; flag: of ulimit(1); name: in systemd's unit files
    """

    number: int
    what: str
    least: int
    flag: str
    name: str

    def text(self, value: int) -> str:
        """A value of this limit with its unit."""
        return str(value) if self.number == resource.RLIMIT_NOFILE else f"{value >> 10} KiB"

    @property
    def remedy(self) -> str:
        """How a user sets it. ulimit(1) takes KiB for sizes."""
        least = self.least if self.number == resource.RLIMIT_NOFILE else self.least >> 10
        return PROCESS_LIMIT.here(unit=self.name, least=self.least, flag=self.flag, ulimit=least)


_NEEDED: Final = (
    # Python itself needs 80 KiB to start. 1 MiB: an endless recursion, see `memory_protection`.
    _Limit(resource.RLIMIT_STACK, "the stack", 1 << 20, "-s", "LimitSTACK"),
    _Limit(resource.RLIMIT_AS, "address space", 256 << 20, "-v", "LimitAS"),
    _Limit(resource.RLIMIT_DATA, "data", 128 << 20, "-d", "LimitDATA"),
    _Limit(resource.RLIMIT_NOFILE, "open files", 64, "-n", "LimitNOFILE"),
)
# The queue is 8 MiB at most. Quarantine and write-ahead log add to it.
_FILE: Final = _Limit(resource.RLIMIT_FSIZE, "a file's size", 64 << 20, "-f", "LimitFSIZE")


def check_process_limits() -> str | None:
    """Raise the soft limits that are too small. Returns None, or a warning: the spool may fail.

    Raises: ProcessLimitError.
    """
    for limit in _NEEDED:
        if (value := _raise_soft_limit(limit)) is not None:
            raise ProcessLimitError(
                f"the limit of {limit.what} is {limit.text(value)}, and otel-oom needs {limit.text(limit.least)}",
                limit.remedy,
            )
    if (value := _raise_soft_limit(_FILE)) is not None:
        return f"the limit of {_FILE.what} is {_FILE.text(value)}, so the spool may fail; {_FILE.remedy}"
    return None


def check_threads(*, uses_grpc: bool) -> None:
    """Start as many threads as the agent will have at once, and end them. Raises: ProcessLimitError."""
    needed = _HTTP_THREADS
    if uses_grpc:
        least, most = _GRPC_POOL
        needed += _GRPC_THREADS + max(least, min(most, os.cpu_count() or most))
    free = _count_free_threads(needed)
    if free < needed:
        raise ProcessLimitError(
            f"only {free} more thread(s) can be started, and otel-oom needs {needed}",
            THREADS.here(),
        )


def _raise_soft_limit(limit: _Limit) -> int | None:
    """Raise the soft limit to what is needed. Returns None, or the hard limit where that is too small."""
    soft, hard = resource.getrlimit(limit.number)
    if soft == resource.RLIM_INFINITY or soft >= limit.least:
        return None
    if hard != resource.RLIM_INFINITY and hard < limit.least:
        return hard
    resource.setrlimit(limit.number, (limit.least, hard))
    return None


def _count_free_threads(needed: int) -> int:
    """Start threads that wait, and end them. Returns how many could be started, at most `needed`."""
    is_counted = threading.Event()
    waiting = []
    try:
        for _ in range(needed):
            thread = threading.Thread(target=is_counted.wait)
            thread.start()
            waiting.append(thread)
    except RuntimeError:
        pass
    finally:
        is_counted.set()
        for thread in waiting:
            thread.join()
    return len(waiting)
