"""The command line of otel-oom.

Comes in: the arguments of the process.
Goes out: an exit code; data on stdout, messages on stderr.

Rules:
- A failure is one line with its remedy; `errors` lists the exit codes.
- A module that needs a heavy library is imported by the command that needs it: `otel-oom parse` loads no SDK.
"""
