"""Decides where the spool is.

It is apart from the other settings because `otel-oom check --live` needs no more than this.
"""

from __future__ import annotations

from pathlib import Path

from otel_oom.config import options
from otel_oom.config.environment import Environment


def spool_directory(env: Environment, *, is_root: bool) -> Path | None:
    """The directory that the user chose, else systemd's (StateDirectory=), else the usual place of such data.

    is_root: whether the agent may write below /var/lib

    Returns None without a spool. Raises: UsageError.
    """
    problem, remedy = "is neither `none` nor an absolute path", "write it as /a/directory"
    chosen = env.value(options.SPOOL, lambda path: path == "none" or is_absolute(path), problem, remedy)
    if chosen:
        return None if chosen == "none" else Path(chosen)
    if "STATE_DIRECTORY" in env:
        return Path(env["STATE_DIRECTORY"].partition(":")[0])
    if is_root or "HOME" not in env:
        return Path("/var/lib/otel-oom")
    return Path(env.get("XDG_STATE_HOME", f"{env['HOME']}/.local/state")) / "otel-oom"


def is_absolute(path: str) -> bool:
    """Whether a path does not depend on the current directory."""
    return path.startswith("/")
