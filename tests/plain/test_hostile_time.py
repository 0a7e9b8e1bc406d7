"""Text built to make a pattern backtrack: every line of it is over in no time. Without the care it takes years."""

import pytest

from otel_oom import grammar
from otel_oom.kmsg import Record, printable
from otel_oom.oom import Assembler

OPENER = "x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
SUMMARY = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0"
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


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_line_takes_long(text: str) -> None:
    assembler = Assembler("boot", 4096)
    for sequence, line in enumerate([OPENER, "[  pid  ]   uid  tgid total_vm      rss name", text, text] * 20):
        assembler.feed(Record(6, sequence, sequence, "-", line), 1)
        grammar.killed(line)


@pytest.mark.timeout(10)
def test_a_long_run_of_bytes_is_decoded_in_linear_time() -> None:
    assert printable(r"\xff" * 500_000) == r"\xff" * 500_000
