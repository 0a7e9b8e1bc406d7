"""Real kills in containers with a memory limit, reported by an agent that runs in a container itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from container import base_image
from container.documented_run import options
from container.podman import LIMITS, ROOT, Podman
from support.free_ports import free_ports
from support.levels import missing
from support.otlp_receiver import OtlpReceiver
from support.waiting import eventually

from otel_oom import schema

pytestmark = pytest.mark.timeout(900)  # the first of them builds

WITHIN_S = 60.0
MACHINE_ID = "0123456789abcdef0123456789abcdef"
FILL = "import time; held = bytearray(96 << 20)"
SMALL = ("--memory=32m", "--memory-swap=32m", "--network=none")


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver("http/protobuf") as listening:
        yield listening


@pytest.fixture
def machine_id(tmp_path: Path) -> Path:
    (tmp_path / "machine-id").write_text(f"{MACHINE_ID}\n")
    return tmp_path / "machine-id"


@pytest.fixture
def volume(podman: Podman) -> Iterator[str]:
    name = f"otel-oom-test-{uuid.uuid4().hex[:8]}"
    yield name
    podman.remove_own()
    podman("volume", "rm", "--force", name, check=False)


def watching(podman: Podman, image: str, *arguments: str) -> str:
    """Start an agent; returns its container's id when it watches."""
    container = podman.run(*arguments, image)
    assert eventually(lambda: "watching /dev/kmsg" in podman.logs(container), within_s=WITHIN_S), podman.logs(container)
    return container


def kill_main_process(podman: Podman) -> str:
    """Run a container whose main process is killed; returns its id."""
    container = podman.run(*SMALL, base_image.name(), "python3", "-c", FILL)
    podman("wait", container)
    assert podman.state_of(container)["ExitCode"] == 128 + 9
    return container


def kill_child(podman: Podman) -> str:
    """Run a container whose main process lives on after the kill of its child; returns its id."""
    script = f"python3 -c '{FILL}'; echo ended with $?; exec sleep 600"
    container = podman.run(*SMALL, base_image.name(), "sh", "-c", script)
    assert eventually(lambda: "ended with 137" in podman.logs(container), within_s=WITHIN_S)
    assert podman.state_of(container)["Running"]
    return container


def kills_of(receiver: OtlpReceiver, container: str) -> list[dict[str, Any]]:
    """The accepted kills of a container. The log of the machine may have others."""
    records = [record for request in receiver.accepted("logs") for record in request.log_records]
    return [
        record.attributes
        for record in records
        if record.event_name == schema.OOM_KILL and record.attributes.get(schema.CONTAINER_ID.name) == container
    ]


def counted(receiver: OtlpReceiver) -> int:
    """The newest accepted value of `oom.kills` in cgroups."""
    values = [one.values("oom.kills").get("cgroup") for one in receiver.accepted("metrics")]
    return int(next((value for value in reversed(values) if value is not None), -1))


def test_a_kill_in_a_container_has_the_id_that_the_runtime_says(
    image: str, podman: Podman, receiver: OtlpReceiver, machine_id: Path, volume: str
) -> None:
    agent = watching(podman, image, *options(receiver.settings, machine_id=machine_id, volume=volume))
    for kill in (kill_main_process, kill_child):
        container = kill(podman)
        (attributes,) = eventually(lambda: kills_of(receiver, container), within_s=WITHIN_S)  # noqa: B023 at once
        assert attributes[schema.CONTAINER_ID.name] == podman.id_of(container)
        assert attributes[schema.CONTAINER_RUNTIME.name] == "podman"
        assert attributes["oom.memcg.limit"] == attributes["oom.memcg.max"] == 32 << 20
        assert f"container {container[:12]}" in receiver.accepted("logs")[-1].log_records[-1].body
        if schema.EXECUTABLE_PATH.name in attributes:  # the victim is read from /proc while it still exits
            assert "python3" in attributes[schema.EXECUTABLE_PATH.name]
    assert {request.resource["host.id"] for request in receiver.accepted("logs")} == {MACHINE_ID}
    said = podman.logs(agent)
    assert "memory is not locked" not in said
    assert "namespace" not in said
    assert "without the state of their cgroup" not in said
    print(f"resident memory of the agent: {resident_kib(podman, agent)} KiB")  # noqa: T201 for the record


def resident_kib(podman: Podman, container: str) -> int:
    status = Path(f"/proc/{podman.state_of(container)['Pid']}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return int(found[1])


def test_an_upgrade_keeps_the_spool_and_the_count(
    image: str, podman: Podman, receiver: OtlpReceiver, machine_id: Path, volume: str
) -> None:
    first = watching(podman, image, *options(receiver.settings, machine_id=machine_id, volume=volume))
    seen = kill_main_process(podman)
    assert eventually(lambda: kills_of(receiver, seen), within_s=WITHIN_S)
    assert eventually(lambda: counted(receiver) >= 1, within_s=WITHIN_S)
    receiver.stop()
    undelivered = kill_main_process(podman)
    assert eventually(lambda: undelivered[:12] in podman.logs(first), within_s=WITHIN_S)
    podman("stop", first)
    assert podman.state_of(first)["ExitCode"] == 0
    assert "stay in the spool /var/lib/otel-oom" in podman.logs(first)
    podman("rm", first)
    missed = kill_main_process(podman)  # no agent runs
    before = counted(receiver)
    receiver.start()
    watching(podman, image, *options(receiver.settings, machine_id=machine_id, volume=volume))
    for container in (undelivered, missed):
        (attributes,) = eventually(lambda: kills_of(receiver, container), within_s=WITHIN_S)  # noqa: B023 at once
        assert attributes.get(schema.BACKLOG.name, False) is (container == missed)
    assert len(kills_of(receiver, seen)) == 1
    assert eventually(lambda: counted(receiver) >= before + 2, within_s=WITHIN_S)
    instances = {request.resource["service.instance.id"] for request in receiver.accepted("metrics")}
    assert len(instances) == 1, "one series before and after"


def test_a_collector_in_a_container_takes_the_records_of_one_in_another(
    image: str, podman: Podman, machine_id: Path, volume: str, tmp_path: Path
) -> None:
    built = subprocess.run(
        [sys.executable, ROOT / "tests" / "collector" / "otelcol.py"], capture_output=True, text=True, check=False
    )
    if built.returncode:
        missing("container", built.stderr.strip())
    http, grpc, prometheus = free_ports(3)
    received = tmp_path / "received"
    received.mkdir()
    addresses = {"HTTP": http, "GRPC": grpc}
    podman.run(
        *("--network=host", f"--volume={built.stdout.strip()}:/otelcol:ro", f"--volume={received}:/received"),
        f"--volume={ROOT / 'collector-config.yaml'}:/config.yaml:ro",
        *(f"--env=OTEL_OOM_OTLP_{name}=127.0.0.1:{port}" for name, port in addresses.items()),
        *(f"--env=OTEL_OOM_PROMETHEUS=127.0.0.1:{prometheus}", "--env=OTEL_OOM_FILE=/received/kills.jsonl"),
        *(base_image.name(), "/otelcol", "--config=/config.yaml"),
    )
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{http}"}
    agent = watching(podman, image, *options(settings, machine_id=machine_id, volume=volume))
    assert eventually(lambda: "first export of metrics was accepted" in podman.logs(agent), within_s=WITHIN_S)
    container = kill_main_process(podman)
    wanted = {"key": "container.id", "value": {"stringValue": container}}
    assert eventually(lambda: received_with(received / "kills.jsonl", wanted), within_s=WITHIN_S) == 1


def received_with(path: Path, attribute: dict[str, Any]) -> int:
    """How many log records with this attribute a Collector wrote."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    records = [
        record
        for line in lines
        for resource in line.get("resourceLogs", [])
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    ]
    return sum(attribute in record["attributes"] for record in records)


def test_a_bind_mount_of_the_device_is_said_to_be_not_enough(image: str, podman: Podman) -> None:
    done = podman(
        *("run", "--rm", "--no-healthcheck", *LIMITS, "--network=none", "--cap-drop=ALL", "--cap-add=SYSLOG"),
        *("--volume=/dev/kmsg:/dev/kmsg", image),
        check=False,
    )
    assert done.returncode == 77
    assert "the device cgroup refuses it, although there is CAP_SYSLOG" in done.stderr
    assert "docker run --device=/dev/kmsg" in done.stderr


def test_an_agent_that_stops_in_a_container_ends_within_three_seconds(
    image: str, podman: Podman, receiver: OtlpReceiver, machine_id: Path, volume: str
) -> None:
    agent = watching(podman, image, *options(receiver.settings, machine_id=machine_id, volume=volume))
    began_s = time.monotonic()
    podman("stop", "--time=60", agent)
    assert time.monotonic() - began_s < 20
    assert podman.state_of(agent)["ExitCode"] == 0
    podman("rm", agent)
    podman("volume", "rm", volume)
    assert podman("volume", "exists", volume, check=False).returncode == 1, "removed without a rest"
