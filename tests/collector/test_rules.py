"""The alerting rules, checked by promtool: they are valid, and their test cases pass."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.levels import missing

import otel_oom
from otel_oom import schema

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = (PROMETHEUS / "otel-oom.rules.yml").read_text()


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        missing("collector", "promtool is not on PATH (it comes with Prometheus)")
    return found


@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", "--lint-fatal", "otel-oom.rules.yml"],
        ["test", "rules", "otel-oom.rules.test.yml"],
        ["check", "config", "prometheus.yml"],
    ],
    ids=" ".join,
)
def test_promtool_accepts(promtool: str, command: list[str]) -> None:
    done = subprocess.run(
        [promtool, *command], check=False, cwd=PROMETHEUS, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout


def test_each_name_is_one_of_the_schema() -> None:
    metrics = {metric.prometheus_name: metric for metric in schema.METRICS}
    labels = {name.replace(".", "_") for metric in schema.METRICS for name, _ in metric.attributes}
    used = set(re.findall(r"\b(?:oom|otel_oom)_[a-z_]+(?=[\s{\[)])", RULES))
    assert used - metrics.keys() - labels == set()
    assert len(used & metrics.keys()) > 8
    for name, label, values in re.findall(r'\b(\w*oom_\w+){(\w+)=~?"([a-z|]+)"', RULES):
        known = {one.replace(".", "_"): set(all_values) for one, all_values in metrics[name].attributes}
        assert set(values.split("|")) <= known[label], name


def test_each_alert_has_a_section_in_the_runbook_and_a_test() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES)
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(alerts)
    cases = (PROMETHEUS / "otel-oom.rules.test.yml").read_text()
    assert [alert for alert in alerts if alert not in cases] == []
    urls = re.findall(r"runbook_url: (\S+)", RULES)
    assert set(urls) <= {f"{otel_oom.URL}/docs/runbook/#{alert.lower()}" for alert in alerts}
    assert len(urls) == 7
