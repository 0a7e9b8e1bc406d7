"""The comparison with other programs judges right: what they said of captures, recorded, against what happened."""

from pathlib import Path

import pytest

from benchmarks.peers import building, peers
from benchmarks.peers.judging import Kill, Report, Score, forged, judge, records

DATA = Path(__file__).parent / "data"
SYSTEM = DATA / "v61-system.kmsg"
GROUP = DATA / "v419-group.kmsg"

# What the programs of benchmarks/peers printed.
CADVISOR = [
    {"file": str(GROUP), "sequence": 716, "pid": 811, "comm": "web", "cgroup": "/pod/web"},
    {"file": str(SYSTEM), "sequence": 716, "pid": 1, "comm": "x", "cgroup": "/"},
]
NPD = [
    {"file": str(GROUP), "sequence": number, "message": f"Killed process {pid} ({comm}) total-vm:4628kB, anon-rss:92kB"}
    for number, pid, comm in ((716, 811, "web"), (718, 810, "sh"), (719, 811, "web"))
] + [
    {"file": str(SYSTEM), "sequence": 716, "message": "input: Out of memory: Killed process 1 (x) total-vm:1kB, anon"},
    {
        "file": str(SYSTEM),
        "sequence": 718,
        "message": "Out of memory: Killed process 502 (tmux: server) total-vm:164800kB",
    },
]

LOG = {
    1: (0, "java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"),
    2: (1, "oom-kill:constraint=CONSTRAINT_NONE,…,task_memcg=/,task=java,pid=9,uid=0"),
    3: (0, "oom-kill:constraint=CONSTRAINT_NONE,…,task_memcg=/g,task=java,pid=7,uid=0"),
    4: (0, "audit: a line in between"),
    5: (0, "Out of memory: Killed process 8 (worker) total-vm:1kB"),
    6: (0, "Killed process 8 (worker) total-vm:1kB"),
    7: (1, "Out of memory: Killed process 1 (init) total-vm:1kB"),
    8: (0, "input: Killed process 1 (init) total-vm:1kB as /devices"),
}
KILL = Kill(5, 8, "worker", "/g", leader=(7, "java"))


def of(capture: Path, answers: list[dict[str, object]], *, cgroups: bool) -> Score:
    kills = {one.path: one.kills for one in peers.captures()}[capture]
    return judge(records(capture.read_bytes()), kills, peers.theirs(answers)(capture), cgroups=cgroups)


def test_what_cadvisor_said() -> None:
    group = of(GROUP, CADVISOR, cgroups=True)
    assert Score(2, 1, found=1, victims=1, cgroups=1, notes=["misses 1"]) == group
    system = of(SYSTEM, CADVISOR, cgroups=True)
    assert Score(1, 1, cgroups=0, fakes=1, notes=["takes a fake for a kill: `x` (1)", "misses 1"]) == system


def test_what_node_problem_detector_said() -> None:
    group = of(GROUP, NPD, cgroups=False)
    assert Score(2, 1, found=2, victims=2, cgroups=None, twice=1, notes=["counts `web` (811) twice"]) == group
    system = of(SYSTEM, NPD, cgroups=False)
    assert Score(1, 1, 1, 1, cgroups=None, fakes=1, notes=["takes a fake for a kill: `x` (1)"]) == system


@pytest.mark.parametrize("capture", [SYSTEM, GROUP], ids=lambda path: str(path.stem))
def test_what_otel_oom_says_comes_the_same_way(capture: Path) -> None:
    kills = {one.path: one.kills for one in peers.captures()}[capture]
    score = judge(records(capture.read_bytes()), kills, peers.ours(capture), cgroups=True)
    assert score.is_perfect
    assert (score.kills, score.known_cgroups) == (score.found, score.cgroups)


@pytest.mark.parametrize(
    ("report", "found", "victims", "cgroups", "twice", "fakes"),
    [
        pytest.param(Report(5, 8, "worker", "/g"), 1, 1, 1, 0, 0, id="the kill line"),
        pytest.param(Report(3, 7, "java", "/g"), 1, 1, 1, 0, 0, id="the line before it, with the process"),
        pytest.param(Report(3, 7, "worker", "/g"), 1, 0, 1, 0, 0, id="the pid of one, the name of the other"),
        pytest.param(Report(5, 8, "worker", "/"), 1, 1, 0, 0, 0, id="another cgroup"),
        pytest.param(Report(5, 8, "worker"), 1, 1, 0, 0, 0, id="no cgroup"),
        pytest.param(Report(5, None, None), 1, 0, 0, 0, 0, id="no victim"),
        pytest.param(Report(6, 8, "worker", "/g"), 0, 0, 0, 1, 0, id="the repeat"),
        pytest.param(Report(2, 9, "java", "/"), 0, 0, 0, 0, 1, id="a line of user space in a true report"),
        pytest.param(Report(7, 8, "worker", "/g"), 0, 0, 0, 0, 1, id="a line of user space, with the true victim"),
        pytest.param(Report(8, 1, "init"), 0, 0, 0, 0, 1, id="a line that quotes one"),
        pytest.param(Report(4, 8, "worker", "/g"), 0, 0, 0, 0, 1, id="any other line"),
    ],
)
def test_a_report_is_judged_by_its_record(
    report: Report, found: int, victims: int, cgroups: int, twice: int, fakes: int
) -> None:
    score = judge(LOG, [KILL], [report], cgroups=True)
    assert (found, victims, cgroups, twice, fakes) == (
        score.found,
        score.victims,
        score.cgroups,
        score.twice,
        score.fakes,
    )
    is_right = (found, victims, cgroups, twice, fakes) == (1, 1, 1, 0, 0)
    assert is_right == score.is_perfect


def test_one_kill_reported_by_both_of_its_lines_is_counted_twice() -> None:
    score = judge(LOG, [KILL], [Report(3, 7, "java", "/g"), Report(5, 8, "worker", "/g")], cgroups=True)
    assert (score.found, score.twice) == (1, 1)


def test_forged_lines_are_counted() -> None:
    assert forged(LOG) == 3
    assert forged(records((building.HERE / "user-writes.kmsg").read_bytes())) == 4


def test_the_table_adds_up() -> None:
    perfect = Score(1, 1, 1, 1, 1)
    scores = {
        "ours": {"a": perfect, "b": Score(2, 1, 2, 2, 1)},
        "theirs": {"a": perfect, "b": Score(2, 1, 1, 0, None, 3, 4, notes=["x|y", "z"])},
    }
    lines = list(peers.table(scores))
    assert lines[2:4] == [
        "| ours | 3 of 3 | 3 of 3 | 2 of 2 | 0 | 0 |",
        "| theirs | 2 of 3 | 1 of 3 | does not say | 3 | 4 |",
    ]
    assert lines[7:] == [
        r"| b | 2 | right | x\|y; z |",
        "",
        "In 1 more captures all of them are right in all that they claim to say.",
    ]


def test_a_forged_kill_line_before_the_true_one_is_passed_over() -> None:
    log = LOG | {4: LOG[7]}
    assert judge(log, [KILL], [Report(3, 7, "java", "/g")], cgroups=True).is_perfect


def test_answers_of_an_index_are_read() -> None:
    one = {"seq": 5, "pid": 8, "comm": r"\xc3\xa9", "task_memcg": None}
    assert peers._indexed({"kills": [one]}) == [Kill(5, 8, "é")]
    (kill,) = peers._indexed({"kills": [one | {"task_memcg": "/g"}], "oom_kill_line": {"pid": 7, "task": "java"}})
    assert kill == Kill(5, 8, "é", "/g", (7, "java"))
