"""`python -m otel_oom.victim_trace`: makes the trace instance, for an agent that may not write to tracefs.

The agent's systemd unit runs it as `ExecStartPre=+`, outside of its read-only view of /sys. Exit code 1: there is none,
and stderr says why.
"""

from __future__ import annotations

import sys

from otel_oom.victim_trace.tracefs_setup import Unavailable
from otel_oom.victim_trace.victim_trace import set_up_machine

if __name__ == "__main__":
    made = set_up_machine()
    reason = made.reason if isinstance(made, Unavailable) else made.without_cgroups
    sys.exit(f"the kernel does not record the cgroups of victims: {reason}" if reason else 0)
