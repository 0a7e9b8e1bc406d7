r"""Parses the `format` file of a trace event, and reads fields from an event's payload. No I/O.

Sample (events/oom/mark_victim/format, 6.18; all kernels print this form, Documentation/trace/events.rst):

    name: mark_victim
    ID: 609
    format:
            field:unsigned short common_type;	offset:0;	size:2;	signed:0;
            field:int common_pid;	offset:4;	size:4;	signed:1;

            field:int pid;	offset:8;	size:4;	signed:1;
            field:__data_loc char[] comm;	offset:12;	size:4;	signed:0;

Rules:
- The offsets are the running kernel's. Nothing is assumed about the order or the number of the fields.
- Why the binary form and not the text of `trace_pipe`: the text holds names unquoted, and a name may hold spaces,
  newlines and `pid=5`. In the binary form each name has a length.
- A field that the format does not have, or that lies outside the payload, is None.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_ID: Final = re.compile(r"^ID: (\d{1,5})$", re.MULTILINE)
_FIELD: Final = re.compile(
    r"^\tfield:(?P<declaration>[^;\n]+);\toffset:(?P<offset>\d{1,5});\tsize:(?P<size>\d{1,5});"
    r"(?:\tsigned:(?P<signed>[01]);)?$",
    re.MULTILINE,
)
_NAME: Final = re.compile(r"(\w+)(?:\[[^\]]*\])?\Z")  # `int pid`, `char comm[16]`, `__data_loc char[] comm`
_CODES: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
_FAULT: Final = b"(fault)"  # FAULT_STRING in kernel/trace/trace_probe.h: the probe could not read the text


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field lies in the payload, bytes. is_dynamic: it holds offset and length of the text (`__data_loc`)."""

    offset: int
    size: int
    is_signed: bool
    is_dynamic: bool


@dataclass(frozen=True, slots=True)
class EventFormat:
    """The layout of one kind of event. id: what `common_type`, the first field of each payload, holds."""

    id: int
    fields: Mapping[str, Field]

    def number(self, payload: bytes, name: str) -> int | None:
        """The value of a field with a number."""
        field = self.fields.get(name)
        if field is None or field.is_dynamic or field.size not in _CODES or field.offset + field.size > len(payload):
            return None
        code = _CODES[field.size]
        value = struct.unpack_from("=" + (code if field.is_signed else code.upper()), payload, field.offset)[0]
        return int(value)

    def text(self, payload: bytes, name: str) -> bytes | None:
        """The bytes of a field with a text, up to its NUL."""
        field = self.fields.get(name)
        if field is None or field.offset + field.size > len(payload):
            return None
        offset, size = field.offset, field.size
        if field.is_dynamic:
            if size != 4:
                return None
            location = struct.unpack_from("=I", payload, offset)[0]
            offset, size = location & 0xFFFF, location >> 16
            if size == 0 or offset + size > len(payload):
                return None
        text = payload[offset : offset + size].partition(b"\0")[0]
        return None if text == _FAULT else text


def parse_format(text: str) -> EventFormat | None:
    """Parse a `format` file. None: it is in no known form."""
    event_id = _ID.search(text)
    if event_id is None:
        return None
    fields: dict[str, Field] = {}
    for found in _FIELD.finditer(text):
        if name := _NAME.search(found["declaration"]):
            is_dynamic = found["declaration"].startswith("__data_loc ")
            fields[name[1]] = Field(int(found["offset"]), int(found["size"]), found["signed"] == "1", is_dynamic)
    return EventFormat(int(event_id[1]), fields) if fields else None


def event_id_of(payload: bytes) -> int | None:
    """The id of the event that a payload belongs to: its first field, in all kernels an unsigned short."""
    return int(struct.unpack_from("=H", payload)[0]) if len(payload) >= 2 else None
