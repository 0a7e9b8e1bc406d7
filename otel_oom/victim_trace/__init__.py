"""The victim's cgroup where the kernel log does not name it: read from the kernel's event tracing (tracefs).

The kernel prints at most ten reports in 5 s, but marks every victim: the tracepoint `oom:mark_victim` fires for each
kill, right before its kill line. A ring of our own records these events, also while no agent runs. Where the kernel can
attach typed probes (FPROBE_EVENTS and BTF, 6.8+), a second event beside it holds the victim's cgroup.

Data flow: `trace_ring_page` (bytes of the ring) and `trace_event_format` give `TracedVictim` values, `trace_join` finds
the one that belongs to a kill line, and `cgroup_path` finds the path of a cgroup id.

If something is not available, that is a value with its reason, and never an error: kills are reported without it.
"""
