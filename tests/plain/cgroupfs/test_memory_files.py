"""What the files of a memory cgroup say, and what is not understood."""

from __future__ import annotations

import pytest

from otel_oom.cgroupfs import memory_files
from otel_oom.cgroupfs.memory_files import MemoryFile

FILES = {file.name: file for file in (*memory_files.V2, *memory_files.V1, memory_files.MACHINE)}
EVENTS = b"low 1\nhigh 2\nmax 12\noom 3\noom_kill 4\noom_group_kill 0\nsock_throttled 9\n"
PRESSURE = b"some avg10=0.26 avg60=2.05 avg300=2.25 total=397982775\nfull avg10=0.00 avg60=100.00 avg300=1.00 total=5\n"


def read(file: MemoryFile, text: bytes) -> dict[str, object]:
    return {attribute.name: value for attribute, value in file.parse(text)}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("memory.max", b"52428800\n", {"oom.memcg.max": 52428800}),
        ("memory.max", b"max\n", {}),
        ("memory.max", b"0\n", {"oom.memcg.max": 0}),
        ("memory.high", b"max\n", {}),
        ("memory.high", b"4096\n", {"oom.memcg.high": 4096}),
        ("memory.low", b"0\n", {"oom.memcg.low": 0}),
        ("memory.swap.max", b"0\n", {"oom.memcg.swap.max": 0}),
        ("memory.peak", b"20971520\n", {"oom.memcg.peak": 20971520}),
        ("memory.oom.group", b"0\n", {"oom.memcg.oom.group": False}),
        ("memory.oom.group", b"1\n", {"oom.memcg.oom.group": True}),
        ("memory.oom.group", b"2\n", {}),
        (
            "memory.events",
            EVENTS,
            {
                "oom.memcg.events.low": 1,
                "oom.memcg.events.high": 2,
                "oom.memcg.events.max": 12,
                "oom.memcg.events.oom": 3,
                "oom.memcg.events.oom_kill": 4,
                "oom.memcg.events.oom_group_kill": 0,
            },
        ),
        (
            "memory.pressure",
            PRESSURE,
            {
                "oom.memcg.pressure.some.avg10": 0.26,
                "oom.memcg.pressure.some.avg60": 2.05,
                "oom.memcg.pressure.full.avg10": 0.0,
                "oom.memcg.pressure.full.avg60": 100.0,
            },
        ),
        (
            "/proc/pressure/memory",
            PRESSURE,
            {
                "oom.memory.pressure.some.avg10": 0.26,
                "oom.memory.pressure.some.avg60": 2.05,
                "oom.memory.pressure.full.avg10": 0.0,
                "oom.memory.pressure.full.avg60": 100.0,
            },
        ),
        ("memory.limit_in_bytes", b"20971520\n", {"oom.memcg.max": 20971520}),
        ("memory.limit_in_bytes", b"9223372036854771712\n", {}),
        ("memory.limit_in_bytes", b"9223372036854710272\n", {}),  # pages of 64 KiB
        ("memory.limit_in_bytes", b"9223372036854775807\n", {}),  # until 3.18
        ("memory.limit_in_bytes", b"8796093018112\n", {}),  # 32 bits
        ("memory.soft_limit_in_bytes", b"9223372036854771712\n", {}),
        ("memory.soft_limit_in_bytes", b"4096\n", {"oom.memcg.soft_limit": 4096}),
        ("memory.memsw.limit_in_bytes", b"20971520\n", {"oom.memcg.memsw.max": 20971520}),
        ("memory.max_usage_in_bytes", b"20971520\n", {"oom.memcg.peak": 20971520}),
        ("memory.failcnt", b"77\n", {"oom.memcg.failcnt": 77}),
        ("memory.oom_control", b"oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", {"oom.memcg.events.oom_kill": 1}),
        ("memory.oom_control", b"oom_kill_disable 0\nunder_oom 0\n", {}),  # before 4.13
    ],
)
def test_a_file_gives_its_values(name: str, text: bytes, expected: dict[str, object]) -> None:
    found = read(FILES[name], text)
    assert found == expected
    assert [type(value) for value in found.values()] == [type(expected[name]) for name in found]


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"-1\n",
        b"1.5\n",
        b"\xb2\n",
        b"9" * 4096,
        b"oom_kill\noom_kill x\noom_kill -1\noom_kill " + b"9" * 4000,
        b"some\nsome avg10\nsome avg10=\nsome avg10=nan\nsome avg10=1e9\nsome avg10=-1.0\nfull avg10=." + b"9" * 40,
        b"\0\xff" * 99,
    ],
)
def test_what_is_not_understood_is_absent(name: str, text: bytes) -> None:
    assert read(FILES[name], text) == {}


def test_a_text_that_is_cut_at_any_byte_gives_no_other_names() -> None:
    for name, text in (("memory.events", EVENTS), ("memory.pressure", PRESSURE)):
        whole = read(FILES[name], text)
        assert all(set(read(FILES[name], text[:end])) <= set(whole) for end in range(len(text)))
