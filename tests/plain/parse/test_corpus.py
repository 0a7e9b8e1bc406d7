"""`otel-oom parse` on logs that people posted: the expected kills, with and without `every_line`."""

from pathlib import Path
from typing import Any

import pytest
from support import corpus, corpus_answers
from support.parsing import answer, json_rows, kills, searched

REPORTS = corpus.index("reports")
HOSTILE = corpus.index("hostile")
FILES = [path for kind in ("reports", "hostile") for path in sorted((corpus.CORPUS / kind).glob("*.*[!l]"))]

#: its `oom-kill:` line was cut at the edge of a terminal, so the end of a path is not known
CUT = "055-"


def captures(entry: dict[str, Any]) -> list[str]:
    return [entry[form] for form in ("file", "dmesg_r") if entry.get(form)]


def check(path: Path, entry: dict[str, Any]) -> None:
    text = path.read_bytes()
    found = [answer(row) for row in json_rows(text)]
    fields = [field for field in corpus_answers.OURS if all(field in one for one in entry["kills"])]
    assert corpus_answers.theirs(entry["kills"]) == [{field: one[field] for field in fields} for one in found]
    if "kill_lines" in entry:
        assert entry["kill_lines"] == searched(text)[0].kill_lines


@pytest.mark.skipif(not REPORTS, reason="plain: no corpus beside the repository")
def test_the_corpus_is_large_enough() -> None:
    assert sum(entry["scorable"] for entry in REPORTS) > 60
    assert len(HOSTILE) > 25


@pytest.mark.parametrize(
    "entry",
    [entry for entry in REPORTS if entry["scorable"] and not entry["file"].startswith(CUT)],
    ids=lambda entry: str(entry["file"]),
)
def test_the_expected_kills_are_found(entry: dict[str, Any]) -> None:
    check(corpus.CORPUS / "reports" / (entry.get("rejoined") or entry["file"]), entry)


@pytest.mark.parametrize("entry", HOSTILE, ids=lambda entry: str(entry["file"]))
def test_the_expected_kills_are_found_in_both_forms(entry: dict[str, Any]) -> None:
    for file in captures(entry):
        check(corpus.CORPUS / "hostile" / file, entry)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.name))
def test_the_search_finds_what_parsing_every_line_finds(path: Path) -> None:
    text = path.read_bytes()
    assert kills(text, every_line=True) == kills(text)
    assert kills(text, every_line=True) == kills(text, 997)
