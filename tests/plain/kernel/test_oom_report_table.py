"""The task table: the five largest tasks, with the columns of every kernel, in tables of any length."""

import time
import tracemalloc

import pytest
from support import klog

from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.oom_report import Report
from otel_oom.kernel.task_table import Task

NEWEST = klog.TABLE.replace("rss ", "rss rss_anon rss_file rss_shmem ")
HEAD = Record(4, 1, 1, "-", "head")


def table(header: str, rows: list[str], page_size: int = 4096) -> tuple[Task, ...]:
    (kill,) = klog.kills([klog.opener(), header, *rows, klog.summary(), klog.killed()], page_size=page_size)
    return kill.context.top_tasks


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (klog.TABLE, "[      9]     0     8     3383      250    61440        0           -17 name"),
        (NEWEST, "[      9]     0     8     3383      250      240       10         0  61440     0    -17 name"),
        (  # a vendor's
            "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj is_app2 name",
            "[    9]     0     8     3383      250       7        0           -17      -1 name",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("page_size", [4096, 16384])
def test_columns_are_found_by_their_header(header: str, row: str, page_size: int) -> None:
    expected = (Task(pid=9, comm="name", rss=250 * page_size, score_adj=-17),)
    assert expected == table(header, [row], page_size)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a b", "a b"),
        ("[9] 1 2 3", "[9] 1 2 3"),
        ("12", "12"),
        (" lead", " lead"),
        ("", ""),
        (r"\xc3\xa9\x0a", r"é\x0a"),
        ("(sd-pam)", "(sd-pam)"),
    ],
)
def test_a_name_may_hold_any_text(name: str, expected: str) -> None:
    (task,) = table(klog.TABLE, [klog.row(9, 250, name)])
    assert expected == task.comm


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([3, 9, 1, 7, 7, 7, 2, 7, 8], [1, 8, 3, 4, 5]),
        ([7] * 7, [0, 1, 2, 3, 4]),
        ([7, 7, 7, 7, 7, 8], [5, 0, 1, 2, 3]),
    ],
)
def test_the_five_largest_are_kept_and_of_equal_ones_the_first(sizes: list[int], expected: list[int]) -> None:
    found = table(klog.TABLE, [klog.row(pid, rss, "x") for pid, rss in enumerate(sizes)])
    assert expected == [task.pid for task in found]


def test_without_a_header_or_its_rss_there_are_no_tasks() -> None:
    assert table("x", [klog.row(1, 1, "x")]) == ()
    assert table(klog.TABLE.replace(" rss ", " pages "), [klog.row(1, 1, "x")]) == ()


def test_a_size_above_int64_is_left_out() -> None:
    assert table(klog.TABLE, [klog.row(1, 2**63 // 4096, "x"), klog.row(2, 10**19, "y")]) == ()


def test_rows_cost_linear_time_and_no_memory() -> None:
    rows = [klog.record(klog.row(pid, pid * 7919 % 100_003, "x")) for pid in range(1000)]

    def read(times: int) -> float:
        report = Report(HEAD, 4096, HEAD.monotonic_us)
        report.read(klog.record(klog.TABLE))
        begin = time.process_time()
        for _ in range(times):
            for row in rows:
                report.read(row)
        assert len(report.table.top_tasks()) == 5
        return time.process_time() - begin

    read(1)
    tracemalloc.start()
    read(3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1024
    assert read(60) < 15 * read(6)


def test_a_table_may_take_200_seconds() -> None:
    rows = [klog.late(klog.row(pid, pid, "x"), 10_000 * pid) for pid in range(1, 20_001)]  # 200 s on a serial console
    end = rows[-1].monotonic_us
    last = [klog.late(line, end + 1) for line in (klog.summary(), klog.killed())]
    (kill,) = klog.kills([klog.opener(), klog.TABLE, *rows, *last])
    expected = [20_000, 19_999, 19_998, 19_997, 19_996]
    assert expected == [task.pid for task in kill.context.top_tasks]
    assert kill.context.completeness == "full"


def test_the_last_of_two_columns_with_one_name_is_read() -> None:
    (task,) = table("[ pid ]   rss oom_score_adj rss name", ["[    9]     1  -17     250 x"])
    assert Task(pid=9, comm="x", rss=250 * 4096, score_adj=-17) == task
