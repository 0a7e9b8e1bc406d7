"""The kernel log: bytes of /dev/kmsg to OOM kills.

    device ─ bytes ─▶ kmsg_record ─ Record ─▶ kill_assembler ─▶ OomKill

Input: one record for each read of /dev/kmsg, or records from a text (`otel-oom parse`).
Output: findings, each with its record: `OomKill`, `NoVictim` (both with their observation time) and `Repeat`.

Rules:
- `device` is the only module of the agent that reads the log. It stamps every record with the wall clock.
- All other modules except `recorded_log` do no I/O and read no clock. No text makes them raise, and none takes more
  than linear time.
- Names are the kernel's own words. None means: the kernel did not print it. Exception: `Task.score_adj` is then 0.
"""
