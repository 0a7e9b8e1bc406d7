"""The reader counts kill lines as the kernel does: repeats in a memory.oom.group kill included."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.agent_rig import KILLED, Rig, first_checkpoint, kill, line

from otel_oom import schema

GROUP = [
    kill(1),
    line("Tasks in /g are going to be killed due to memory.oom.group set", 2),
    kill(3),
    line(f"Memory cgroup out of memory: {KILLED.format(pid=1001)}", 4),  # the first victim again
    kill(5),
]


@pytest.mark.parametrize(
    ("first_uncounted", "kill_lines", "sequences"),
    [
        pytest.param(0, 4, [1, 3, 5], id="first start"),
        pytest.param(2, 3, [3, 5], id="restart after the first victim"),
        pytest.param(4, 2, [5], id="restart before the repeat"),
        pytest.param(5, 1, [5], id="restart after the repeat"),
        pytest.param(6, 0, [], id="restart after all"),
    ],
)
def test_a_repeat_is_counted_but_is_no_kill(first_uncounted: int, kill_lines: int, sequences: list[int]) -> None:
    """After a restart the reader reads again from the first victim, to recognise the repeat."""
    rig = Rig(checkpoint=replace(first_checkpoint(), first_uncounted=first_uncounted)).run(*GROUP)
    assert rig.spool.checkpoint.lines == kill_lines
    assert [event.attributes[schema.KMSG_SEQUENCE.name] for event in rig.events] == sequences
