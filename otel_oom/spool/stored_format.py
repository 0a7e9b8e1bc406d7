"""The JSON text of events and the checkpoint in the store, format 1. No I/O.

Rules:
- The keys are part of the format: they stay when a field is renamed. A changed key needs a new `sqlite_store.FORMAT`.
- Keys of earlier names: origin = identity, uncounted = first_uncounted, told = acknowledged, owed = carried_over,
  former = retired.
- A text of another form raises ValueError, LookupError, TypeError or AttributeError: the caller treats the file as
  damaged.
"""

from __future__ import annotations

import json
from dataclasses import asdict, astuple
from typing import Any

from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.telemetry.event import Event
from otel_oom.totals import ResourceIdentity, RetiredSeries, Series, Totals


def dump_event(event: Event) -> str:
    """One event as JSON text."""
    identity = event.identity and astuple(event.identity)
    return json.dumps([event.name, event.observed_ns, event.body, event.attributes, identity])


def load_event(text: str) -> Event:
    """The event of `dump_event`."""
    name, observed_ns, body, attributes, identity = json.loads(text)
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in attributes.items()}
    return Event(name, observed_ns, body, frozen, identity and ResourceIdentity(*identity))


def dump_checkpoint(checkpoint: Checkpoint) -> str:
    """A checkpoint as JSON text."""
    return json.dumps(
        {
            "boot_id": checkpoint.boot_id,
            "origin": asdict(checkpoint.identity),
            "totals": asdict(checkpoint.totals),
            "cursor": checkpoint.cursor,
            "uncounted": checkpoint.first_uncounted,
            "base": checkpoint.base,
            "lines": checkpoint.lines,
            "log_epoch_ns": checkpoint.log_epoch_ns,
            "exported_ns": checkpoint.exported_ns,
            "agent_pid": checkpoint.agent_pid,
            "is_ended": checkpoint.is_ended,
            "told": checkpoint.acknowledged and asdict(checkpoint.acknowledged),
            "owed": checkpoint.carried_over and asdict(checkpoint.carried_over),
            "former": [_dump_retired(series) for series in checkpoint.retired],
        }
    )


def load_checkpoint(text: str) -> Checkpoint:
    """The checkpoint of `dump_checkpoint`."""
    state = json.loads(text)
    return Checkpoint(
        boot_id=state["boot_id"],
        identity=ResourceIdentity(**state["origin"]),
        totals=Totals(**state["totals"]),
        cursor=state["cursor"],
        first_uncounted=state["uncounted"],
        base=state["base"],
        lines=state["lines"],
        log_epoch_ns=state["log_epoch_ns"],
        exported_ns=state["exported_ns"],
        agent_pid=state["agent_pid"],
        is_ended=state["is_ended"],
        acknowledged=_load_totals(state["told"]),
        carried_over=_load_totals(state["owed"]),
        retired=tuple(_load_retired(series) for series in state["former"]),
    )


def _dump_retired(retired: RetiredSeries) -> dict[str, Any]:
    return {
        "series": {"origin": asdict(retired.series.identity), "totals": asdict(retired.series.totals)},
        "told": retired.acknowledged and asdict(retired.acknowledged),
        "exported_ns": retired.exported_ns,
    }


def _load_retired(state: dict[str, Any]) -> RetiredSeries:
    series = Series(ResourceIdentity(**state["series"]["origin"]), Totals(**state["series"]["totals"]))
    return RetiredSeries(series, _load_totals(state["told"]), state["exported_ns"])


def _load_totals(state: dict[str, Any] | None) -> Totals | None:
    return None if state is None else Totals(**state)
