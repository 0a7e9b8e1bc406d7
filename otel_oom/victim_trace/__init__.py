"""The victim's cgroup where the kernel log does not name it, and kills whose lines it lost: read from tracefs.

The kernel prints at most ten reports in 5 s, but marks every victim: the tracepoint `oom:mark_victim` fires for each
kill, right before its kill line. A ring of our own records these events, also while no agent runs. Where the kernel can
attach typed probes (FPROBE_EVENTS and BTF, 6.8+), a second event beside it holds the victim's cgroup. A third event
holds the kill line: the kernel traces what it prints (`printk:console`).

Data flow: `trace_ring_page` (bytes of the ring) and `trace_event_format` give `TracedVictim` and `TracedLine` values.
`trace_join` finds the victim that belongs to a kill line, and `cgroup_path` finds the path of a cgroup id. `lost_lines`
finds the lines that the log lost.

If something is not available, that is a value with its reason, and never an error: kills are reported without it.
"""
