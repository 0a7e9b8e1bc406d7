"""How `otel-oom check --live` learns that a running agent reads the kernel log: a question and its answer.

Input: a question, one datagram to an abstract unix socket (unix(7)).
Output: whether the loop that reads the kernel log has the log open.

Rules:
- The loop itself answers, from its wait for the log. A stopped process, or a loop that hangs, answers nothing.
- It costs the agent no wake-up and no write to a disk while nobody asks.
- There is no file: it works with `--spool none`, and in a container whose file systems are read-only.
"""
