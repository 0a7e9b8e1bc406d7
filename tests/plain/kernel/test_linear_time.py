"""Lines built to make a pattern backtrack: each takes linear time."""

import time

import pytest

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.kill_line import parse_kill_line
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.text_escapes import printable

OPENER = "x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
SUMMARY = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0"
TABLE = "[  pid  ]   uid  tgid total_vm      rss name"
KILL = "Memory cgroup out of memory: Killed process 1 (vic) total-vm:1kB"
TEXTS = {
    "lines after an opener": OPENER + r"\x0aa=1" * 130 + "' is a file",
    "assignments after an opener": OPENER + " a=1" * 250 + "' is a file",
    "flags of an opener": "x invoked oom-killer: gfp_mask=0xcc0(" + "(" * 900,
    "scores of an opener": OPENER + ", oom_a=1" * 100 + "' is a file",
    "closing brackets of a name": "Killed process 1 (" + ")" * 900,
    "sizes of a kill": "Killed process 1 (" + ") total-vm:1kB, anon-rss:1kB" * 30 + "'",
    "numbers of a kill": "Killed process 1 (x) total-vm:1kB" + ", a:1kB" * 140 + "'",
    "paths of a summary": SUMMARY + ",oom_memcg=/a" * 70 + ",task_memcg=/a" * 60 + ",task=a,pid=1,uid=0",
    "names of a summary": SUMMARY + ",oom_memcg=/,task_memcg=/" + ",task=a" * 130 + ",pid=1,uid=0",
    "ends of a summary": SUMMARY + ",pid=1,uid=0" * 80 + "'",
    "causes": "Task in /a" + " killed as a result of limit of /a" * 28,
    "statistics": "Memory cgroup stats for /" + ": cache:1KB" * 90 + "'",
    "blanks of a header": "[ pid ]" + " " * 990,
    "a row": "[ 1 ]" + " 1" * 490,
    "memory": "active_anon:1 " + r"\x0a free:1" * 90,
}


# The beginning of a line, the part that is repeated to make it longer, and its end.
GROWING = {
    "closing brackets": ("Killed process 1 (", ")", ""),
    "words behind brackets": ("Killed process 1 (", ") a 1", " total-vm"),
    "users behind brackets": ("Killed process 1 (", "), UID 1,", ""),
    "sizes": ("Killed process 1 (x) total-vm:1kB", ", a:1kB", "'"),
    "names that end": ("Killed process 1 (", ") total-vm:1kB", ""),
    "announced names": ("Out of memory: Kill process 1 (", ") score 1 or", ""),
    "limits": (SUMMARY + ",oom_memcg=/", ",task_memcg=/", ",task=a,pid=1,uid=0"),
    "limits alike": (SUMMARY + ",oom_memcg=/a", ",task_memcg=/a", ",task=a,pid=1,uid=0"),
    "names": (SUMMARY + ",oom_memcg=/,task_memcg=/", ",task=a", ",pid=1,uid=0"),
    "ends": (SUMMARY, ",pid=1,uid=0", "'"),
    "cut names": (SUMMARY + ",oom_memcg=/,task_memcg=/", ",task=vic,pid=1", ""),
    "causes": ("Task in /a", " killed as a result of limit of /a", ""),
    "causes alike": ("Task in /", " killed as a result of limit of /", ""),
    "statistics": ("Memory cgroup stats for /", ": a:1KB", ""),
    "cut statistics": ("Memory cgroup stats for /", ": cache:1KB a:1KB a", ":"),
    "more cut statistics": ("Memory cgroup stats for /: cache:1KB", " a:1KB", " a:"),
    "more statistics": ("Memory cgroup stats for /:", " a:1KB", "'"),
    "lines of a policy": (OPENER, r"\x0aa=1", "'"),
    "nodes": ("x invoked oom-killer: gfp_mask=0x0(A), nodemask=", "0,", "x"),
    "scores": (OPENER, ", oom_a=1", "'"),
    "columns": ("[ pid ] uid", " a", " name x"),
    "cells": ("[ 1 ]", " 1", "x"),
    "memory": ("active_anon:1 ", r"\x0a free:1", ""),
    "pieces": (",task=", ",task=", ""),
    "groups": ("Tasks in /", " are going", ""),
    "a name in escapes": ("Killed process 1 (", r"\xff", ") total-vm:1kB"),
}


def seconds(text: str) -> float:
    """CPU time for a report with this line in it, twice."""
    assembler = Assembler("boot", 4096)
    lines = [OPENER, TABLE, text, text, KILL]
    begin = time.process_time()
    for _ in range(3):
        for sequence, line in enumerate(lines):
            assembler.feed(Record(6, sequence, sequence, "-", line), 1)
    return time.process_time() - begin


@pytest.mark.parametrize(("head", "repeated", "tail"), GROWING.values(), ids=GROWING)
def test_time_grows_no_faster_than_the_length_of_a_line(head: str, repeated: str, tail: str) -> None:
    def line(size: int) -> str:
        return head + repeated * ((size - len(head) - len(tail)) // len(repeated)) + tail

    assert seconds(line(4_000)) < 0.02
    # No kernel line is that long: the time for each byte must not grow with the length.
    assert seconds(line(39_000)) < 0.2
    assert seconds(line(4_000_000)) < 0.2


def test_endless_fragments_cost_no_more_than_one_line() -> None:
    assembler = Assembler("boot", 4096)
    head = SUMMARY + ",oom_memcg=/"
    piece = ",task_memcg=/a,task_memcg=/a,task=x,pid=1,uid=0" * 80
    begin = time.process_time()
    for _ in range(10):
        assembler.feed(Record(6, 1, 1, "-", OPENER), 1)
        assembler.feed(Record(6, 1, 1, "-", head), 1)
        for _ in range(1_000):
            assembler.feed(Record(4, 1, 1, "c", piece), 1)
        assembler.feed(Record(3, 1, 1, "-", KILL), 1)
    assert time.process_time() - begin < 1


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_line_takes_long(text: str) -> None:
    assembler = Assembler("boot", 4096)
    for sequence, line in enumerate([OPENER, "[  pid  ]   uid  tgid total_vm      rss name", text, text] * 20):
        assembler.feed(Record(6, sequence, sequence, "-", line), 1)
        parse_kill_line(line)


def test_a_long_run_of_bytes_is_decoded_in_linear_time() -> None:
    def decode_s(size: int) -> float:
        text = r"\xff" * size
        begin = time.process_time()
        assert printable(text) == text
        return time.process_time() - begin

    assert decode_s(100_000) < 30 * decode_s(10_000)
