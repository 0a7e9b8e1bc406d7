"""Errors that end a command: each has an exit code, and a message with a remedy.

`cli.main` lists the exit codes. Failures that must not end the agent (an export, a full queue, a malformed record) are
no exceptions: `health` counts and logs them.
"""

from __future__ import annotations

import errno

from otel_oom import surroundings


class OtelOomError(Exception):
    """A command cannot continue. `str()` is one line: the problem, then the remedy."""

    exit_code = 70  # EX_SOFTWARE: a bug; each subclass has its own

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class UsageError(OtelOomError):
    """A flag, an environment variable or a combination of them is invalid."""

    exit_code = 2


class NoDeviceError(OtelOomError):
    """There is no kernel log device (a container without it, a kernel without printk)."""

    exit_code = 69  # EX_UNAVAILABLE


class ProcessLimitError(OtelOomError):
    """A limit of this process is too small, or the machine has no more of what it limits."""

    exit_code = 71  # EX_OSERR


class NoSpoolError(OtelOomError):
    """The spool is required, but cannot be opened."""

    exit_code = 73  # EX_CANTCREAT


class OutputError(OtelOomError):
    """What a command prints cannot be written to stdout: a full disk, a closed stdout."""

    exit_code = 74  # EX_IOERR


class SpoolHeldError(OtelOomError):
    """Another running agent uses the spool."""

    exit_code = 75  # EX_TEMPFAIL


class NoPermissionError(OtelOomError):
    """This user may not read the kernel log device."""

    exit_code = 77  # EX_NOPERM


def shortage(error: Exception) -> ProcessLimitError | None:
    """Return the error for a command that ran out of memory, threads or descriptors. None: it has another cause.

    Threads: the text is that of CPython's thread module. Libraries: the text is that of glibc's loader.
    """
    text = str(error)
    is_loader = isinstance(error, ImportError) and "failed to map segment" in text
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or is_loader or number == errno.ENOMEM:
        return ProcessLimitError("not enough memory", surroundings.NO_MEMORY.here())
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return ProcessLimitError("no thread can be started", surroundings.NO_THREAD.here())
    if number in {errno.EMFILE, errno.ENFILE}:
        return ProcessLimitError("no more files can be opened", surroundings.OPEN_FILES.here())
    return None
