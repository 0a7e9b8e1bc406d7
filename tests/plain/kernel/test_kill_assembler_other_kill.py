"""A report whose kill printed no kill line gives nothing to the next kill: other thread, other user."""

import pytest
from support import klog


def test_another_threads_kill_line_does_not_end_the_report_of_this_one() -> None:
    report = [klog.record(line, caller="T1") for line in klog.memcg_report()[:-1]]
    (kill,) = klog.kills([*report, klog.record(klog.killed(), caller="T2")])
    assert (kill.context.completeness, kill.cgroup, kill.context.trigger_comm) == ("suppressed", None, None)
    (kill,) = klog.kills([*report, klog.record(klog.killed(), caller="T1")])
    assert (kill.context.completeness, kill.cgroup) == ("full", "/g/x")


@pytest.mark.parametrize("priority", [4, 6])
def test_another_threads_lines_are_not_read(priority: int) -> None:
    report = [klog.record(line, caller="T1") for line in klog.memcg_report()]
    foreign = [
        klog.record(text, priority=priority, caller="T2")
        for text in (
            klog.summary(memcg="/evil", cgroup="/evil"),
            "Memory cgroup stats for /evil:",
            "memory: usage 666kB, limit 666kB, failcnt 6",
            "CPU: 1 PID: 666 Comm: asker Not tainted 6.1.0 #1",
        )
    ]
    (expected,) = klog.kills(report)
    for place in range(1, len(report)):
        (kill,) = klog.kills([*report[:place], *foreign, *report[place:]])
        assert (kill.context, kill.cgroup) == (expected.context, expected.cgroup)


def test_a_summary_of_another_user_belongs_to_another_kill() -> None:
    lines = [line.replace("uid=7", "uid=8") for line in klog.memcg_report()]
    (kill,) = klog.kills(lines)
    assert (kill.context.completeness, kill.cgroup, kill.real_user_id) == ("suppressed", None, 7)


@pytest.mark.parametrize(
    "tail",
    [" Not tainted x: Can't lookup blockdev", " Not tainted IN=lo OUT= MAC=", " Tainted: G IN=lo OUT= MAC=", " x"],
)
def test_a_current_task_with_a_foreign_end_is_no_trigger(tail: str) -> None:
    opener, *rest = klog.memcg_report()
    (kill,) = klog.kills([opener, f"CPU: 1 PID: 666 Comm: asker{tail}", *rest])
    assert kill.context.trigger_pid == 99


@pytest.mark.parametrize("tail", [" Tainted: G        W          6.1.0 #1", " Kdump: loaded Tainted: G  4.18.0 #1"])
def test_a_tainted_kernel_names_its_trigger(tail: str) -> None:
    (kill,) = klog.kills([klog.opener(), f"CPU: 1 PID: 5 Comm: asker{tail}", klog.killed()])
    assert kill.context.trigger_pid == 5
