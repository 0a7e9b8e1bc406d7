"""Events: each becomes one log record with a body and attributes.

Input: findings of the kernel package, facts from /proc about a victim, and observations of the agent.
Output: `Event` values. An event is complete: only the identity that it is exported under is added later.

Rules:
- Names of events and attributes come from `schema`. No module here spells one.
- A value that the kernel did not print is left out: absent is not zero.
- Timestamp and ObservedTimestamp are one value, `Event.observed_ns`: the wall clock at the observation.
- No I/O. Timestamps are passed in. Nothing of OpenTelemetry is imported here.
"""
