"""Rules that hold for every input, as functions of bytes: `TARGETS`. A broken rule is an AssertionError.

Each returns the size of its input's log, bytes. fuzz.py runs them under a coverage-guided fuzzer, and test_fuzz.py
runs them on the named inputs of corpus/.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import partial
from typing import Any, Final

from fuzz import stream, texts

from otel_oom.kernel import kmsg_record, oom_lines, text_escapes
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.kmsg_record import Malformed, Record
from otel_oom.kernel.oom_kill import Finding, Forged, OomKill
from otel_oom.parse.kill_search import KillSearch

PAGE_SIZE: Final = 4096
INT64_MAX: Final = 2**63 - 1
_LONE_BACKSLASH: Final = re.compile(r"\\(?!x[0-9a-f]{2})")


def record(data: bytes) -> int:
    """One read of /dev/kmsg: bytes to a Record of printable text, or Malformed. Without a marker, no report opens."""
    parsed = kmsg_record.parse(data)
    if isinstance(parsed, Malformed):
        assert data.startswith(parsed.raw)
        assert len(parsed.raw) <= 80
        return len(data)
    assert parsed.sequence == kmsg_record.sequence_of(data)
    for text in (parsed.text, parsed.flags, parsed.caller or ""):
        assert text.isascii()
        assert text.isprintable()
    shown = text_escapes.printable(parsed.text)
    assert shown.isprintable()
    # The kernel escapes every backslash. One that begins no escape is not the kernel's, and has no meaning.
    if len(data) % 8 == 0 and not _LONE_BACKSLASH.search(parsed.text):  # slow checks, for one input in eight
        assert shown == text_escapes.printable(shown)
        raw = text_escapes.unescape(parsed.text)
        assert raw == text_escapes.unescape(text_escapes.escape(raw))
    assembler = Assembler("boot", PAGE_SIZE)
    found = (*assembler.feed(parsed, 1), *assembler.release_held())
    if not oom_lines.OOM_MARKER.search(data):
        assert found == ()
        assert not assembler.is_open
    _check(found, "Killed process " in parsed.text and parsed.facility == 0)
    return len(data)


def assembler(data: bytes) -> int:
    """A stream of records: each kill is one kernel line, in order, once, wherever bursts end."""
    steps = stream.steps(data)
    lines = sum(
        "Killed process " in one.text and one.priority < 8 and not one.is_fragment for one in stream.records(steps)
    )
    found, released = _run(steps, bursts=True)
    if released:  # else no burst ended while a kill was held, and the result is that without bursts
        bursts, (found, _) = found, _run(steps, bursts=False)
        # A forged line does not wait for the group line of a kill, and so may be found before that kill.
        bursts, found = _without_forged(bursts), _without_forged(found)
        assert len(found) == len(bursts)
        for one, other in zip(found, bursts, strict=True):
            assert one == other or _is_unnamed_first(one, other)
    _check(found, lines)
    return sum(len(one.text) for one in stream.records(steps))


def text(data: bytes) -> int:
    """A log as text: the fast way finds the kills of the slow way, and the size of blocks has no effect."""
    log = texts.log(data)
    how = data[0] if data else 0
    fast = _parsed(log)
    _check(fast, None)
    if how & 1:
        assert fast == _parsed(log, every_line=True)
    else:
        assert fast == _parsed(log, block=16 << (how >> 1 & 15))
    return len(log)


TARGETS: Final[dict[str, Callable[[bytes], int]]] = {"record": record, "assembler": assembler, "text": text}


def _run(steps: Iterable[stream.Step], *, bursts: bool) -> tuple[list[Finding], int]:
    """The findings, and the number of kills that the ends of bursts released."""
    machine = Assembler("boot", PAGE_SIZE)
    found: list[Finding] = []
    released = 0
    for step in steps:
        if isinstance(step, Record):
            found += machine.feed(step, step.sequence)
        elif step == stream.LOST:
            machine.lost()
        elif bursts:
            settled = machine.release_held()
            released += len(settled)
            found += settled
    return [*found, *machine.release_held()], released


def _without_forged(found: list[Finding]) -> list[Finding]:
    return [one for one in found if not isinstance(one, Forged)]


def _is_unnamed_first(one: Finding, other: Finding) -> bool:
    """A first victim that was released before its group line has no group id. Everything else is equal."""
    return isinstance(one, OomKill) and isinstance(other, OomKill) and one == replace(other, group_id=one.uid)


def _parsed(log: bytes, *, every_line: bool = False, block: int = 1 << 20) -> list[OomKill]:
    blocks = iter(partial(io.BytesIO(log).read, block), b"")
    return list(KillSearch(blocks, PAGE_SIZE, every_line=every_line).kills())


def _check(found: Iterable[Finding], kill_lines: int | None) -> None:
    """Check the rules for findings in their order."""
    kills = [one for one in found if isinstance(one, OomKill)]
    if not kills:
        return
    assert kill_lines is None or len(kills) <= kill_lines
    uids = [kill.uid for kill in kills]
    assert len(set(uids)) == len(uids)
    assert {kill.group_id for kill in kills} - {None} <= set(uids)
    numbers = [kill.record.sequence for kill in kills]
    assert numbers == sorted(set(numbers))
    for kill in kills:
        assert "Killed process " in kill.record.text
        assert kill.record.facility == 0
        assert kill.pid >= 0
        assert kill.scope in {"system", "cgroup"}
        assert kill.comm is None or kill.comm.isprintable()
        assert len(kill.context.top_tasks) <= 5
        context = kill.context
        tasks = () if context.tasks is None else (context.tasks, *context.tasks.groups)
        zone = () if context.machine.zone is None else (context.machine.zone,)
        for part in (kill, kill.line, context, *context.top_tasks, context.memcg, context.machine, *zone, *tasks):
            _check_values(part)


def _check_values(part: Any) -> None:
    """Check that numbers fit into telemetry, and that texts have no control character."""
    for name in _names(type(part)):
        value = getattr(part, name)
        if isinstance(value, int):
            assert -INT64_MAX <= value <= INT64_MAX
        elif isinstance(value, str):
            assert value.isprintable()


_NAMES: Final[dict[type, list[str]]] = {}


def _names(kind: type) -> list[str]:
    if kind not in _NAMES:
        _NAMES[kind] = [field.name for field in fields(kind)]
    return _NAMES[kind]
