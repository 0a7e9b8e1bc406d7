"""The sentences of logs that people posted: what was full, as a person reads it in the text."""

from __future__ import annotations

import io

import pytest
from support import corpus, reason_table

from otel_oom.kernel.oom_kill import OomKill
from otel_oom.parse.kill_search import KillSearch
from otel_oom.parse.line_recovery import RecoveredLines
from otel_oom.telemetry.event_bodies import MAX_BODY_CHARS, kill_body
from otel_oom.telemetry.kill_event import LiveFacts, victim_owner

REPORTS = sorted((corpus.CORPUS / "reports").glob("*.txt"))
pytestmark = pytest.mark.skipif(not REPORTS, reason="plain: no corpus beside the repository")

#: beginning of a file's name -> the rules of its last kill, and a part of the sentence
ANSWERS = {
    "003-": (("anonymous", "one", "swap full"), "mysqld (pid 6576) was OOM-killed: the machine's 32 GiB are full"),
    "009-": (("container's limit", "anonymous", "one", "memory+swap full"), "memory+swap is at its 40 MiB limit"),
    "021-": (("unit's limit", "dirty", "several"), "its unit's 32 MiB limit is full of dirty page cache (25.7 MiB)"),
    "023-ml-re-patch-v3-2-2-mm-memcg-decouple-e-low.rejoined": (("zone full", "one"), "other zones have 1.01 GiB free"),
    "026-": (("own limit", "anonymous", "one"), "the 512 MiB limit of its cgroup /leaker is full of anonymous memory"),
    "042-ml-next-next-20220412-bug-bad-page-map-in.rejoined": (
        ("anonymous", "several", "no swap"),
        "the machine's 3 GiB are full of anonymous memory (2.79 GiB), 2 \N{MULTIPLICATION SIGN} min_free_kbytes hold",
    ),
    "045-": (("anonymous", "several", "swap full"), "dbus-daemon (pid 1155, unit dbus.service) was OOM-killed"),
    "101-": (("pod's limit", "reached", "one", "group"), "container 46b3e0a4df44) was OOM-killed: its pod's limit"),
    "105-": (("reached", "one"), "the cpuset's NUMA nodes (4) were out of memory"),
    "108-": (("reached", "one"), "the memory policy's NUMA nodes (3) were out of memory"),
}


def kills(beginning: str) -> list[OomKill]:
    (report,) = [path for path in REPORTS if path.name.startswith(beginning)]
    return list(KillSearch(RecoveredLines(io.BytesIO(report.read_bytes()).read), 4096).kills())


@pytest.mark.parametrize("beginning", ANSWERS)
def test_why(beginning: str) -> None:
    kill = kills(beginning)[-1]
    rules, words = ANSWERS[beginning]
    body = kill_body(kill, victim_owner(kill, LiveFacts()), kill.cgroup)
    assert (reason_table.rules(kill), words in body, body) == (rules, True, body)


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: str(path.name))
def test_every_sentence_is_one_short_line(report: object) -> None:
    for kill in kills(getattr(report, "name", "")):
        body = kill_body(kill, victim_owner(kill, LiveFacts()), kill.cgroup)
        assert body.isprintable()
        assert len(body) <= MAX_BODY_CHARS
