"""Undelivered events and the counters: a bounded queue in memory, and its copy on disk in SQLite.

Comes in: events and the checkpoint they lead to (from the reader), what a collector acknowledged (from the sender).
Goes out: batches of events, the totals that may be exported, and after a restart everything that was stored.

Rules:
- Events and checkpoint change in one step, in memory and on disk.
- The thread in `writer` is the only one that touches the disk. Nobody waits for it.
- An event leaves the queue when a collector accepted it, when a collector refused it for good, or when the queue is
  full. The last two are counted and logged.
- The stored format is versioned. What cannot be read is kept under another name, never deleted.
"""
