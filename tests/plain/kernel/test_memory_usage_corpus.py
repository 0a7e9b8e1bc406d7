"""What filled the memory and the totals of the task table, compared with a plain reading of each posted report.

The reading here knows words and numbers, and none of the package's patterns.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest
from support import corpus
from support.parsing import kills

from otel_oom.kernel.oom_kill import OomKill

ANSWERS = [
    answer.get("rejoined") or answer["file"]
    for answer in corpus.index("reports")
    if answer["scorable"] and not answer["negative"]
]
HOSTILE = [answer["file"] for answer in corpus.index("hostile") if answer["file"].endswith(".kmsg")]
DAMAGED = ("023-", "042-", "051-")
KIB, PAGE = 1024, 4096
NO_LIMIT = 2**52
V1 = {
    "anon": "rss",
    "file": "cache",
    "shmem": "shmem",
    "file_dirty": "dirty",
    "file_writeback": "writeback",
    "unevictable": "unevictable",
}


@dataclass
class Reading:
    """The numbers of one report.

    counts: `name:pages`; sums: what several lines add up to; zones: (free, min) of each; rows: name and rss of each
    """

    memcg: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)
    zones: list[tuple[int, int]] = field(default_factory=list)
    rows: list[tuple[str, int]] = field(default_factory=list)

    def add(self, name: str, size: int) -> None:
        self.sums[name] = self.sums.get(name, 0) + size

    def machine(self) -> dict[str, int]:
        names = ("shmem", "unevictable", "slab_reclaimable", "slab_unreclaimable", "pagetables", "free_cma")
        found = {name: self.counts[name] * PAGE for name in names if name in self.counts}
        for name in ("anon", "file"):
            if f"active_{name}" in self.counts and f"inactive_{name}" in self.counts:
                lists = (f"active_{name}", f"inactive_{name}", f"isolated_{name}")
                found[name] = sum(self.counts.get(one, 0) for one in lists) * PAGE
        return {**found, **self.sums}


def read(report: str) -> Reading:
    found = Reading()
    for line in report.replace("#012", "\n").replace(r"\x0a", "\n").splitlines():
        words = line.rpartition(";")[2].split()
        read_memcg(words, found)
        read_machine(words, found)
    _, _, table = report.partition("total_vm")
    rows = (re.search(r"\[ *\d+\] +\d+ +\d+ +\d+ +(\d+) +(?:-?\d+ +)*-?\d+ (.*)", line) for line in table.splitlines())
    found.rows += [(row[2], int(row[1]) * PAGE) for row in rows if row]
    return found


def read_memcg(words: list[str], found: Reading) -> None:
    for name, head in (("swap", "swap:"), ("memsw", "memory+swap:"), ("kmem", "kmem:")):
        if head in words and "failcnt" in words:
            usage, limit = (int(words[words.index(word) + 1].rstrip("kB,")) for word in ("usage", "limit"))
            found.memcg[f"{name}_usage"] = usage * KIB
            found.memcg |= {f"{name}_limit": limit * KIB} if limit < NO_LIMIT else {}
    if "stats" in words and any(word.startswith("cache:") for word in words):
        old = dict(word.split(":") for word in words if word.endswith("KB"))
        for name, theirs in V1.items():
            if theirs in old:
                found.memcg[name] = found.memcg.get(name, 0) + int(old[theirs].rstrip("KB")) * KIB
    elif len(words) >= 2 and words[-1].isdigit():
        names = {f"total_{theirs}": name for name, theirs in V1.items()}
        found.memcg[names.get(words[-2], words[-2])] = int(words[-1])


def read_machine(words: list[str], found: Reading) -> None:
    pairs = {name: value for name, _, value in (word.partition(":") for word in words) if value}
    found.counts |= {name: int(value) for name, value in pairs.items() if value.isdigit()}
    if "kernel_stack" in pairs:
        found.add("kernel_stack", kib(pairs["kernel_stack"]))
    if "free" in pairs and "min" in pairs:
        found.add("zones_free", kib(pairs["free"]))
        found.zones.append((kib(pairs["free"]), kib(pairs["min"])))
    huge = {name: value for name, _, value in (word.partition("=") for word in words) if value}
    if {"hugepages_total", "hugepages_size"} <= huge.keys():
        for name in ("hugepages_total", "hugepages_free"):
            found.add(name, int(huge[name]) * kib(huge["hugepages_size"]))


def kib(text: str) -> int:
    return int(text.removesuffix("kB")) * KIB


def report_of(text: str, kill: OomKill) -> str:
    """The lines from the opener before a kill line to that line. Empty without an opener: nothing begins the report."""
    end = text.index(f"Killed process {kill.pid}")
    begin = text.rfind("invoked oom-killer", 0, end)
    return text[begin:end] if begin >= 0 else ""


def check(kill: OomKill, text: str, *, is_damaged: bool = False) -> None:
    """is_damaged: a mail program wrapped the lines with numbers."""
    expected, context = read(report_of(text, kill)), kill.context
    if context.trigger_comm is None:
        return  # an excerpt without its opener: what stands before its first line with a path is not read
    memcg = said(asdict(context.memcg))
    machine = said({**asdict(context.machine), "zone": None})
    if is_damaged:
        assert memcg.items() <= expected.memcg.items()
        assert machine.items() <= expected.machine().items()
    elif kill.scope == "cgroup":
        assert memcg == {name: expected.memcg[name] for name in asdict(context.memcg) if name in expected.memcg}
        assert machine == {}
    else:
        assert memcg == {}
        assert machine == expected.machine()
        zone = context.machine.zone
        assert zone is None or (zone.free, zone.min) in expected.zones
    if context.tasks is None:
        assert expected.rows == []
    else:
        assert (context.tasks.count, context.tasks.rss) == (len(expected.rows), sum(rss for _, rss in expected.rows))
        assert [group.count for group in context.tasks.groups] == [
            sum(name.rstrip() == group.comm.rstrip() for name, _ in expected.rows) for group in context.tasks.groups
        ]


def said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.skipif(not ANSWERS, reason="plain: no corpus beside the repository")
def test_many_reports_print_such_numbers() -> None:
    texts = [(corpus.CORPUS / "reports" / file).read_bytes() for file in ANSWERS]
    contexts = [kill.context for text in texts for kill in kills(text)]
    assert sum(context.memcg.anon is not None for context in contexts) > 5
    assert sum(context.machine.anon is not None for context in contexts) > 6
    assert sum(context.tasks is not None for context in contexts) > 10


@pytest.mark.parametrize("file", ANSWERS)
def test_the_numbers_are_those_of_the_text(file: str) -> None:
    raw = (corpus.CORPUS / "reports" / file).read_bytes()
    for kill in kills(raw):
        if kill.context.completeness != "suppressed" and kill.is_first:
            check(kill, raw.decode("utf-8", "replace"), is_damaged=file.startswith(DAMAGED))


@pytest.mark.parametrize("file", HOSTILE)
def test_the_numbers_are_those_of_a_hostile_capture(file: str) -> None:
    raw = (corpus.CORPUS / "hostile" / file).read_bytes()
    for kill in corpus.kills(raw):
        if kill.context.completeness == "full" and kill.is_first:
            check(kill, raw.decode())
