"""Undelivered events and the counters: a bounded queue in memory, and its copy in SQLite.

Input: events and the checkpoint they lead to (from the reader), acknowledgements (from the sender).
Output: batches of events, exportable totals, and after a restart everything that was stored.

Rules:
- Events and checkpoint change in one step, in memory and on disk.
- Only the thread in `writer` touches the disk. No other thread waits for it.
- An event leaves the queue when a collector accepted it, when a collector rejected it permanently, or when the queue is
  full. The last two are counted and logged.
- The stored format is versioned, and each row has a checksum. What can be read of a damaged file is used. The file is
  kept under another name, never deleted.
"""
