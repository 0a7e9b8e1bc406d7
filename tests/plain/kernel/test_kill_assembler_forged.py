"""Lines of facility 0 whose text a user chose: no kill, no OOM without a victim, no facts for the next kill."""

import pytest
from support import klog

from otel_oom.kernel.oom_kill import Forged

LOOKUP = ": Can't lookup blockdev"  # behind the source of a mount: fs/super.c
NETFILTER = " IN=lo OUT= MAC= SRC=127.0.0.1 DST=127.0.0.1 LEN=28 TOS=0x00"  # behind a prefix: nf_log_syslog.c


@pytest.mark.parametrize("tail", [LOOKUP, NETFILTER])
@pytest.mark.parametrize(
    "line",
    [
        klog.killed(),
        klog.killed(cause="Out of memory"),
        "Killed process 1 (init) ",
        "Killed process 1 (init)",
        "Out of memory and no killable processes...",
        "Kernel panic - not syncing: Out of memory and no killable processes...",
    ],
)
def test_a_result_with_a_foreign_end_is_forged(line: str, tail: str) -> None:
    (forged,) = klog.findings([line + tail])
    assert isinstance(forged, Forged)
    assert forged.record.text == line + tail


@pytest.mark.parametrize("tail", [LOOKUP, NETFILTER])
@pytest.mark.parametrize(
    "line",
    [
        klog.summary(memcg="/victim", cgroup="/victim/x"),
        klog.summary(memcg="/victim", cgroup="/victim/x").partition(",pid=")[0],
        klog.summary(memcg="/victim", cgroup="/victim").partition(",task=")[0],
        "Task in /victim/x killed as a result of limit of /victim",
        klog.opener("forged"),
        klog.group("/victim"),
    ],
)
def test_a_forged_line_gives_no_fact_to_the_next_kill(line: str, tail: str) -> None:
    for lines in ([line + tail, klog.killed()], [*klog.memcg_report()[:-1], line + tail, klog.killed()]):
        (kill,) = klog.kills(lines)
        shown = repr((kill.cgroup, kill.context, kill.group_id))
        assert "victim" not in shown
        assert "forged" not in shown
