"""The command line of otel-oom.

Input: the arguments of the process.
Output: an exit code; data on stdout, messages on stderr.

Rules:
- A failure is one line with its remedy; `main` lists the exit codes.
- A module that needs a heavy library is imported by the command that needs it: `otel-oom parse` loads no SDK.
"""
