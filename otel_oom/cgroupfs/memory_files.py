"""The files of a memory cgroup that are read after a kill, and what their text says. No I/O.

Samples (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, accounting/psi.rst):

    memory.max                 52428800, or max
    memory.limit_in_bytes      52428800, or 9223372036854771712: no limit
    memory.events              low 0 / high 0 / max 12 / oom 1 / oom_kill 1 / oom_group_kill 0       (a line for each)
    memory.oom_control         oom_kill_disable 0 / under_oom 0 / oom_kill 1                         (a line for each)
    memory.pressure            some avg10=0.26 avg60=2.05 avg300=2.25 total=397982775 / full avg10=…

Rules:
- `max`, and the largest number of v1, is no limit: the value is absent. 0 is a value.
- What is not understood is absent. Nothing is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeAlias

from otel_oom import schema
from otel_oom.schema import Attribute

Value: TypeAlias = int | float | bool
Parser: TypeAlias = Callable[[bytes], Iterator[tuple[Attribute, Value]]]

_MAX_DIGITS: Final = 20  # 2^64
_NO_LIMIT: Final = 1 << 62  # v1 prints LONG_MAX, rounded down to pages, since 3.19; before that LLONG_MAX
_NO_LIMIT_32_BITS: Final = ((1 << 31) - 1) * 4096  # PAGE_COUNTER_MAX


class MemoryFile(NamedTuple):
    """A file in the directory of a cgroup, and its parser."""

    name: str
    parse: Parser


def _number(text: bytes) -> int | None:
    text = text.strip()
    return int(text) if text.isdigit() and len(text) <= _MAX_DIGITS else None


def size(attribute: Attribute) -> Parser:
    """A parser of a file with one number of bytes, or with `max`."""

    def parse(text: bytes) -> Iterator[tuple[Attribute, Value]]:
        value = _number(text)
        if value is not None and value < _NO_LIMIT and value != _NO_LIMIT_32_BITS:
            yield attribute, value

    return parse


def count(attribute: Attribute) -> Parser:
    """A parser of a file with one number."""

    def parse(text: bytes) -> Iterator[tuple[Attribute, Value]]:
        value = _number(text)
        if value is not None:
            yield attribute, value

    return parse


def switch(attribute: Attribute) -> Parser:
    """A parser of a file with 0 or 1."""

    def parse(text: bytes) -> Iterator[tuple[Attribute, Value]]:
        value = _number(text)
        if value in {0, 1}:
            yield attribute, value == 1

    return parse


def counters(attributes: dict[bytes, Attribute]) -> Parser:
    """A parser of a file with a name and a number in each line."""

    def parse(text: bytes) -> Iterator[tuple[Attribute, Value]]:
        for line in text.splitlines():
            name, _, digits = line.partition(b" ")
            attribute, value = attributes.get(name), _number(digits)
            if attribute is not None and value is not None:
                yield attribute, value

    return parse


def pressure(attributes: dict[tuple[bytes, bytes], Attribute]) -> Parser:
    """A parser of a file with pressure stall information. attributes: by first word of the line and name."""

    def parse(text: bytes) -> Iterator[tuple[Attribute, Value]]:
        for line in text.splitlines():
            kind, _, fields = line.partition(b" ")
            for field in fields.split():
                name, _, number = field.partition(b"=")
                attribute = attributes.get((kind, name))
                whole, _, part = number.partition(b".")
                if attribute is not None and whole.isdigit() and part.isdigit() and len(number) <= _MAX_DIGITS:
                    yield attribute, float(number)

    return parse


V2: Final = (
    MemoryFile("memory.max", size(schema.MEMCG_MAX)),
    MemoryFile(
        "memory.events",
        counters(
            {
                b"oom_kill": schema.MEMCG_EVENTS_OOM_KILL,
                b"oom": schema.MEMCG_EVENTS_OOM,
                b"max": schema.MEMCG_EVENTS_MAX,
                b"high": schema.MEMCG_EVENTS_HIGH,
                b"low": schema.MEMCG_EVENTS_LOW,
                b"oom_group_kill": schema.MEMCG_EVENTS_OOM_GROUP_KILL,
            }
        ),
    ),
    MemoryFile(
        "memory.pressure",
        pressure(
            {
                (b"full", b"avg10"): schema.MEMCG_PRESSURE_FULL_AVG10,
                (b"some", b"avg10"): schema.MEMCG_PRESSURE_SOME_AVG10,
                (b"full", b"avg60"): schema.MEMCG_PRESSURE_FULL_AVG60,
                (b"some", b"avg60"): schema.MEMCG_PRESSURE_SOME_AVG60,
            }
        ),
    ),
    MemoryFile("memory.peak", size(schema.MEMCG_PEAK)),
    MemoryFile("memory.swap.max", size(schema.MEMCG_SWAP_MAX)),
    MemoryFile("memory.high", size(schema.MEMCG_HIGH)),
    MemoryFile("memory.oom.group", switch(schema.MEMCG_OOM_GROUP)),
    MemoryFile("memory.low", size(schema.MEMCG_LOW)),
)
"""Of cgroup v2. The most important files come first, as for v1: the limit, then the counters."""

V1: Final = (
    MemoryFile("memory.limit_in_bytes", size(schema.MEMCG_MAX)),
    MemoryFile("memory.oom_control", counters({b"oom_kill": schema.MEMCG_EVENTS_OOM_KILL})),
    MemoryFile("memory.failcnt", count(schema.MEMCG_FAILCNT)),
    MemoryFile("memory.max_usage_in_bytes", size(schema.MEMCG_PEAK)),
    MemoryFile("memory.memsw.limit_in_bytes", size(schema.MEMCG_MEMSW_MAX)),
    MemoryFile("memory.soft_limit_in_bytes", size(schema.MEMCG_SOFT_LIMIT)),
)

MACHINE: Final = MemoryFile(
    "/proc/pressure/memory",
    pressure(
        {
            (b"full", b"avg10"): schema.PRESSURE_FULL_AVG10,
            (b"some", b"avg10"): schema.PRESSURE_SOME_AVG10,
            (b"full", b"avg60"): schema.PRESSURE_FULL_AVG60,
            (b"some", b"avg60"): schema.PRESSURE_SOME_AVG60,
        }
    ),
)
