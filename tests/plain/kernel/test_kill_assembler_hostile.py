"""Captures of real kernels with names built to mislead a parser, compared with the answers of an index."""

from typing import Any

import pytest
from support import corpus, corpus_answers

from otel_oom.kernel.oom_kill import OomKill

INDEX = [entry for entry in corpus.index("hostile") if entry["file"].endswith(".kmsg")]


def named(answer: dict[str, Any]) -> str:
    return str(answer["file"])


@pytest.mark.parametrize("answer", INDEX, ids=named)
def test_the_kills_are_those_of_the_index(answer: dict[str, Any]) -> None:
    findings = corpus.findings((corpus.CORPUS / "hostile" / answer["file"]).read_bytes())
    kills = [finding for finding in findings if isinstance(finding, OomKill)]
    assert corpus_answers.theirs(answer["kills"]) == corpus_answers.ours(kills, answer["kills"])
    assert [kill["seq"] for kill in answer["kills"]] == [kill.record.sequence for kill in kills]
    if "kill_lines" in answer:
        assert answer["kill_lines"] == corpus.kill_lines(findings)
