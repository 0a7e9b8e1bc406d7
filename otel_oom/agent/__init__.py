"""The running agent: start-up, the loop that reads the kernel log, reconciliation, shutdown.

Input: settings, the kernel log, the kernel's kill counter.
Output: events and totals, put into the spool. The sender takes them from there.

Rules:
- The loop never waits for a collector or for the spool's disk, and for the identity file at most 50 ms.
- No failure ends the loop: failures are counted and logged in `health`.
- Events, totals and the place in the kernel log are put into the spool in one step.
- The kernel's counter is read after the log has been read to its end, never before.
"""
