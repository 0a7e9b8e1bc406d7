"""A checkpoint for a spool that lost its own, from the events that are left. No I/O, no clock.

Every event of a kill names its record: the boot, and the sequence number in the kernel log. Kills up to the newest one
were counted by the earlier agent. Those after it were not, unless later events were lost as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from otel_oom import schema
from otel_oom.spool.checkpoint import NOT_KNOWN, Checkpoint
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity


def checkpoint_from_events(events: Iterable[Event]) -> Checkpoint | None:
    """Return the earlier agent's place in the kernel log, from its events. None: no event names a record.

    Reading starts at the log's start, because a report or a group may be open at the newest event. Kills up to that
    event are not counted again. Totals are `NOT_KNOWN`.
    """
    newest: tuple[int, str, ResourceIdentity] | None = None
    sequences: dict[str, int] = {}
    for event in events:
        boot_id = event.attributes.get(schema.BOOT_ID.name)
        sequence = event.attributes.get(schema.KMSG_SEQUENCE.name)
        if event.identity and isinstance(boot_id, str) and isinstance(sequence, int):
            sequences[boot_id] = max(sequence, sequences.get(boot_id, 0))
            if newest is None or event.observed_ns >= newest[0]:
                newest = event.observed_ns, boot_id, event.identity
    if newest is None:
        return None
    _, boot_id, identity = newest
    return Checkpoint(boot_id, identity, NOT_KNOWN, cursor=0, first_uncounted=sequences[boot_id] + 1, is_ended=True)
