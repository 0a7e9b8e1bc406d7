"""The warm-up with a recorded kill, in a new process each: it must leave nothing to import for the first real kill."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.new_process import answer

_WARM_UP = """
from otel_oom.agent.warm_up import warm_up
from otel_oom.machine.identity import read_machine_identity
built = []
warning = warm_up(built.append, read_machine_identity())
(batch,) = built
(event,) = batch
answer([warning, event.name, event.attributes])
"""


def test_a_warm_up_makes_a_whole_event_and_looks_at_a_process() -> None:
    warning, name, attributes = answer(_WARM_UP)
    assert [warning, name] == [None, "system_oom_kill"]
    assert attributes["oom.report"] == "full"
    assert Path(attributes["process.executable.path"]).name == attributes["process.executable.name"]
    assert "process.command_args" in attributes


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("MemoryError()", "not enough memory; give the agent more (its unit MemoryMax=), or free some on this machine"),
        ("ValueError(1)", "ValueError(1); please report it"),
        ("OSError(2, 'No such file', '/proc/self/comm')", "[Errno 2] No such file: '/proc/self/comm'; mount /proc"),
    ],
)
def test_a_warm_up_that_fails_is_a_warning(error: str, expected: str) -> None:
    script = f"""
from otel_oom.agent.warm_up import warm_up
from otel_oom.machine.identity import read_machine_identity
def refuse(events): raise {error}
answer(warm_up(refuse, read_machine_identity()))
"""
    assert answer(script) == f"the warm-up failed, so the first kill may need memory that is not there: {expected}"


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("answers", [True, False], ids=["delivered", "refused"])
def test_after_a_warm_up_a_kill_and_its_delivery_import_nothing(protocol: str, *, answers: bool) -> None:
    script = f"""
import socket
from otel_oom.agent.warm_up import warm_up
from otel_oom.config.attribute_limits import AttributeLimits
from otel_oom.config.settings import load_config
from otel_oom.machine.identity import read_machine_identity
from otel_oom.otlp import log_records
from otel_oom.totals import ResourceIdentity
from otel_oom.otlp.resource import resource_builder
from otel_oom.demo.otlp_receiver import Receiver
receiver = Receiver()
closed = socket.create_server(("127.0.0.1", 0)); port = closed.getsockname()[1]; closed.close()
endpoint = receiver.endpoint if {answers} else f"http://localhost:{{port}}"
export = load_config({{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": {protocol!r}}}).logs
exporter = log_records.exporter(export)
sender = log_records.LogSender(resource_builder({{}}, {{}}), exporter, ResourceIdentity("here"), AttributeLimits())
warmed = []
def build(events):
    warmed.append(events)
    sender.warm_up(events)
assert warm_up(build, read_machine_identity()) is None
before = set(sys.modules)
with receiver:
    again = []
    warm_up(again.append, read_machine_identity())
    outcome = sender.send(again[0])
answer([outcome.result, receiver.logs.qsize(), sorted(set(sys.modules) - before)])
"""
    is_http = protocol != "grpc"
    expected = ["ok", 1, []] if answers and is_http else ["retry", 0, []]  # this receiver speaks only HTTP
    assert answer(script) == expected


def test_a_warm_up_sends_nothing() -> None:
    script = """
from otel_oom.agent.warm_up import warm_up
from otel_oom.config.attribute_limits import AttributeLimits
from otel_oom.config.settings import load_config
from otel_oom.machine.identity import read_machine_identity
from otel_oom.otlp import log_records
from otel_oom.totals import ResourceIdentity
from otel_oom.otlp.resource import resource_builder
from otel_oom.demo.otlp_receiver import Receiver
with Receiver() as receiver:
    export = load_config({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}).logs
    exporter = log_records.exporter(export)
    sender = log_records.LogSender(resource_builder({}, {}), exporter, ResourceIdentity("here"), AttributeLimits())
    assert warm_up(sender.warm_up, read_machine_identity()) is None
    sender.send([])
    answer([len(resource.scope_logs) for resource in receiver.logs.get(timeout=10).message.resource_logs])
"""
    assert answer(script) == []
