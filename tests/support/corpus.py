"""The captures beside the repository: real logs with answers. An ordinary checkout does not have them."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from otel_oom.kernel import kmsg_record
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.oom_kill import Finding, OomKill, Repeat

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"


def index(kind: str) -> list[dict[str, Any]]:
    """The answers of `hostile` or `reports`, one object a file; empty without the corpus."""
    path = CORPUS / kind / "index.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def records(capture: bytes) -> Iterator[bytes]:
    """The reads of a /dev/kmsg capture: a record and the dictionary lines after it."""
    record = b""
    for line in capture.splitlines(keepends=True):
        if record and not line.startswith(b" "):
            yield record
            record = b""
        record += line
    if record:
        yield record


def kill_lines(findings: Iterable[Finding]) -> int:
    """The number of kill lines, repeats included, as the kernel's own counter counts them."""
    return sum(isinstance(finding, OomKill | Repeat) for finding in findings)


def findings(capture: bytes, boot_id: str = "boot", page_size: int = 4096) -> list[Finding]:
    """The findings of an assembler that gets a capture as the agent feeds it."""
    assembler = Assembler(boot_id, page_size)
    found: list[Finding] = []
    for raw in records(capture):
        record = kmsg_record.parse(raw)
        assert isinstance(record, kmsg_record.Record), record
        found += assembler.feed(record, observed_ns=1)
    return [*found, *assembler.release_held()]


def kills(capture: bytes) -> list[OomKill]:
    return [finding for finding in findings(capture) if isinstance(finding, OomKill)]
