"""Captures of real kernels with names built to fool a parser: every answer of the index is met."""

from typing import Any

import pytest
from support import corpus, levels

from otel_oom.kmsg import printable

INDEX = [entry for entry in corpus.index("hostile") if entry["file"].endswith(".kmsg")]

#: field of the index -> what we say; sizes of the index are kB
SAME = {
    "pid": lambda kill: kill.pid,
    "comm": lambda kill: kill.comm,
    "oom_memcg": lambda kill: kill.context.memcg_path,
    "task_memcg": lambda kill: kill.cgroup,
    "uid": lambda kill: kill.real_user_id,
    "total_vm_kb": lambda kill: kill.total_vm and kill.total_vm // 1024,
    "anon_rss_kb": lambda kill: kill.rss_anon if kill.rss_anon is None else kill.rss_anon // 1024,
    "file_rss_kb": lambda kill: kill.rss_file if kill.rss_file is None else kill.rss_file // 1024,
    "shmem_rss_kb": lambda kill: kill.rss_shmem if kill.rss_shmem is None else kill.rss_shmem // 1024,
    "pgtables_kb": lambda kill: kill.pgtables and kill.pgtables // 1024,
    "oom_score_adj": lambda kill: kill.score_adj,
    "constraint": lambda kill: kill.context.constraint and f"CONSTRAINT_{kill.context.constraint.upper()}",
    "trigger_comm": lambda kill: kill.context.trigger_comm,
    "trigger_pid": lambda kill: kill.context.trigger_pid,
    "seq": lambda kill: kill.record.sequence,
}


def test_the_corpus_is_there() -> None:
    if not INDEX:
        levels.missing("plain", "no corpus beside the repository")


def decoded(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


@pytest.mark.parametrize("answer", INDEX, ids=lambda answer: str(answer["file"]))
def test_every_answer_of_the_index_is_met(answer: dict[str, Any]) -> None:
    capture = (corpus.CORPUS / "hostile" / answer["file"]).read_bytes()
    found = corpus.kills(capture)
    fields = [field for field in SAME if all(field in expected for expected in answer["kills"])]
    # The index keeps the kernel's escapes; the contract decodes what is printable UTF-8.
    expected = [{field: decoded(kill[field]) for field in fields} for kill in answer["kills"]]
    assert expected == [{field: SAME[field](kill) for field in fields} for kill in found]
    if "kill_lines" in answer:
        assert answer["kill_lines"] == corpus.findings(capture)[1].kill_lines
