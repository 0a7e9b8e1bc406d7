"""What is sent about a kill: an `OomKill` becomes an `Event`, one log record with a body and attributes.

Comes in: findings of the kernel package, and what /proc still knows of the victim.
Goes out: `Event` values. An event is complete: nothing is added to it later but the identity it is sent under.

Rules:
- Names of events and attributes come from `schema`; no module here spells one.
- A value that the kernel did not print is left out: absent is not zero.
- No I/O. Timestamps are passed in. Nothing of OpenTelemetry is imported here.
"""
