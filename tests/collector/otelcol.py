"""A real OpenTelemetry Collector for the tests: where its program comes from, and one that runs.

The program is, in this order: $OTELCOL; otelcol-contrib or otelcol on PATH, if it can read the repository's
configuration; the cached build of builder.yaml; a new build of it (Go, network, some minutes, once per manifest).
Run as a program it prints the path, after building if need be: `python tests/collector/otelcol.py`.

Only the standard library is used, so that it runs before anything is installed.
"""

from __future__ import annotations

import os
import random
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

from collector import received
from support import cache

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
    """There is no Collector here and none can be built; the text says why and what would help."""


def binary() -> Path:
    """The Collector's program, built if it must be. Raises NoCollectorError."""
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
    built = cache.place("collector", MANIFEST.read_bytes()) / "otelcol"
    if not built.exists():
        _build(built)
    return built


def _reads_config(program: str) -> bool:
    """An older release, or the core distribution, lacks components that the configuration names."""
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
        # The builder calls go by its name.
        environment = os.environ | {"PATH": f"{Path(go).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        done = subprocess.run(command, check=False, cwd=directory, env=environment, text=True, capture_output=True)
        if done.returncode != 0:
            raise NoCollectorError(f"building the Collector failed: {done.stderr.strip()[-2000:]}")
        # Whoever finds the name finds a whole program, also when two build at once.
        Path(directory, "build", target.name).replace(target)


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of one Collector on 127.0.0.1."""

    grpc: int
    http: int
    prometheus: int

    @staticmethod
    def free() -> Ports:
        """Three free ports below the range that the kernel gives to clients (32768 and up): out of that range a
        sender that retries would be given its own target as source port, and then be connected to itself."""
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            return Ports(*(_bind(free) for free in (one, two, three)))


def _bind(free: socket.socket) -> int:
    for port in random.sample(range(20_000, 32_000), 100):
        try:
            free.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise OSError("no free port found in 100 tries")


@final
class Collector:
    """A Collector process on loopback, as a context manager; its files are in `directory`.

    Its endpoints are known before it starts. It can be stopped and started again, as it is, on the same ports: its
    file then goes on, its Prometheus page begins anew.
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
        """`environment` is laid over the caller's; `settings` over the file (`exporters::file::format: proto`)."""
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
        """Returns when all three ports take connections. Raises RuntimeError with its output when it ended."""
        if self._process is not None:
            raise RuntimeError("this Collector runs already")
        # Files and not pipes: a full pipe that nobody reads would stop the Collector.
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
        """SIGTERM, and SIGKILL if it has not ended after 10 s. Does nothing when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def log_records(self) -> list[received.ReceivedLog]:
        """Every log record that it has acknowledged, over all its starts, in the order of arrival."""
        return received.log_records(self._received())

    def metric_points(self) -> list[received.ReceivedPoint]:
        """Every data point that it has acknowledged, over all its starts, in the order of arrival."""
        return received.metric_points(self._received())

    def prometheus(self) -> received.Scrape:
        """Its Prometheus page, scraped now."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(self.prometheus_url, timeout=10) as answer:
            return received.scrape(answer.read().decode())

    def output(self) -> str:
        """What it said about itself (stderr), over all its starts."""
        return (self.directory / "stderr").read_text(errors="replace")

    def complaints(self) -> list[str]:
        """Lines of its log that are not of level info: `2026-11-23T21:25:58.335Z<tab>warn<tab>…`, and what follows."""
        return [line for line in self.output().splitlines() if not re.match(r"\S+\tinfo\t", line)]

    def printed(self) -> str:
        """What its debug exporters printed (stdout), over all its starts."""
        return (self.directory / "stdout").read_text(errors="replace")

    def _received(self) -> str:
        # received-<time>-size.jsonl are the full ones, received.jsonl the newest: the names are in the order of time.
        return "".join(path.read_text() for path in sorted(self.directory.glob("received*.jsonl")))


def _accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{binary()}\n")
    except NoCollectorError as error:
        sys.exit(str(error))
