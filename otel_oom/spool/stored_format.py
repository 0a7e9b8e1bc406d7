"""The JSON text of events and the checkpoint in the store, and the checksum of each row. No I/O.

Rules:
- The keys are part of the format: they stay when a field is renamed. A changed key needs a new `store_tables.FORMAT`.
  A key that is added has a default, because earlier versions did not write it, and earlier versions ignore it.
- Keys of earlier names: origin = identity, uncounted = first_uncounted, told = acknowledged, owed = carried_over,
  former = retired.
- A text is not trusted: it may be damaged, or written by a version with a bug. A value that a request or the agent
  cannot use is refused with ValueError, LookupError, TypeError, AttributeError or RecursionError (`NOT_UNDERSTOOD`).
- The checksum is CRC-32 over the key columns and the text. It finds each change of up to 32 bits in a row; of other
  changes it misses one in 4 billion. It protects against faults of a disk, not against a user who may write the file.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Any, Final

from otel_oom import schema
from otel_oom.spool.checkpoint import Checkpoint
from otel_oom.telemetry.event import Event
from otel_oom.totals import MAX_RETIRED_SERIES, ResourceIdentity, RetiredSeries, Series, Totals

NOT_UNDERSTOOD: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
_INT64: Final = 1 << 63  # beyond the integers of OTLP


def checksum(text: bytes, *keys: int) -> int:
    """CRC-32 of a row: of its key columns, then of its text."""
    return zlib.crc32(text, zlib.crc32(b" ".join(b"%d" % key for key in keys)))


def dump_event(event: Event) -> str:
    """One event as JSON text."""
    identity = event.identity and astuple(event.identity)
    return json.dumps([event.name, event.observed_ns, event.body, event.attributes, identity])


def load_event(text: bytes) -> Event:
    """The event of a text that `dump_event` made. text: in UTF-8. Raises: NOT_UNDERSTOOD."""
    name, observed_ns, body, attributes, identity = _load(text)
    values: dict[str, Any] = {
        key: _list(value) if type(value) is list else _scalar(value) for key, value in attributes.items()
    }
    _text(values[schema.RECORD_UID.name])
    owner = None if identity is None else ResourceIdentity(*map(_text, identity))
    return Event(_text(name), _int(observed_ns), _text(body), values, owner)


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


def load_checkpoint(text: bytes) -> Checkpoint:
    """The checkpoint of a text that `dump_checkpoint` made. text: in UTF-8. Raises: NOT_UNDERSTOOD."""
    state = _load(text)
    first_uncounted = _count(state["uncounted"])
    cursor = None if state["cursor"] is None else _count(state["cursor"])
    if cursor is not None and cursor > first_uncounted:
        raise ValueError("it begins behind records that were not counted")
    return Checkpoint(
        boot_id=_text(state["boot_id"]),
        identity=_load_identity(state["origin"]),
        totals=_load_totals(state["totals"]),
        cursor=cursor,
        first_uncounted=first_uncounted,
        base=None if state["base"] is None else _int(state["base"]),
        lines=_int(state["lines"]),
        log_epoch_ns=_int(state["log_epoch_ns"]),
        exported_ns=_int(state["exported_ns"]),
        agent_pid=_count(state["agent_pid"]),
        is_ended=state["is_ended"] is True,
        acknowledged=_load_optional_totals(state["told"]),
        carried_over=_load_optional_totals(state["owed"]),
        retired=tuple(_load_retired(series) for series in state["former"][-MAX_RETIRED_SERIES:]),
    )


def _dump_retired(retired: RetiredSeries) -> dict[str, Any]:
    return {
        "series": {"origin": asdict(retired.series.identity), "totals": asdict(retired.series.totals)},
        "told": retired.acknowledged and asdict(retired.acknowledged),
        "exported_ns": retired.exported_ns,
    }


def _load_retired(state: Mapping[str, Any]) -> RetiredSeries:
    series = Series(_load_identity(state["series"]["origin"]), _load_totals(state["series"]["totals"]))
    return RetiredSeries(series, _load_optional_totals(state["told"]), _int(state["exported_ns"]))


def _load_identity(state: Mapping[str, Any]) -> ResourceIdentity:
    return ResourceIdentity(**{key: _text(value) for key, value in state.items()})


def _load_optional_totals(state: Mapping[str, Any] | None) -> Totals | None:
    return None if state is None else _load_totals(state)


def _load_totals(state: Mapping[str, Any]) -> Totals:
    return Totals(
        start_ns=_count(state["start_ns"]),
        kills={_scope(scope): _count(kills) for scope, kills in state["kills"].items()},
        stamps_ns={_scope(scope): _count(stamp_ns) for scope, stamp_ns in state["stamps_ns"].items()},
        unaccounted=_count(state["unaccounted"]),
        unconfirmed=_count(state.get("unconfirmed", 0)),  # versions before it did not write it
    )


def _load(text: bytes) -> Any:
    loaded = json.loads(text.decode())
    if b"\\u" in text:  # it may be a lone surrogate: one such text fails its whole request
        json.dumps(loaded, ensure_ascii=False).encode()
    return loaded


def _list(rows: Sequence[object]) -> object:
    return tuple(
        {key: _scalar(part) for key, part in row.items()} if isinstance(row, dict) else _scalar(row) for row in rows
    )


def _scalar(value: object) -> object:
    kind = type(value)  # no isinstance: 10,000 events are read within half a second
    if kind is str or kind is bool or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _int(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _scope(value: object) -> str:
    if value not in schema.SCOPES:
        raise ValueError("no scope")
    return str(value)


def _int(value: object) -> int:
    if type(value) is not int or not -_INT64 <= value < _INT64:
        raise ValueError("no 64-bit integer")
    return value


def _count(value: object) -> int:
    """A number that is not negative. Two of them can be added within 64 bits."""
    number = _int(value)
    if not 0 <= number < _INT64 // 2:
        raise ValueError("no count")
    return number
