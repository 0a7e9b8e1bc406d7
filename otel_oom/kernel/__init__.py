"""The kernel log: bytes of /dev/kmsg to OOM kills.

    device ─ bytes ─▶ kmsg_record ─ Record ─▶ kill_assembler ─▶ OomKill

Comes in: one record per read of /dev/kmsg, or records that somebody else read from a text (`otel-oom parse`).
Goes out: `OomKill` and `NoVictim` values, each with the record it came from and the time of its observation.

Rules:
- `device` is the only module of the agent that reads the log, and it stamps every record with the wall clock.
- All other modules do no I/O and read no clock. No text, however hostile, makes them raise or take more than linear
  time.
- Names here are the kernel's own words. None means that the kernel did not print it.
"""
