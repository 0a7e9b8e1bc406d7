"""`otel-oom demo`: one OOM kill on the screen with nothing set up.

Comes in: nothing but the command.
Goes out: what an OTLP receiver in the same process received, printed.

Rules:
- The whole path is real: the kernel log, a kill in a cgroup of the demo's own, the agent, OTLP over a socket.
- Where the kernel log or a cgroup may not be used, a recorded kill takes their place, and the screen says so.
- The receiver listens on 127.0.0.1 only. The cgroup is removed at the end.
"""
