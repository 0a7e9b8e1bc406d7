"""The errors that end a command. Each has an exit code and a remedy.

The exit codes follow sysexits(3) where it has a fitting one. A failure that must not end the agent (an export, a full
queue, a malformed record) is not an exception: `health` counts and logs it.
"""

from __future__ import annotations


class OtelOomError(Exception):
    """A command cannot continue. `str()` is one line: the problem, then the remedy."""

    exit_code = 70  # EX_SOFTWARE: a bug, unless a subclass says otherwise

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class UsageError(OtelOomError):
    """A flag, an environment variable or a combination of them that makes no sense."""

    exit_code = 2


class NoDeviceError(OtelOomError):
    """There is no kernel log device (a container without it, a kernel without printk)."""

    exit_code = 69  # EX_UNAVAILABLE


class NoSpoolError(OtelOomError):
    """The spool is required and cannot be opened."""

    exit_code = 73  # EX_CANTCREAT


class SpoolHeldError(OtelOomError):
    """Another live agent holds the spool."""

    exit_code = 75  # EX_TEMPFAIL


class NoPermissionError(OtelOomError):
    """The kernel log device exists, and this user may not read it."""

    exit_code = 77  # EX_NOPERM
