"""The fast way through a text finds exactly what understanding every line finds, wherever blocks end."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.klog import CAPTURES, HOSTILE_COMMS
from support.parsing import GROUP, HEADER, in_blocks, kills, noise, report, stamped, text_of

from otel_oom.parse.marker_search import MarkerSearch
from otel_oom.parse.record_joining import has_anchor
from otel_oom.parse.text_window import Window

MARGIN = 70_000
"""More than a window keeps around a line, so that blocks can end anywhere in between."""


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
#: of one time: a jump of the clock in a line that says nothing is seen by the slow way alone
HEADS = st.sampled_from(
    ["[    1.000001] ", "<3>[    1.000002] ", "", "> ", "<8>[    1.000003] ", "[    1.000001][ T9] "]
)


@given(st.lists(st.tuples(PIECES, HEADS), max_size=6), st.integers(1, 5_000))
def test_generated_logs(pieces: list[tuple[list[str], str]], size: int) -> None:
    text = "\n".join(head + line for lines, head in pieces for line in lines).encode("utf-8", "replace")
    slow, fast = text_of(text, every_line=True), text_of(text, size)
    assert slow[1] == fast[1]
    assert slow[0].kill_lines == fast[0].kill_lines


def test_kill_lines_among_many_capitals() -> None:
    text = (
        (b"[    0.500000] " + b"OK KEY " * 60 + b"\n") * 300
        + stamped(report(7))
        + b"[ 0.5] KKK\n" * 900
        + stamped(report(8))
    )
    assert kills(text, every_line=True) == kills(text)
    assert [kill.pid for kill in kills(text)] == [7, 8]


def test_a_report_that_never_ends_is_given_up_by_both() -> None:
    quiet = ["nothing of a report"] * 6_000
    text = stamped([*report(7)[:-1], *quiet, report(7)[-1]], step_us=1)
    slow, fast = kills(text, every_line=True), kills(text, 4_096)
    assert slow == fast
    assert [kill.context.completeness for kill in fast] == ["suppressed"]


def test_a_table_of_many_tasks_is_no_silence() -> None:
    text = stamped(report(7, rows=20_000), step_us=1)
    slow, fast = kills(text, every_line=True), kills(text)
    assert slow == fast
    assert [len(kill.context.top_tasks) for kill in fast] == [5]
    assert [kill.context.completeness for kill in fast] == ["full"]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: str(capture.stem))
def test_captures_of_the_device(capture: Path) -> None:
    text = capture.read_bytes()
    found = kills(text, 4_096)
    assert kills(text, every_line=True) == found
    assert found


def test_a_path_that_splits_a_groups_line_still_makes_a_group() -> None:
    path = "/" + "b" * 250
    text = stamped(
        [*report(7), "Tasks in ", f"{path} are going to be killed due to memory.oom.group set", *report(7)[-1:]]
    )
    for found in (kills(text), kills(text, every_line=True)):
        assert [kill.pid for kill in found] == [7]


def test_an_overlong_line_costs_no_memory_and_hides_nothing() -> None:
    text = b"x" * 3_000_000 + b" Killed process 1 (y)\n" + stamped(report(7))
    assert [kill.pid for kill in kills(text, 10_000)] == [7]
    assert kills(text, every_line=True) == kills(text, 10_000)


def test_a_slow_console_is_no_silence() -> None:
    text = stamped(report(7, rows=5_000), step_us=7_000)
    slow, fast = kills(text, every_line=True), kills(text)
    assert slow == fast
    assert [kill.context.completeness for kill in fast] == ["full"]


def test_a_memcg_of_old_kernels_without_its_opener() -> None:
    lines = [
        "Task in /a/b killed as a result of limit of /a",
        "x",
        "Killed process 7 (y) total-vm:1kB, anon-rss:1kB, file-rss:0kB",
    ]
    text = noise(5_000) + stamped(lines)
    assert kills(text, every_line=True) == kills(text)
    assert [(kill.cgroup, kill.context.memcg_path) for kill in kills(text)] == [("/a/b", "/a")]


def test_a_groups_line_without_its_end() -> None:
    text = stamped([*report(7), "Tasks in /kubepods.slice/kubepods-pod1...", *report(7)[-1:]])
    for found in (kills(text), kills(text, every_line=True)):
        assert [kill.pid for kill in found] == [7]


def test_a_journals_message_as_numbers_is_found() -> None:
    message = report(7)[-1].replace("java", "j\xff").encode("latin-1")
    text = b"\n".join(
        [b'{"MESSAGE":"x","_TRANSPORT":"kernel"}'] * 50
        + [b'{"_TRANSPORT":"kernel","MESSAGE":[' + b",".join(b"%d" % byte for byte in message) + b"]}"]
    )
    for found in (kills(text), kills(text, every_line=True)):
        assert [kill.comm for kill in found] == [r"j\xff"]


def test_blanks_at_the_end_of_a_line() -> None:
    text = stamped([f"{line}  " for line in report(7)])
    assert kills(stamped(report(7)))[0].context.trigger_comm == kills(text)[0].context.trigger_comm == "java"


def test_an_opener_that_lost_its_time() -> None:
    text = stamped(report(7), us=1_974_000_000)
    found = kills(text[text.index(b"java") :])
    assert [kill.context.completeness for kill in found] == ["full"]


@pytest.mark.parametrize("caller", [b"", b",caller=T1"])
def test_fragments_in_a_capture_of_the_device(caller: bytes) -> None:
    capture = next(path for path in CAPTURES if path.stem == "v618-long-path").read_bytes()
    text = capture.replace(b",-;", b",-%b;" % caller).replace(b",c;", b",c%b;" % caller)
    assert b",c" in text
    assert kills(text, every_line=True) == kills(text)
    assert all(kill.cgroup for kill in kills(text))


def test_a_window_holds_little_of_an_overlong_line() -> None:
    window = Window(in_blocks(b"x" * 5_000_000 + b"\nnext\n" + noise(200_000)))
    while window.slide():
        assert len(window.data) < 4 << 20
    assert b"\nnext\n" in window.data


def test_numbers_of_lines() -> None:
    text = noise(100_000) + stamped(report(7))
    lines = text.count(b"\n")
    assert [lines] == [kill.record.number for kill in kills(text, 30_000)]  # type: ignore[attr-defined]


def test_user_space_is_refused_where_the_text_says_so() -> None:
    user = stamped(report(7)[-1:]).replace(b"[", b"<8>[", 1)
    text, found = text_of(stamped(report(6)) + user)
    assert [kill.pid for kill in found] == [6]
    assert text.refused == 1


def test_reports_without_a_kill_line_are_counted() -> None:
    text, found = text_of(stamped([*report(7)[:-1], *report(8), *report(9)[:3]]))
    assert [kill.pid for kill in found] == [8]
    assert text.unanswered == 2


@pytest.mark.parametrize(
    ("text", "pids", "comm"),
    [
        pytest.param(
            "Killed process 1917 (php-cgi) vsz:467184kB, anon-\nrss:101196kB, file-rss:204kB",
            [1917],
            "php-cgi",
            id="hyphen",
        ),
        pytest.param(
            "Killed process 348\n(polkitd) total-vm:7kB,\nanon-rss:101196kB,\nfile-rss:0kB",
            [348],
            "polkitd",
            id="blanks",
        ),
    ],
)
def test_what_a_page_wrapped_is_joined(text: str, pids: list[int], comm: str) -> None:
    found = kills(f"[115879.769795] {text}\n".encode())
    assert pids == [kill.pid for kill in found]
    assert (comm, 101196 * 1024) == (found[0].comm, found[0].line.rss_anon)


@pytest.mark.parametrize("comm", ["\n[1.0] x", "a\nb", "\n\n\n", "\n<3>oom", "x\n", "a)\nb"])
def test_line_feeds_in_a_name(comm: str) -> None:
    """As dmesg writes them: the prefix is repeated."""
    lines = stamped(["\0".join(line.split("\n")) for line in report(7, comm=comm, rows=2)]).decode().splitlines()
    text = "".join(line.replace("\0", "\n" + line[:15]) + "\n" for line in lines).encode()
    for found in (kills(text), kills(text, every_line=True), kills(text, 50)):
        assert [comm.replace("\n", r"\x0a")] == [kill.comm for kill in found]
        assert [comm.replace("\n", r"\x0a")] == [kill.context.trigger_comm for kill in found]
        assert [kill.cgroup for kill in found] == ["/a"]


def test_random_bytes_are_survived() -> None:
    chance = random.Random(1)
    text = stamped(report(7))
    starts = [at + 1 for at, byte in enumerate(text[:-1]) if byte == ord("\n")]
    for _ in range(300):
        damaged = bytearray(text)
        for start in chance.sample(starts, 10):  # behind the clock: a jump of it is seen only in lines that are read
            damaged[start + chance.randrange(15, 60)] = chance.randrange(256)
        assert kills(bytes(damaged), every_line=True) == kills(bytes(damaged), chance.randrange(1, 5_000))


@pytest.mark.parametrize(
    ("line", "expected"), [(b"a process x", False), (b"Killed process 1", True), (b"kill process 1", True)]
)
def test_anchors(line: bytes, expected: bool) -> None:  # noqa: FBT001
    assert has_anchor(line) is expected


WORDS = ["kill", "Kill", "ed", " process ", "oom-", "er", ":", " ", " killed as a result of limit of ", "K", "x", "\n"]


@given(st.lists(st.sampled_from([*WORDS, "are going to be killed due", "are going to be "]), max_size=40))
def test_a_search_finds_all_lines_with_an_anchor_and_no_others(words: list[str]) -> None:
    window = Window(in_blocks("".join(words).encode()))
    window.slide()
    window.slide()
    anchors, found = MarkerSearch(window), []
    while (start := anchors.next()) is not None:
        line, window.at = window.line(start)
        found.append(line)
    assert found == [line for line in window.data.split(b"\n") if has_anchor(line)]


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
