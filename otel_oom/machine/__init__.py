"""The machine: its identity, its clocks, /proc, and the agent's own protection against a lack of memory.

Input: /proc, /etc/machine-id, the host name, the identity file, the system clocks.
Output: plain values: `MachineIdentity`, the kernel's kill counter, facts about a victim, the size of a clock jump.

Rules:
- A read that fails gives None or an empty value. Nothing here raises because a file is missing.
- Nothing here reads the kernel log, and nothing here sends data.
- `memory_protection` changes only this process: its oom_score_adj, its threads, its locked memory.
"""
