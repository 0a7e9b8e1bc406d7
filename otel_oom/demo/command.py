"""Shows one OOM kill on the screen, fitted to the terminal's width.

The last line is a command that can be copied as it is.
"""

from __future__ import annotations

import logging
import os
import queue
import shlex
import shutil
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from otel_oom import schema
from otel_oom.agent import start
from otel_oom.config.settings import load_config
from otel_oom.demo.kill_sandbox import LIMIT_MIB, NoSandboxError, Sandbox
from otel_oom.demo.otlp_receiver import Received, Receiver, plain
from otel_oom.errors import NoDeviceError, NoPermissionError
from otel_oom.kernel.device import Device
from otel_oom.kernel.log_source import Source
from otel_oom.kernel.recorded_log import RecordedLog
from otel_oom.printable_text import printable_text

_DEVICE: Final = "/dev/kmsg"
_PATIENCE_S: Final = 10.0
_COLUMNS_WITHOUT_TERMINAL: Final = 100
_FEWEST_COLUMNS: Final = 40


def run() -> int:
    """Show one kill on its way. Returns the exit code: 0 if it arrived, else 1."""
    with ExitStack() as stack:
        stack.enter_context(_no_info_lines())
        receiver = stack.enter_context(Receiver())
        # The exporters read the environment themselves: they must find this receiver, whatever the user has set.
        stack.enter_context(_environment(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint))
        try:
            _try_device()
            sandbox = stack.enter_context(Sandbox(f"otel-oom-demo-{os.getpid()}", LIMIT_MIB))
            return _show_one(receiver, kill=sandbox.kill_one)
        except (NoDeviceError, NoPermissionError) as error:
            why_not = error.problem
        except NoSandboxError as error:
            why_not = str(error)
        _print(f"No real kill here: {why_not}. A RECORDED one is played instead.")
        recording = RecordedLog()
        return _show_one(receiver, kill=recording.play, source=recording)


@contextmanager
def _no_info_lines() -> Iterator[None]:
    """The demo shows itself what the agent of `otel-oom run` logs at level info."""
    log = logging.getLogger("otel_oom")
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(before)


def _try_device() -> None:
    """Raises what the agent would raise. The permissions of the file are not enough: the kernel decides at open(2)."""
    device = Device(_DEVICE)
    try:
        device.open()
    finally:
        device.close()


def _show_one(receiver: Receiver, kill: Callable[[], object], source: Source | None = None) -> int:
    settings = load_config({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}, spool="none")
    agent = start.prepare(settings, source=source)
    thread = threading.Thread(target=agent.run, name="agent")
    thread.start()
    try:
        before = _kills(receiver.metrics)
        log_name = _DEVICE if source is None else "the recording"
        _print(f"An OTLP receiver listens at {receiver.address}; the agent reads {log_name}.")
        _print(f"Its first export: {schema.KILLS.name} = {before}")
        _print()
        if source is None:
            _print(f"A process of this demo now fills a {LIMIT_MIB} MiB memory cgroup until the kernel kills it …")
            _print()
        kill()
        received = receiver.logs.get(timeout=_PATIENCE_S)
        after = _kills(receiver.metrics)
    except queue.Empty:
        _print(f"Nothing arrived within {_PATIENCE_S:.0f} s.")
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
    _print(f"{record.event_name} received {late_ms:.1f} ms after it was observed:")
    _print()
    _print(record.body.string_value, indent="  ")
    _print()
    rows = [("timestamp", f"{stamp:%Y-%m-%dT%H:%M:%S.%fZ}"), ("severity", record.severity_text)]
    rows += [(pair.key, str(plain(pair.value))) for pair in record.attributes]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        _write(_cut(printable_text(f"  {name:<{width}}  {value}")))
    _print()
    _print(f"{schema.KILLS.name}: {before} -> {after}   (in Prometheus: {schema.KILLS.prometheus_name})")
    _print()
    _print("To watch this machine, give the address of your collector (as root, or with CAP_SYSLOG):")
    _print()
    _write(f"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 {_program()} run")


def _program() -> str:
    """This program as a command for the shell and the directory in which it was started."""
    path = sys.argv[0]
    if Path(path).name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m otel_oom"
    name = Path(path).name
    return name if shutil.which(name) == path else shlex.quote(path)


def _columns() -> int:
    return max(_FEWEST_COLUMNS, shutil.get_terminal_size((_COLUMNS_WITHOUT_TERMINAL, 24)).columns)


def _print(text: str = "", indent: str = "") -> None:
    """Print one paragraph, wrapped at the terminal's width; nothing makes an empty line."""
    wrapped = textwrap.wrap(
        printable_text(text), _columns(), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    for line in wrapped or [""]:
        _write(line)


def _write(line: str) -> None:
    """Write a line to stdout. Nothing else does."""
    print(printable_text(line))


def _cut(line: str) -> str:
    return line if len(line) <= _columns() else f"{line[: _columns() - 1]}…"


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set these variables, and hide all others that say how and where to export (OTEL_*, proxies)."""
    of_user = {
        name: value for name, value in os.environ.items() if name.startswith("OTEL_") or name.lower().endswith("_proxy")
    }
    for name in of_user:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(of_user)
