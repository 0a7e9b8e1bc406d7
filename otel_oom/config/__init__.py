"""Settings of `otel-oom run`: the standard OTEL_* variables, our own OTEL_OOM_* variables, and flags.

Input: a mapping of environment variables and the flags of the command line.
Output: one frozen `Config`, with `ExportSettings` for logs and for metrics.

Rules:
- Flags win over variables. An empty variable counts as unset (OpenTelemetry environment variable specification).
- An invalid value is a `UsageError` or a warning, each of one line that says how to correct it; `setting` says which.
- The environment is passed in; nothing here reads the system.
- A password in a URL is never part of a message.
"""
