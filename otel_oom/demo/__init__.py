"""`otel-oom demo`: one OOM kill on the screen, without any setup.

Input: none.
Output: the log record and the count that an OTLP receiver in the same process received, printed.

Rules:
- The whole path is real: the kernel log, a kill in a cgroup of the demo's own, the agent, OTLP over a socket.
- Where the kernel log or a cgroup may not be used, a recorded kill is played instead, and the screen says so.
- The receiver listens only on 127.0.0.1, and takes requests of this process only. The cgroup is removed at the end.
"""
