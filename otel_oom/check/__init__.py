"""The command `otel-oom check`: does what `otel-oom run` needs exist here, and is the running agent alive?

Input: the flags and the environment of `otel-oom run`.
Output: one line for each check on stdout, or one JSON object; an exit code.

Rules:
- A running agent is not disturbed: neither its spool, its lock nor its place in the kernel log.
- `--live` imports little: a health check runs it every few seconds.
"""
