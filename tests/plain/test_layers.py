"""The house's one direction: who may import whom, read out of the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "otel_oom"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
    if path.name not in {"__init__.py", "__main__.py"}
}

#: module -> modules of the package that it may import; a name ending in `.*` stands for a folder
MAY_IMPORT = {
    "errors": set(),
    "schema": set(),
    "kmsg": set(),
    "grammar": {"kmsg"},
    "paths": {"grammar"},
    "report": {"grammar", "kmsg", "paths"},
    "account": {"grammar", "kmsg", "paths", "report", "schema"},
    "oom": {"account", "grammar", "kmsg", "paths", "report", "schema", "uid"},
    "device": {"errors", "kmsg"},
    "reconcile": set(),
    "health": {"checkpoint", "kmsg", "schema"},
    "forks": {"checkpoint", "host"},
    "cgroup": set(),
    "telemetry": {"cgroup", "checkpoint", "oom", "report", "schema"},
    "checkpoint": set(),
    "clocks": set(),
    "standing": {"checkpoint"},
    "spool": {"checkpoint", "health", "standing", "telemetry"},
    "journal": {"checkpoint", "spool", "telemetry"},
    "mirror": {"health", "journal", "spool"},
    "reader": {"device", "grammar", "health", "host", "kmsg", "oom"},
    "host": {"checkpoint", "kmsg", "oom", "schema", "uid"},
    "config": {"errors", "schema"},
    "protection": {"device", "host", "kmsg", "oom", "recording", "telemetry"},
    "otlp.outcome": set(),
    "otlp.backoff": set(),
    "otlp.resource": {"checkpoint", "schema"},
    "otlp.connection": set(),
    "otlp.date": set(),
    "uid": set(),
    "otlp.http": {"config", "otlp.*"},
    "otlp.grpc": {"config", "otlp.outcome"},
    "otlp.logs": {"checkpoint", "config", "otlp.*", "schema", "telemetry"},
    "otlp.metrics": {"checkpoint", "config", "otlp.*", "schema", "telemetry"},
    "otlp.telling": {"checkpoint", "health", "otlp.*", "spool"},
    "otlp.sender": {"config", "health", "otlp.*", "spool", "telemetry"},
    "otlp.pipeline": {"checkpoint", "config", "errors", "health", "otlp.*", "schema", "spool", "telemetry"},
    "events": {"health", "oom", "telemetry"},
    "agent": {
        "checkpoint", "clocks", "device", "errors", "events", "forks", "health", "host", "oom", "reader",
        "reconcile", "spool", "telemetry",
    },
    "running": {
        "agent", "checkpoint", "config", "device", "errors", "forks", "health", "host", "journal", "mirror", "otlp.*",
        "protection", "schema", "spool",
    },
    "parse.window": set(),
    "parse.layout": set(),
    "parse.report_lines": {"grammar", "parse.*"},
    "parse.alike": {"kmsg", "oom", "parse.*"},
    "parse.table": {"grammar"},
    "parse.sources": {"errors"},
    "parse.progress": {"parse.*"},
    "parse.prefix": {"kmsg"},
    "parse.record": {"kmsg", "parse.*"},
    "parse.joined": {"grammar", "parse.*"},
    "parse.entries": {"kmsg", "parse.*"},
    "parse.anchors": {"parse.*"},
    "parse.feeding": {"kmsg", "oom", "parse.*"},
    "parse.scan": {"oom", "parse.*"},
    "parse.found": {"oom", "parse.*"},
    "parse.render": {"oom", "parse.*", "report"},
    "parse.rows": {"oom", "parse.*", "schema", "telemetry"},
    "parse.command": {"errors", "parse.*"},
    "contract": {"schema"},
    "victim": set(),
    "receiver": set(),
    "recording": {"device"},
    "demo": {"config", "device", "errors", "receiver", "recording", "running", "schema", "victim"},
    "cli": {"config", "contract", "demo", "errors", "parse.command", "protection", "running"},
}  # fmt: skip

WITHOUT_IO = (
    "kmsg",
    "grammar",
    "paths",
    "report",
    "account",
    "oom",
    "cgroup",
    "schema",
    "reconcile",
    "checkpoint",
    "clocks",
    "contract",
    "standing",
    "otlp.backoff",
    "otlp.date",
    "otlp.outcome",
)
WORLD = {"os", "time", "logging", "socket", "sys", "pathlib", "subprocess", "threading", "opentelemetry"}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at its head or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(path: Path) -> set[str]:
    """Modules of the package among them, without its name."""
    inside = {name.removeprefix("otel_oom.") for name in imported(path) if name.startswith("otel_oom.")}
    return {module for module in MODULES for name in inside if name == module or name.startswith(f"{module}.")}


def test_every_module_has_its_place() -> None:
    assert set(MODULES) == set(MAY_IMPORT)


@pytest.mark.parametrize("module", sorted(MAY_IMPORT))
def test_imports_run_one_way(module: str) -> None:
    allowed = MAY_IMPORT[module]
    folders = tuple(name.removesuffix("*") for name in allowed if name.endswith("*"))
    assert {
        name for name in own(MODULES[module]) if name not in allowed and not name.startswith(folders or ("-",))
    } == set()


@pytest.mark.parametrize("module", WITHOUT_IO)
def test_parsers_do_not_touch_the_world(module: str) -> None:
    assert {name.split(".")[0] for name in imported(MODULES[module])} & WORLD == set()


def test_only_otlp_knows_the_sdk_and_its_exporters() -> None:
    users = {
        module
        for module, path in MODULES.items()
        if any(name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")) for name in imported(path))
    }
    assert {module for module in users if not module.startswith("otlp.")} == set()


def test_only_one_module_imports_the_private_logs_api() -> None:
    users = {
        module
        for module, path in MODULES.items()
        if any(name.startswith(("opentelemetry._logs", "opentelemetry.sdk._logs")) for name in imported(path))
    }
    assert users == {"otlp.logs"}


def test_only_the_device_reads_file_descriptors() -> None:
    users = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) == ("os", "read")
    }
    assert users == {"device"}


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        pytest.param("import otel_oom.cli", {"opentelemetry", "psutil", "google", "h11"}, id="a command line"),
        pytest.param(
            "from otel_oom import config, running\nfrom otel_oom.recording import Recording\n"
            "running.start(config.load({}), source=Recording())",
            {"grpc", "requests", "http.server", "urllib3", "http.client", "ssl", "_hashlib"},
            id="an agent over HTTP",
        ),
    ],
)
def test_heavy_libraries_stay_out(code: str, heavy: set[str]) -> None:
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()
