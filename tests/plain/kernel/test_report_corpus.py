"""Public logs as people posted them: every answer that can be scored is met, every text is survived."""

from pathlib import Path
from typing import Any

import pytest
from support import answers, corpus, textlog

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import Finding, OomKill

INDEX = corpus.index("reports")
FILES = sorted((corpus.CORPUS / "reports").glob("*.txt"))


def read(file: str) -> bytes:
    return (corpus.CORPUS / "reports" / file).read_bytes()


def findings(text: bytes) -> list[Finding]:
    assembler = Assembler("boot", 4096)
    found = [finding for record in textlog.records(text) for finding in assembler.feed(record, 1)]
    return [*found, *assembler.settle()]


def kills(found: list[Finding]) -> list[OomKill]:
    return [one for one in found if isinstance(one, OomKill)]


SCORED = [answer for answer in INDEX if answer["scorable"]]


@pytest.mark.skipif(not INDEX, reason="plain: no corpus beside the repository")
def test_most_of_the_corpus_is_scored() -> None:
    assert len(SCORED) > 60


@pytest.mark.parametrize("answer", SCORED, ids=lambda answer: str(answer["file"]))
def test_every_answer_is_met(answer: dict[str, Any]) -> None:
    found = findings(read(answer.get("rejoined") or answer["file"]))
    assert answers.theirs(answer["kills"]) == answers.ours(kills(found), answer["kills"])
    assert answer["kill_lines"] == corpus.kill_lines(found)
    is_memcg = [bool(kill["oom_memcg"]) or kill["constraint"] == "CONSTRAINT_MEMCG" for kill in answer["kills"]]
    assert is_memcg == [kill.scope == "cgroup" for kill in kills(found)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_every_text_is_survived(file: Path) -> None:
    text = file.read_bytes()
    assert corpus.kill_lines(findings(text)) <= text.count(b"Killed process ")
