"""Lines that are one record: wrapped by a page, split by line feeds in names, or printed in fragments."""

from __future__ import annotations

import pytest
from support.klog import CAPTURES
from support.parsing import kills, report, stamped


def test_a_path_that_splits_a_groups_line_still_makes_a_group() -> None:
    path = "/" + "b" * 250
    text = stamped(
        [*report(7), "Tasks in ", f"{path} are going to be killed due to memory.oom.group set", *report(7)[-1:]]
    )
    for found in (kills(text), kills(text, every_line=True)):
        assert [kill.pid for kill in found] == [7]


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
def test_wrapped_lines_are_joined(text: str, pids: list[int], comm: str) -> None:
    found = kills(f"[115879.769795] {text}\n".encode())
    assert pids == [kill.pid for kill in found]
    assert (comm, 101196 * 1024) == (found[0].comm, found[0].line.rss_anon)


@pytest.mark.parametrize("comm", ["\n[1.0] x", "a\nb", "\n\n\n", "\n<3>oom", "x\n", "a)\nb"])
def test_line_feeds_in_a_name(comm: str) -> None:
    """dmesg repeats the prefix after each line feed."""
    lines = stamped(["\0".join(line.split("\n")) for line in report(7, comm=comm, rows=2)]).decode().splitlines()
    text = "".join(line.replace("\0", "\n" + line[:15]) + "\n" for line in lines).encode()
    for found in (kills(text), kills(text, every_line=True), kills(text, 50)):
        assert [comm.replace("\n", r"\x0a")] == [kill.comm for kill in found]
        assert [comm.replace("\n", r"\x0a")] == [kill.context.trigger_comm for kill in found]
        assert [kill.cgroup for kill in found] == ["/a"]


@pytest.mark.parametrize("caller", [b"", b",caller=T1"])
def test_fragments_in_a_capture_of_the_device(caller: bytes) -> None:
    capture = next(path for path in CAPTURES if path.stem == "v618-long-path").read_bytes()
    text = capture.replace(b",-;", b",-%b;" % caller).replace(b",c;", b",c%b;" % caller)
    assert b",c" in text
    assert kills(text, every_line=True) == kills(text)
    assert all(kill.cgroup for kill in kills(text))


def test_blanks_at_the_end_of_a_line() -> None:
    text = stamped([f"{line}  " for line in report(7)])
    assert kills(stamped(report(7)))[0].context.trigger_comm == kills(text)[0].context.trigger_comm == "java"
