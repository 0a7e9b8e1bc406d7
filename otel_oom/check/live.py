"""`otel-oom check --live`: is the agent with these settings alive, and does it read the kernel log?

alive: pid 4711 reads the kernel log
not alive: no agent with the spool /var/lib/otel-oom runs here; start it, or give this check the flags and …
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_oom.liveness.question import Liveness, ask
from otel_oom.printable_text import printable_json, printable_line
from otel_oom.spool.directory_lock import holder_of

_TIMEOUT_S: Final = 5.0
"""A loop that waits answers within 1 ms. It may have 1,000 records to process first, on a machine without free CPU."""


def run(spool: Path | None, *, is_json: bool) -> int:
    """Ask, and print the answer. spool: of the agent, None without one. Returns 0 if the agent reads, else 1."""
    liveness = ask(spool, lambda: _lock_pid(spool), timeout_s=_TIMEOUT_S)
    sys.stdout.write(f"{_as_json(liveness) if is_json else _as_text(liveness)}\n")
    return 0 if liveness.problem is None else 1


def _lock_pid(spool: Path | None) -> str | None:
    with suppress(OSError):
        return None if spool is None else holder_of(spool)
    return None


def _as_text(liveness: Liveness) -> str:
    if liveness.problem is None:
        return f"alive: {f'pid {liveness.pid}' if liveness.pid else 'the agent'} reads the kernel log"
    return printable_line(f"not alive: {liveness.problem}; {liveness.remedy}")


def _as_json(liveness: Liveness) -> str:
    found = {"live": liveness.problem is None, "pid": liveness.pid or None}
    failure = {} if liveness.problem is None else {"problem": liveness.problem, "remedy": liveness.remedy}
    return printable_json(json.dumps(found | failure, ensure_ascii=False))
