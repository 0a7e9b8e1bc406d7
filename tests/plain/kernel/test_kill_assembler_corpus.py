"""Public logs that people posted, compared with the answers of an index."""

from pathlib import Path
from typing import Any

import pytest
from support import corpus, corpus_answers, posted_log_text

from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import Finding, OomKill

INDEX = corpus.index("reports")
FILES = sorted((corpus.CORPUS / "reports").glob("*.txt"))


def read(file: str) -> bytes:
    return (corpus.CORPUS / "reports" / file).read_bytes()


def findings(text: bytes) -> list[Finding]:
    assembler = Assembler("boot", 4096, is_excerpt=True)
    found = [finding for record in posted_log_text.records(text) for finding in assembler.feed(record, 1)]
    return [*found, *assembler.release_held()]


def kills(found: list[Finding]) -> list[OomKill]:
    return [one for one in found if isinstance(one, OomKill)]


SCORED = [answer for answer in INDEX if answer["scorable"]]


@pytest.mark.skipif(not INDEX, reason="plain: no corpus beside the repository")
def test_most_of_the_corpus_is_scored() -> None:
    assert len(SCORED) > 60


@pytest.mark.parametrize("answer", SCORED, ids=lambda answer: str(answer["file"]))
def test_the_kills_are_those_of_the_index(answer: dict[str, Any]) -> None:
    found = findings(read(answer.get("rejoined") or answer["file"]))
    assert corpus_answers.theirs(answer["kills"]) == corpus_answers.ours(kills(found), answer["kills"])
    assert answer["kill_lines"] == corpus.kill_lines(found)
    is_memcg = [bool(kill["oom_memcg"]) or kill["constraint"] == "CONSTRAINT_MEMCG" for kill in answer["kills"]]
    assert is_memcg == [kill.scope == "cgroup" for kill in kills(found)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_no_text_raises_or_gives_additional_kills(file: Path) -> None:
    text = file.read_bytes()
    assert corpus.kill_lines(findings(text)) <= text.count(b"Killed process ")
