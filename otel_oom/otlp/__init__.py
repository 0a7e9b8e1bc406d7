"""Export to a collector over OTLP: the only user of the OpenTelemetry SDK and of its exporters.

Input: undelivered events and exportable totals (from the spool), the agent's own numbers (from health).
Output: requests with log records and metrics; what was acknowledged goes back to the spool.

Rules:
- Private API of the SDK (`_logs`, the exporters' clients) is used in this package alone, and its version is pinned.
- The SDK's own exporters provide the whole configuration (endpoint, headers, TLS, compression). This package makes the
  request itself, because their `export()` hides its result: it counts 3xx as success, never reads a partial success,
  gives up after ten seconds, and measures them with the wall clock.
- An event leaves the queue only when the collector accepted it, or rejected this event alone, permanently.
"""
