"""The kernel's line about a fork of its virtual machine."""

import pytest
from support import klog

from otel_oom.kernel.vm_fork_line import is_vm_fork

LINE = "random: crng reseeded due to virtual machine fork"


@pytest.mark.parametrize(
    ("text", "priority", "expected"),
    [
        pytest.param(LINE, 5, True, id="the kernel's"),
        pytest.param(LINE, 8 + 5, False, id="user space's"),
        pytest.param(f"x: {LINE}", 5, False, id="the end of another line"),
        pytest.param(f"{LINE} x", 5, False, id="the beginning of another line"),
    ],
)
def test_only_the_kernels_own_line_is_a_fork(text: str, priority: int, *, expected: bool) -> None:
    assert expected == is_vm_fork(klog.record(text, priority=priority))
