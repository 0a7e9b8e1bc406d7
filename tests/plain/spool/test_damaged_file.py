"""Anything can be in the files: the store opens, delivers only what was stored, and says what is missing."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.agent_rig import Rig, kill

from otel_oom.spool.checkpoint import NOT_KNOWN, Checkpoint
from otel_oom.spool.spool import Commit
from otel_oom.spool.sqlite_store import SqliteStore, Stored
from otel_oom.telemetry.event import Event

KILLS = 24
DATABASE, LOG, INDEX = "spool.db", "spool.db-wal", "spool.db-shm"
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where directories are made and removed by the thousand."""


@dataclass(frozen=True)
class Files:
    """What an agent left.

    content: of its files; events: all that were ever stored; undelivered: those that the files should contain
    checkpoints: of each commit
    """

    content: dict[str, bytes]
    events: tuple[Event, ...]
    undelivered: tuple[Event, ...]
    checkpoints: tuple[Checkpoint, ...]


def left(*, is_killed: bool) -> Files:
    """An agent that counted kills, one commit each, and delivered the first four. is_killed: it left its log."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        directory = Path(name)
        store = SqliteStore(directory)
        store.open()
        rig, checkpoints = Rig(), []
        for sequence in range(KILLS):
            rig.run(kill(sequence))
            commit = rig.spool.take_unsaved(replaces_all=False)
            store.commit(replace(commit, removed=[sequence - 19] if sequence >= 20 else []))
            checkpoints.append(commit.checkpoint)
        if not is_killed:
            store.close()
        content = {path.name: path.read_bytes() for path in directory.glob("spool.db*")}
        store.close()
        return Files(content, tuple(rig.events), tuple(rig.events[4:]), tuple(checkpoints))


ENDED, KILLED = left(is_killed=False), left(is_killed=True)


def opened(content: dict[str, bytes]) -> tuple[Stored, set[str]]:
    """What the next agent finds, and the names of the files that are kept."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        directory = Path(name)
        for file, data in content.items():
            (directory / file).write_bytes(data)
        store = SqliteStore(directory)
        stored = store.open()
        store.commit(Commit([], [], [], KILLED.checkpoints[0], replaces_all=False, number=1))
        store.close()
        store = SqliteStore(directory)
        again = store.open()
        store.close()
        assert (again.events, again.damage) == (stored.events, ""), "what was saved is saved"
        return stored, {path.name for path in directory.iterdir()} - {DATABASE, "lock", LOG, INDEX}


def judge(before: Files, content: dict[str, bytes]) -> Stored:
    """Open it, and check the promises."""
    stored, kept = opened(content)
    delivered = [event for _, event in stored.events]
    assert [event for event in delivered if event not in before.events] == [], "each one as it was stored"
    if not stored.damage:
        assert (tuple(delivered), stored.checkpoint) == (before.undelivered, before.checkpoints[-1]), "nothing is said"
        return stored
    assert "spool.db.damaged.0" in kept
    assert f"{len(delivered)} undelivered event(s) of it are saved" in stored.damage
    missing = sum(event not in delivered for event in before.undelivered)
    assert stored.lost <= missing
    if stored.lost < missing:  # it does not know the number, or the kernel log has them
        assert re.search("not known|or more are lost|write-ahead log", stored.damage)
    if stored.checkpoint is not None and stored.checkpoint.totals != NOT_KNOWN:
        assert stored.checkpoint in before.checkpoints
    return stored


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


def overwritten(data: bytes, start: int, new: bytes) -> bytes:
    start %= len(data)
    return (data[:start] + new + data[start + len(new) :])[: len(data)]


PLACES = st.integers(0, 1 << 24)
DAMAGES = st.one_of(
    st.tuples(st.just("flip"), PLACES, st.just(b"")),
    st.tuples(st.just("cut"), PLACES, st.just(b"")),
    st.tuples(st.just("write"), PLACES, st.sampled_from([b"\0", b"\xff"]).flatmap(
        lambda byte: st.sampled_from([1, 16, 512, 4096, 20_000]).map(lambda count: byte * count))),
    st.tuples(st.just("write"), PLACES, st.binary(min_size=1, max_size=64)),
)  # fmt: skip


def damaged(data: bytes, kind: str, place: int, new: bytes) -> bytes:
    if not data:
        return data
    if kind == "flip":
        return flipped(data, place)
    return data[: place % len(data)] if kind == "cut" else overwritten(data, place, new)


@given(st.lists(DAMAGES, min_size=1, max_size=3))
@example([("write", 0, b"\0" * 20_000)])
@example([("cut", 0, b"")])
@example([("cut", 100, b"")])
def test_a_damaged_database(damages: list[tuple[str, int, bytes]]) -> None:
    data = ENDED.content[DATABASE]
    for damage in damages:
        data = damaged(data, *damage)
    judge(ENDED, {DATABASE: data})


@given(st.sampled_from([DATABASE, LOG, INDEX]), DAMAGES)
@example(LOG, ("cut", 0, b""))
@example(LOG, ("cut", 40, b""))
@example(LOG, ("write", 0, b"\xff" * 20_000))
def test_a_damaged_file_of_an_agent_that_was_killed(file: str, damage: tuple[str, int, bytes]) -> None:
    judge(KILLED, {**KILLED.content, file: damaged(KILLED.content[file], *damage)})


@pytest.mark.parametrize("seed", range(3))
def test_one_flipped_bit_costs_few_events(seed: int) -> None:
    """Of every 97th byte, over all of the database, and of all bytes of its version."""
    data = ENDED.content[DATABASE]
    saved = tries = 0
    for place in (*range(60, 64), *range(seed * 31, len(data), 97 * 3)):
        stored = judge(ENDED, {DATABASE: flipped(data, place * 8 + (place + seed) % 8)})
        saved += len(stored.events)
        tries += 1
    assert saved / (tries * len(ENDED.undelivered)) > 0.95
