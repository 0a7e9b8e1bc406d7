"""A kill line with an unknown tail: the longest name that the kernel can print is read, and no longer one."""

import pytest
from support import klog

from otel_oom.kernel.kill_line import parse_kill_line


@pytest.mark.parametrize(
    ("text", "comm"),
    [
        pytest.param(r"\xff" * 15, r"\xff" * 15, id="15 bytes, each escaped"),
        pytest.param(r"\xff" * 16, None, id="16 bytes"),
        pytest.param(r"\xff" * 14 + ")", r"\xff" * 14 + ")", id="the last byte is a bracket"),
        pytest.param("a" * 15, "a" * 15, id="15 letters"),
        pytest.param("a" * 16, None, id="16 letters"),
        pytest.param("a) of 14 bytes)", "a) of 14 bytes)", id="brackets inside"),
    ],
)
def test_the_longest_name_before_an_unknown_tail(text: str, comm: str | None) -> None:
    line = parse_kill_line(f"Killed process 5 ({text}) in a form of the future")
    assert line
    assert (line.pid, line.comm) == (5, comm)


def test_a_name_that_no_process_can_have_is_no_kill() -> None:
    """printk cuts a chosen text at 1 KiB: its end, and so the proof that a user chose it, may be missing."""
    line = klog.killed(comm="x" * 600)
    assert line.endswith("oom_score_adj:-5")
    assert parse_kill_line(line) is None
