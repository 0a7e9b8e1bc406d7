"""What the documents quote of the code: log lines, exit codes, alerts, attribute names in queries."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from support.documents import DOCUMENTS, ROOT, blocks, code

from otel_oom import errors, schema
from otel_oom.kernel import kmsg_record
from otel_oom.kernel.oom_kill import event_uid
from otel_oom.parse import input_files

DOCS = ROOT / "docs"


def messages() -> Iterator[str]:
    """Every text in the package's code; a value that is put in is `…`."""
    for path in (ROOT / "otel_oom").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_quoted_log_lines_are_in_the_code() -> None:
    text = (DOCS / "troubleshooting.md").read_text()
    quoted = re.findall(r"logs?\s+`([^`]+)`", text) + re.findall(r"^ +\| `([^`]+)` \|", text, re.MULTILINE)
    quoted += re.findall(r"Look for `([^`]+)` in", text)
    known = list(messages())
    assert len(quoted) >= 8
    assert [line for line in quoted if not any(line in message for message in known)] == []


def test_every_line_of_a_working_agent_is_in_the_code() -> None:
    """The sentence of a kill is that of its event."""
    value = re.compile(r"%(?:\.\d)?[sdf]|…")
    patterns = [
        re.compile(".*".join(map(re.escape, value.split(message))))
        for message in messages()
        if message == value.sub("", message) or len(value.sub("", message)) >= 10
    ]
    page = "\n".join(blocks((DOCS / "troubleshooting.md").read_text(), "text"))
    lines = re.findall(r"^otel-oom: (?:info|warning|error): (.*)", page, re.MULTILINE)
    lines += "\n".join(blocks((DOCS / "install" / "index.md").read_text(), "text")).splitlines()
    assert len(lines) > 20
    unknown = [line for line in lines if not any(pattern.fullmatch(line.strip()) for pattern in patterns)]
    assert [line for line in unknown if "was OOM-killed" not in line] == []


def test_the_first_line_of_the_agent_is_the_one_on_the_page() -> None:
    (line,) = re.findall(r"^ *(watching .*)", (DOCS / "install" / "index.md").read_text(), re.MULTILINE)
    where = r"http://collector\.example:4318 \(http/protobuf\)"
    pattern = re.sub(rf"{where}", "%s", line).replace("/dev/stdin", "%s")
    assert pattern == "watching %s; logs go to %s, metrics to %s"
    assert pattern in messages()


def test_the_table_of_exit_codes_is_complete() -> None:
    table = (DOCS / "configuration.md").read_text().partition("## Exit codes")[2]
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    raised = {one.exit_code for one in errors.OtelOomError.__subclasses__()} | {input_files.UnreadableError.exit_code}
    assert {2, 66, 69, 73, 75, 77} <= raised
    assert listed == raised | {0, 1, 130, errors.OtelOomError.exit_code}


def test_the_table_of_alerts_is_complete() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "otel-oom.rules.yml").read_text())
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    text = (DOCS / "query-and-alert.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == alerts
    scrape = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["global"]
    assert {*scrape.values(), *(group["interval"] for group in rules["groups"])} == {"15s"}
    assert "in these files are 15 s" in re.sub(r"\s+", " ", text)


def test_queries_of_loki_use_attributes_of_the_schema() -> None:
    queries = [query for path in DOCUMENTS for query in blocks(path.read_text(), "logql")]
    used = {word for query in queries for word in re.findall(r"\b(?:oom|event|log)_\w+", query)}
    assert used
    assert used - {item.name.replace(".", "_") for item in schema.ATTRIBUTES} == set()


@pytest.mark.parametrize("table", ["Values are missing in a record"])
def test_attributes_in_tables_exist(table: str) -> None:
    part = (DOCS / "troubleshooting.md").read_text().partition(f"## {table}")[2].partition("\n## ")[0]
    first = [row.split("|")[1] for row in part.splitlines() if row.startswith("| `")]
    names = {item.name for item in schema.ATTRIBUTES} | {metric.name for metric in schema.METRICS}
    assert {word for cell in first for word in code(cell)} - names == set()


def test_the_uid_of_an_event_is_computed_as_the_page_says() -> None:
    (snippet,) = blocks((DOCS / "telemetry.md").read_text(), "python")
    names: dict[str, Any] = {}
    exec(snippet, names)
    for raw in (
        b"6,1234,98765432,-;Out of memory: Killed process 7 (a\\x0ab) total-vm:4kB\n",
        b"3,9,8,c,caller=T7;a;b, c",
    ):
        record = kmsg_record.parse(raw)
        assert isinstance(record, kmsg_record.Record)
        expected = names["uid"]("system_oom_kill", "boot", record.original)
        assert expected == event_uid("system_oom_kill", "boot", record)


def test_every_variable_that_the_code_names_is_documented() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "otel_oom").rglob("*.py"))
    named = set(re.findall(r"\bOTEL_[A-Z_]*[A-Z]\b", source))
    documented = set(re.findall(r"`(OTEL_[A-Z_]+)", (DOCS / "configuration.md").read_text()))
    assert "OTEL_OOM_SPOOL" in named
    assert named - documented == set()
