"""`otel-oom parse`: the kills that a text holds, explained for people or as JSON lines.

sources ─ blocks ─▶ window ─▶ scan ─ lines ─▶ prefix, entries, joined ─ TextRecord ─▶ oom ─ OomKill ─▶ render, rows
"""
