"""The tree of errors that end a command: each carries its exit code and how to mend it.

Exit codes follow sysexits(3) where it has a fitting one. Failures that must not end the agent (an export, a
full queue, a malformed record) are no exceptions: they are counted and said in `health`.
"""

from __future__ import annotations


class OtelOomError(Exception):
    """A command cannot go on. `str()` is one line: what is wrong, then how to mend it."""

    exit_code = 70  # EX_SOFTWARE: a bug, unless a subclass says otherwise

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class UsageError(OtelOomError):
    """A flag, an environment variable or a combination of them that cannot be meant."""

    exit_code = 2


class NoDeviceError(OtelOomError):
    """There is no kernel log device to read (a container without it, a kernel without printk)."""

    exit_code = 69  # EX_UNAVAILABLE


class NoSpoolError(OtelOomError):
    """The spool is required, and its disk does not let it be opened."""

    exit_code = 73  # EX_CANTCREAT


class SpoolHeldError(OtelOomError):
    """Another live agent holds the spool."""

    exit_code = 75  # EX_TEMPFAIL


class NoPermissionError(OtelOomError):
    """The kernel log device is there and may not be read by this user."""

    exit_code = 77  # EX_NOPERM
