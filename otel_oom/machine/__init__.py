"""The machine that the agent runs on: its identity, its clocks, /proc, and the agent's own protection.

Comes in: /proc, /etc/machine-id, the host name, the identity file, the system clocks.
Goes out: plain values: `MachineIdentity`, the kernel's kill counter, facts about a victim, seconds of a clock jump.

Rules:
- Reads that fail return None or an empty value. Nothing here raises because a file is missing.
- Nothing here reads the kernel log, and nothing here sends anything.
- `memory_protection` changes this process alone: its oom_score_adj, its threads, its locked memory.
"""
