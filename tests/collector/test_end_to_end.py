"""From the kernel to a real Collector: the main function, judged by the kernel's counter and by what arrived."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from collector.otelcol import Collector
from support import corpus, real_kills
from support.agents import RECONCILED_S, AgentProcess, agent_thread
from support.kernel_log import KernelLog
from support.otlp_decoding import LogRecord
from support.sources import Script
from support.waiting import eventually

from otel_oom import schema

HOUR_NS = 3600 * 10**9


def settings(collector: Collector, protocol: str) -> dict[str, str]:
    endpoint = collector.grpc_endpoint if protocol == "grpc" else collector.http_endpoint
    return {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}


def kills_on_page(collector: Collector, scope: str = "cgroup") -> float | None:
    return collector.prometheus().value("oom_kills_total", oom_scope=scope)


def kills(collector: Collector) -> list[LogRecord]:
    return [record for record in collector.log_records() if record.event_name == schema.OOM_KILL]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_real_kill_is_one_record_and_one_count(collector: Collector, tmp_path: Path, protocol: str) -> None:
    real_kills.await_reports()
    with real_kills.sandbox() as made, KernelLog() as log, AgentProcess(tmp_path, settings(collector, protocol)):
        assert eventually(lambda: kills_on_page(collector) == 0, within_s=1.0), "the series at 0 within a second"
        counted = real_kills.oom_kill_count()
        before_ns = time.time_ns()
        real_kills.kill(made)
        record = eventually(lambda: kills(collector))[0]
        received_ns = time.time_ns()
        assert eventually(lambda: kills_on_page(collector) == 1)
        (line,) = log.kill_lines()

        assert real_kills.oom_kill_count() == counted + 1
        assert record.time_unix_nano == record.observed_time_unix_nano
        assert before_ns <= record.time_unix_nano <= received_ns
        assert record.attributes[schema.RECORD_ORIGINAL.name] == line.raw
        assert record.attributes[schema.KMSG_SEQUENCE.name] == line.sequence
        assert record.attributes[schema.KMSG_TIMESTAMP.name] == line.timestamp_us / 1e6
        assert expected_from_log(log, real_kills.printed_path(made)).items() <= record.attributes.items()
        assert record.severity_text == "ERROR"
        assert record.resource["service.name"] == "otel-oom"


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_record_and_count_are_there_within_100_ms(collector: Collector, tmp_path: Path, protocol: str) -> None:
    """The fastest of three kills: the limit is for the agent, and not for the waits of a busy machine."""
    took_s = []
    with real_kills.sandbox() as made, AgentProcess(tmp_path, settings(collector, protocol)):
        assert eventually(lambda: kills_on_page(collector) == 0)
        for number in (1, 2, 3):
            real_kills.kill(made)
            began = time.monotonic()
            expected = (number, number)
            assert eventually(lambda: (len(kills(collector)), kills_on_page(collector)) == expected)  # noqa: B023 used now
            took_s.append(time.monotonic() - began)
    assert min(took_s) < 0.1


def expected_from_log(log: KernelLog, cgroup: str) -> Mapping[str, Any]:
    """The attributes, read from the kernel's lines by plain splitting: the names in these tests allow that."""
    texts = [one.text for one in log.read()]
    killed = next(text for text in texts if "Killed process" in text)
    opener = next(text for text in texts if "invoked oom-killer" in text)
    usage = next(text for text in texts if text.startswith("memory: usage"))
    sizes = {part.split(":")[0]: int(part.split(":")[1].rstrip("kB,")) for part in killed.split(") ")[1].split()}
    resident = (sizes["anon-rss"], sizes["file-rss"], sizes["shmem-rss"])
    return {
        "process.pid": int(killed.split("process ")[1].split()[0]),
        "process.real_user.id": sizes["UID"],
        "oom.victim.comm": "oomer",
        "oom.victim.total_vm": sizes["total-vm"] * 1024,
        "oom.victim.rss": sum(resident) * 1024,
        "oom.victim.rss_anon": resident[0] * 1024,
        "oom.victim.rss_file": resident[1] * 1024,
        "oom.victim.rss_shmem": resident[2] * 1024,
        "oom.victim.pgtables": sizes["pgtables"] * 1024,
        "oom.victim.score_adj": sizes["oom_score_adj"],
        "oom.victim.cgroup": cgroup,
        "oom.memcg.path": cgroup,
        "oom.memcg.usage": int(usage.split()[2].rstrip("kB,")) * 1024,
        "oom.memcg.limit": 20 << 20,
        "oom.scope": "cgroup",
        "oom.constraint": "memcg",
        "oom.trigger.comm": opener.split()[0],
        "oom.trigger.gfp_mask": opener.split("gfp_mask=")[1].split(", ")[0],
        "oom.trigger.order": int(opener.split("order=")[1].split(",")[0]),
        "oom.report": "full",
        "event.name": "system_oom_kill",
    }


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_kill_shows_after_the_clock_stepped_back(collector: Collector, protocol: str) -> None:
    step_ns = 0

    def wall_ns() -> int:
        return time.time_ns() + step_ns

    with real_kills.sandbox() as made, agent_thread(settings(collector, protocol), wall_ns=wall_ns):
        assert eventually(lambda: kills_on_page(collector) == 0)
        step_ns = -HOUR_NS
        real_kills.kill(made)
        assert eventually(lambda: kills_on_page(collector) == 1, within_s=2.0)
        record = eventually(lambda: kills(collector))[0]
        assert record.time_unix_nano < time.time_ns() - HOUR_NS // 2, "the timestamp of a log record is never corrected"


@pytest.mark.parametrize("parallel", [1, 8])
def test_a_storm_is_counted_exactly(collector: Collector, tmp_path: Path, parallel: int) -> None:
    number = 500
    with real_kills.sandbox() as made, AgentProcess(tmp_path, settings(collector, "http/protobuf")):
        assert eventually(lambda: kills_on_page(collector) == 0)
        counted = real_kills.oom_kill_count()
        real_kills.kill(made, number, parallel=parallel, mib=24)
        assert real_kills.oom_kill_count() - counted == number
        assert eventually(lambda: kills_on_page(collector) == number)
        received = kills(collector)
        assert len(received) == number
        assert len({record.attributes[schema.RECORD_UID.name] for record in received}) == number
        time.sleep(RECONCILED_S)  # before that, a total of 0 proves nothing
        assert collector.prometheus().value("oom_unaccounted_kills_total") == 0
        assert collector.prometheus().value("oom_unconfirmed_kills_total") == 0
        assert not [record for record in collector.log_records() if record.event_name != schema.OOM_KILL]


GROUPS = [
    Path(__file__).resolve().parents[1] / "plain" / "data" / "v419-group.kmsg",
    *corpus.CORPUS.glob("hostile/*oom-group*.kmsg"),
]


@pytest.mark.parametrize("capture", GROUPS, ids=lambda path: path.stem)
def test_a_group_counts_its_first_victim_once(collector: Collector, capture: Path) -> None:
    source = Script()
    with agent_thread(settings(collector, "http/protobuf"), source=source):
        assert eventually(lambda: kills_on_page(collector) == 0)
        source.put(*corpus.records(capture.read_bytes()))
        victims = capture.read_bytes().count(b"Killed process") - 1
        assert eventually(lambda: kills_on_page(collector) == victims)
        received = kills(collector)
        assert len({record.attributes["process.pid"] for record in received}) == victims
        assert {record.attributes["oom.group.id"] for record in received} == {
            received[0].attributes[schema.RECORD_UID.name]
        }


def test_all_that_arrives_is_in_the_schema(collector: Collector, tmp_path: Path) -> None:
    attributes = {item.name: item for item in schema.ATTRIBUTES}
    metrics = {metric.name: metric for metric in schema.METRICS}
    types = {"int": int, "string": str, "double": float, "bool": bool, "map[]": list}
    with real_kills.sandbox() as made, AgentProcess(tmp_path, settings(collector, "http/protobuf")) as agent:
        real_kills.kill(made)
        (record,) = eventually(lambda: kills(collector))
        assert agent.terminate() == 0
    for name, value in record.attributes.items():
        assert type(value) is types[attributes[name].kind], name
    for point in collector.data_points():
        metric = metrics[point.name]
        assert (metric.kind, metric.unit) == (point.kind, point.unit)
        for name, value in point.attributes.items():
            assert value in dict(metric.attributes)[name]
        assert point.start_time_unix_nano < point.time_unix_nano
    page = collector.prometheus()
    for metric in schema.METRICS:
        is_there = any(sample.name == metric.prometheus_name for sample in page.samples)
        assert is_there or metric is schema.TRACE_OVERWRITTEN, metric.name  # a machine may have no trace ring
