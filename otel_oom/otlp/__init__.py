"""The only user of the OpenTelemetry SDK and of its exporters: events and totals to a collector.

Rules:
- What is private API of the SDK (`_logs`, the exporters' clients) is imported in this package alone, and pinned.
- The stock exporter classes are reused for their whole configuration (endpoint, headers, TLS, compression); only the
  one request is our own, because the stock `export()` hides what became of it: it takes 3xx for success, never reads
  a partial success, gives up after ten seconds, and measures them with the wall clock.
- An event is settled only when the collector accepted it, or refused it alone and for good.
"""
