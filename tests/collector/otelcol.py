"""A real OpenTelemetry Collector for the tests: where its program comes from, and how it runs.

The program is, in this order: $OTELCOL; otelcol-contrib or otelcol on PATH, if it can read the repository's
configuration; the cached build of builder.yaml; a new build of it (Go, network, some minutes, once per manifest).
Run as a program, it prints the path, and builds the Collector first if necessary:
`python tests/collector/otelcol.py`.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

if __name__ == "__main__":  # run by its path, only this directory is on the module path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from collector import exported_file, prometheus_page
from support import build_cache
from support.free_ports import free_ports
from support.otlp_decoding import DataPoint, LogRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType


HERE: Final = Path(__file__).resolve().parent
MANIFEST: Final = HERE / "builder.yaml"
CONFIG: Final = HERE.parents[1] / "collector-config.yaml"

# A variable of the developer's shell must not switch a backend on in a test.
SETTINGS: Final = ("OTEL_", "HONEYCOMB_", "GRAFANA_CLOUD_")
START_S: Final = 30
STOP_S: Final = 10


class NoCollectorError(Exception):
    """There is no Collector, and none can be built. The text has the reason and a remedy."""


def binary() -> Path:
    """The path of the Collector's program, which is built if necessary. Raises: NoCollectorError."""
    named = os.environ.get("OTELCOL")
    if named:
        found = shutil.which(named)
        if found is None:
            raise NoCollectorError(f"OTELCOL={named} is not a program")
        return Path(found).resolve()
    for name in ("otelcol-contrib", "otelcol"):
        found = shutil.which(name)
        if found is not None and _reads_config(found):
            return Path(found)
    built = build_cache.place("collector", MANIFEST.read_bytes()) / "otelcol"
    if not built.exists():
        _build(built)
    return built


def _reads_config(program: str) -> bool:
    """Whether a program has all components of the configuration. Old releases and the core distribution do not."""
    command = [program, "validate", f"--config={CONFIG}"]
    return subprocess.run(command, check=False, capture_output=True, timeout=START_S).returncode == 0


def _build(target: Path) -> None:
    # /usr/local/go is where Go's own installation guide unpacks it, without putting it on PATH.
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        raise NoCollectorError(
            "no Collector: set OTELCOL to an otelcol-contrib program, or install Go (https://go.dev/dl) to build one"
        )
    version = re.search(r"^ +version: (\S+)$", MANIFEST.read_text(), re.MULTILINE)
    if version is None:
        raise NoCollectorError(f"{MANIFEST} names no version")
    builder = f"go.opentelemetry.io/collector/cmd/builder@v{version[1]}"
    sys.stderr.write(f"building the Collector into {target.parent}, once: some minutes\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        command = [go, "run", builder, "--config", str(MANIFEST)]
        # The builder runs `go`.
        environment = os.environ | {"PATH": f"{Path(go).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        done = subprocess.run(command, check=False, cwd=directory, env=environment, text=True, capture_output=True)
        if done.returncode != 0:
            raise NoCollectorError(f"building the Collector failed: {done.stderr.strip()[-2000:]}")
        # The file appears under its name when it is complete, also when two builds run at once.
        Path(directory, "build", target.name).replace(target)


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of one Collector on 127.0.0.1."""

    grpc: int
    http: int
    prometheus: int

    @staticmethod
    def free() -> Ports:
        """Three free ports."""
        return Ports(*free_ports(3))


@final
class Collector:
    """A Collector process on loopback, as a context manager; its files are in `directory`.

    Its endpoints are known before it starts. It can be stopped and started again on the same ports. Its file is then
    continued, and its Prometheus page is empty.
    """

    def __init__(
        self,
        directory: Path,
        *,
        environment: Mapping[str, str] | None = None,
        ports: Ports | None = None,
        config: Path = CONFIG,
        settings: Sequence[str] = (),
        program: Path | None = None,
    ) -> None:
        """`environment` overrides the caller's; `settings` override the file (`exporters::file::format: proto`)."""
        self.directory = directory
        self.ports = ports or Ports.free()
        self.grpc_endpoint = f"http://127.0.0.1:{self.ports.grpc}"
        self.http_endpoint = f"http://127.0.0.1:{self.ports.http}"
        self.prometheus_url = f"http://127.0.0.1:{self.ports.prometheus}/metrics"
        self._command = [str(program or binary()), f"--config={config}", *(f"--config=yaml:{s}" for s in settings)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
        self._environment = clean | {
            "OTEL_OOM_OTLP_GRPC": f"127.0.0.1:{self.ports.grpc}",
            "OTEL_OOM_OTLP_HTTP": f"127.0.0.1:{self.ports.http}",
            "OTEL_OOM_PROMETHEUS": f"127.0.0.1:{self.ports.prometheus}",
            "OTEL_OOM_FILE": str(directory / "received.jsonl"),
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Collector:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Wait until all three ports accept connections. Raises: RuntimeError with its output if it ended."""
        if self._process is not None:
            raise RuntimeError("this Collector runs already")
        # Files and not pipes: a full pipe without a reader would block the Collector.
        with (self.directory / "stdout").open("ab") as out, (self.directory / "stderr").open("ab") as err:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        deadline = time.monotonic() + START_S
        while not all(map(_accepts, (self.ports.grpc, self.ports.http, self.ports.prometheus))):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the Collector did not start:\n{self.output()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if it has not ended after 10 s. Without effect if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def log_records(self) -> list[LogRecord]:
        """Every log record that it acknowledged since its first start, in the order of arrival."""
        return exported_file.log_records(self._received())

    def data_points(self) -> list[DataPoint]:
        """Every data point that it acknowledged since its first start, in the order of arrival."""
        return exported_file.data_points(self._received())

    def prometheus(self) -> prometheus_page.Page:
        """Its Prometheus page, scraped now."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(self.prometheus_url, timeout=10) as answer:
            return prometheus_page.parse(answer.read().decode())

    def output(self) -> str:
        """Its log (stderr) since its first start."""
        return (self.directory / "stderr").read_text(errors="replace")

    def complaints(self) -> list[str]:
        """Lines of its log without level info: `2026-11-23T21:25:58.335Z<tab>warn<tab>…`, and continuation lines."""
        return [line for line in self.output().splitlines() if not re.match(r"\S+\tinfo\t", line)]

    def printed(self) -> str:
        """The output of its debug exporters (stdout) since its first start."""
        return (self.directory / "stdout").read_text(errors="replace")

    def _received(self) -> str:
        # received-<time>-size.jsonl are full files, received.jsonl is the newest one: names sort by time.
        return "".join(path.read_text() for path in sorted(self.directory.glob("received*.jsonl")))


def _accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{binary()}\n")
    except NoCollectorError as error:
        sys.exit(str(error))
