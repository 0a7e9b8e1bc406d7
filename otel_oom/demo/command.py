"""`otel-oom demo`: a first OOM on screen with nothing set up.

Rules:
- Everything on the way is real: the kernel log, a kill in a cgroup of the demo's own, the agent, OTLP over a socket.
- Where the kernel log or a cgroup may not be used, a recorded kill takes their place, and the screen says so.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from typing import Any, Final

from otel_oom import schema
from otel_oom.agent import start
from otel_oom.config.settings import load_config
from otel_oom.demo.kill_sandbox import NoSandboxError, Sandbox
from otel_oom.demo.otlp_receiver import Received, Receiver, plain
from otel_oom.errors import NoDeviceError, NoPermissionError
from otel_oom.kernel.device import Device, Source
from otel_oom.kernel.recorded_log import RecordedLog

_DEVICE: Final = "/dev/kmsg"
_LIMIT_MIB: Final = 20
_PATIENCE_S: Final = 10.0


def run() -> int:
    """Show one kill on its way. Returns 0 when it arrived, else 1."""
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        try:
            _try_device()
            sandbox = stack.enter_context(Sandbox(f"otel-oom-demo-{os.getpid()}", _LIMIT_MIB))
            return _show_one(receiver, kill=sandbox.kill_one)
        except (NoDeviceError, NoPermissionError) as error:
            why_not = error.problem
        except NoSandboxError as error:
            why_not = str(error)
        print(f"No real kill here: {why_not}. A RECORDED one is played instead.")
        recording = RecordedLog()
        return _show_one(receiver, kill=recording.play, source=recording)


def _try_device() -> None:
    """Raises what the agent would. Asking for the file's permissions is not enough: the kernel decides at the open."""
    device = Device(_DEVICE)
    try:
        device.open()
    finally:
        device.close()


def _show_one(receiver: Receiver, kill: Callable[[], object], source: Source | None = None) -> int:
    settings = load_config({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}, spool="none")
    # The exporters read the environment themselves: the demo's own receiver, whatever the user's shell says.
    with _environment(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint):
        agent = start.start(settings, source=source)
    thread = threading.Thread(target=agent.run, name="agent")
    thread.start()
    try:
        before = _kills(receiver.metrics)
        what = _DEVICE if source is None else "the recording"
        print(f"An OTLP receiver listens at {receiver.endpoint}; the agent reads {what}.")
        print(f"Its first export: {schema.KILLS.name} = {before}\n")
        if source is None:
            print(f"A process of this demo now fills a {_LIMIT_MIB} MiB memory cgroup until the kernel kills it …\n")
        kill()
        received = receiver.logs.get(timeout=_PATIENCE_S)
        after = _kills(receiver.metrics)
    except queue.Empty:
        print(f"Nothing arrived within {_PATIENCE_S:.0f} s.")
        return 1
    finally:
        agent.stop()
        thread.join()
    _show(received, before, after)
    return 0


def _kills(metrics: queue.Queue[Received]) -> int:
    """The sum of the counter's series in the next export."""
    message = metrics.get(timeout=_PATIENCE_S).message
    return sum(
        int(point.as_int)
        for resource in message.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == schema.KILLS.name
        for point in metric.sum.data_points
    )


def _show(received: Received, before: int, after: int) -> None:
    resource = received.message.resource_logs[0]
    record = resource.scope_logs[0].log_records[0]
    stamp = datetime.fromtimestamp(record.time_unix_nano / 1e9, timezone.utc)
    late_ms = (received.received_ns - record.time_unix_nano) / 1e6
    print(f"{record.event_name} received {late_ms:.1f} ms after it was observed:\n")
    print(f"  {record.body.string_value}\n")
    rows = [("timestamp", f"{stamp:%Y-%m-%dT%H:%M:%S.%fZ}"), ("severity", record.severity_text)]
    rows += [(pair.key, _short(plain(pair.value))) for pair in record.attributes]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
    print(f"\n{schema.KILLS.name}: {before} -> {after}   (in Prometheus: {schema.KILLS.prometheus_name})")
    print("\nNow for real: OTEL_EXPORTER_OTLP_ENDPOINT=http://your-collector:4318 otel-oom run")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """The OTEL_* variables of these settings alone, for as long as exporters are built."""
    theirs = {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}
    for name in theirs:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(theirs)
