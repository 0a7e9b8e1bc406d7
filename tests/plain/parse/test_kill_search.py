"""The fast way through a text finds exactly what parsing every line finds, wherever blocks end."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.klog import CAPTURES, HOSTILE_COMMS
from support.parsing import GROUP, HEADER, kills, noise, report, searched, stamped

MARGIN = 110_000
"""More than a window keeps behind a line, so that blocks can end anywhere in between."""


def test_a_block_may_end_at_every_byte_of_a_report() -> None:
    before, after = noise(MARGIN), noise(MARGIN)
    text = before + stamped([*report(7), GROUP, *report(8)[-1:], *report(9)]) + after
    expected = kills(text, every_line=True)
    assert [kill.pid for kill in expected] == [7, 8, 9]
    assert all(len(kill.context.top_tasks) == 5 for kill in expected)
    for end in range(len(before) - 5, len(text) - len(after) + 5, 3):
        assert expected == kills(text, end, 50_000), end


@pytest.mark.parametrize("size", [1, 10, 1_000, 40_000, 65_536])
def test_blocks_of_any_size(size: int) -> None:
    text = noise(MARGIN if size > 100 else 2_000) + stamped(report(7)) + noise(2_000) + stamped(report(8))
    assert kills(text, every_line=True) == kills(text, size)


PIECES = st.one_of(
    st.builds(report, st.integers(1, 99), comm=st.sampled_from(["java", *HOSTILE_COMMS]), rows=st.integers(0, 12)),
    st.builds(lambda lines, at: lines[:at], st.builds(report, st.integers(1, 99)), st.integers(0, 20)),
    st.builds(lambda lines, at: lines[at:], st.builds(report, st.integers(1, 99)), st.integers(0, 20)),
    st.lists(
        st.sampled_from(
            [
                GROUP,
                "",
                "x",
                HEADER,
                "Tasks in ",
                "/b are going to be killed due to memory.oom.group set",
                "will process the kill of a process ",
                "CPU: 0 nothing",
                "Task in /a killed as a result of limit of /b",
                "Out of memory: Kill process 3 (x) score 9 or sacrifice child",
                "Out of memory and no killable processes...",
                "Killed process 3 (x)",
                "Killed process 3 (",
                "total-vm:1kB, anon-rss:1kB",
                "b) total-vm:1kB, anon-rss:1kB, file-rss:0kB",
                "active_anon:1 inactive_anon:2 isolated_anon:3",
                " free:7 free_pcp:1 free_cma:0",
                "65406 pages RAM",
                "3,5,7,-;Killed process 4 (y) total-vm:1kB, anon-rss:1kB, file-rss:0kB",
                "[    9]     0     9      100       50    65536        0             0 late",
            ]
        ),
        max_size=6,
    ),
    st.lists(st.text(max_size=30).map(lambda line: line.replace("\n", " ")), max_size=3),
)
#: all of one time: only `every_line` sees that the clock jumps in a line that says nothing
HEADS = st.sampled_from(
    ["[    1.000001] ", "<3>[    1.000002] ", "", "> ", "<8>[    1.000003] ", "[    1.000001][ T9] "]
)


@given(st.lists(st.tuples(PIECES, HEADS), max_size=6), st.integers(1, 5_000))
def test_generated_logs(pieces: list[tuple[list[str], str]], size: int) -> None:
    text = "\n".join(head + line for lines, head in pieces for line in lines).encode("utf-8", "replace")
    slow, fast = searched(text, every_line=True), searched(text, size)
    assert slow[1] == fast[1]
    assert slow[0].kill_lines == fast[0].kill_lines


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: str(capture.stem))
def test_captures_of_the_device(capture: Path) -> None:
    text = capture.read_bytes()
    found = kills(text, 4_096)
    assert kills(text, every_line=True) == found
    assert found


def test_reports_without_a_kill_line_are_counted() -> None:
    text, found = searched(stamped([*report(7)[:-1], *report(8), *report(9)[:3]]))
    assert [kill.pid for kill in found] == [8]
    assert text.unanswered == 2


def test_random_bytes_are_survived() -> None:
    chance = random.Random(1)
    text = stamped(report(7))
    starts = [at + 1 for at, byte in enumerate(text[:-1]) if byte == ord("\n")]
    for _ in range(300):
        damaged = bytearray(text)
        for start in chance.sample(starts, 10):  # after the clock: only `every_line` sees every jump of it
            damaged[start + chance.randrange(15, 60)] = chance.randrange(256)
        assert kills(bytes(damaged), every_line=True) == kills(bytes(damaged), chance.randrange(1, 5_000))


def test_memory_is_flat(tmp_path: Path) -> None:
    log = tmp_path / "kern.log"
    log.write_bytes((noise(200_000) + stamped(report(7))) * 300)
    script = (
        f"from otel_oom.parse import command; command.run([{str(log)!r}], 'json');"
        "import re, sys; sys.stderr.write(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 300
    assert int(done.stderr.split()[-1]) < 64 << 10
