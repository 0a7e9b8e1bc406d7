"""The structure of the package, read out of the source: who may import whom, what stays without I/O, file lengths."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "otel_oom"
TREES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text())
    for path in PACKAGE.rglob("*.py")
}
MAX_LINES = 250

#: package or module -> packages and modules that it may import besides its own. Data flows from top to bottom.
MAY_IMPORT = {
    "surroundings": set(),
    "errors": {"surroundings"},
    "uuid5": set(),
    "printable_text": set(),
    "rate_limited_log": {"printable_text"},
    "schema": set(),
    "totals": {"uuid5"},
    "kernel": {"errors", "printable_text", "schema", "surroundings", "uuid5"},
    "cgroupfs": {"kernel", "schema", "surroundings"},
    "victim_trace": {"cgroupfs", "kernel"},
    "telemetry": {"kernel", "printable_text", "schema", "totals"},
    "config": {"errors", "printable_text", "schema"},
    "health": {"kernel", "rate_limited_log", "schema", "totals"},
    "machine": {"errors", "kernel", "schema", "surroundings", "totals", "uuid5"},
    "spool": {"health", "schema", "telemetry", "totals"},
    "liveness": {"spool"},
    "otlp": {
        *("config", "errors", "health", "printable_text", "rate_limited_log", "schema", "spool", "telemetry"),
        "totals",
    },
    "agent": {
        *("config", "errors", "health", "kernel", "machine", "otlp", "schema", "spool", "telemetry", "totals"),
        *("cgroupfs", "surroundings", "victim_trace"),
    },
    "parse": {"errors", "kernel", "printable_text", "schema", "telemetry"},
    "demo": {"agent", "config", "errors", "kernel", "printable_text", "schema"},
    "check": {
        *("cgroupfs", "config", "errors", "kernel", "liveness", "machine", "otlp", "printable_text"),
        *("spool", "surroundings"),
    },
    "cli": {
        *("agent", "check", "config", "demo", "errors", "liveness", "machine", "parse", "printable_text", "schema"),
    },
    "__main__": {"cli"},
}  # fmt: skip

#: modules that talk to the world without saying so in their names
WORLD = {"os", "time", "logging", "socket", "sys", "pathlib", "subprocess", "threading", "opentelemetry", "psutil"}
KERNEL_WITH_IO = {"kernel.device", "kernel.recorded_log", "kernel.refused_open"}


def imported(module: str) -> set[str]:
    """Every module that a module imports, at its head or inside a function."""
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(module: str) -> set[str]:
    """Modules of the package among them, without its name."""
    inside = {name.removeprefix("otel_oom.") for name in imported(module) if name.startswith("otel_oom.")}
    return {other for other in TREES for name in inside if name == other or name.startswith(f"{other}.")}


def room(module: str) -> str:
    """The package of a module; a module at the top is a room of its own."""
    return module.partition(".")[0]


def without_io() -> list[str]:
    """Modules that promise it in their docstrings, and all of the kernel package but two."""
    kernel = {module for module in TREES if room(module) == "kernel"} - KERNEL_WITH_IO
    return sorted(kernel | {module for module, tree in TREES.items() if "No I/O" in (ast.get_docstring(tree) or "")})


def test_every_package_has_its_place() -> None:
    assert {room(module) for module in TREES} - {"__init__"} == set(MAY_IMPORT)


def test_the_table_is_in_the_order_of_the_data() -> None:
    """So that no two packages can import each other, however long the way round."""
    order = list(MAY_IMPORT)
    assert [
        (name, other) for name in order for other in MAY_IMPORT[name] if order.index(other) >= order.index(name)
    ] == []


@pytest.mark.parametrize("module", sorted(TREES))
def test_imports_run_one_way(module: str) -> None:
    if module == "__init__":
        assert own(module) == set()
        return
    assert {other for other in own(module) if room(other) not in MAY_IMPORT[room(module)] | {room(module)}} == set()


def test_no_module_imports_itself_by_a_way_round() -> None:
    left = {module: own(module) - {module} for module in TREES if not module.endswith("__init__")}
    while leaves := {module for module, needs in left.items() if not needs & set(left)}:
        left = {module: needs for module, needs in left.items() if module not in leaves}
    assert left == {}


@pytest.mark.parametrize("module", without_io())
def test_what_promises_no_io_does_none(module: str) -> None:
    assert {name.split(".")[0] for name in imported(module)} & WORLD == set()


def test_only_otlp_knows_the_sdk_and_its_exporters() -> None:
    users = {
        module
        for module in TREES
        if any(name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")) for name in imported(module))
    }
    assert {module for module in users if room(module) != "otlp"} == set()


def test_only_one_module_imports_the_private_logs_api() -> None:
    private = ("opentelemetry._logs", "opentelemetry.sdk._logs")
    users = {module for module in TREES if any(name.startswith(private) for name in imported(module))}
    assert users == {"otlp.log_records"}


def test_only_the_device_and_the_cgroup_files_are_read_by_file_descriptor() -> None:
    users = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) == ("os", "read")
    }
    assert users == {"kernel.device", "cgroupfs.memory_state"}


def test_no_attribute_is_assigned_from_outside_its_class() -> None:
    """Except the streams and hooks of the interpreter, which are made to be replaced."""
    assert [
        f"{module}: {ast.unparse(node)}"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls", "sys", "threading"})
    ] == []


def test_what_is_written_to_a_terminal_is_printable() -> None:
    """Each module that writes to stdout or stderr calls `printable_text`, or the module that makes its lines does."""
    streams = {"sys.stdout", "sys.stderr"}
    writers = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            ast.unparse(node.func) in {"print", "sys.stdout.write", "sys.stderr.write", "(file or sys.stderr).write"}
            or streams & {ast.unparse(argument) for argument in node.args}
        )
    }
    assert writers == {
        "check.live",
        "check.preconditions",
        "cli.arguments",  # the help, which is our own text: a usage error is a log line
        "cli.main",  # the schema, which is our own text, and hands stderr to `cli.log_output`
        "demo.command",
        "otlp.log_records",  # the console: the SDK's JSON, which is ASCII
        "otlp.metric_points",
        "parse.command",
        "parse.input_files",  # the bar, which is made of numbers
    }
    rule = {"check.live", "check.output", "cli.log_output", "demo.command", "parse.json_output", "parse.text_layout"}
    assert {module for module in rule if "printable_text" not in own(module)} == set()


def test_a_file_holds_one_idea() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_package_says_what_it_is_for() -> None:
    texts = {module: ast.get_docstring(tree) for module, tree in TREES.items() if module.endswith(".__init__")}
    assert {module for module, text in texts.items() if not text or len(text.splitlines()) < 4} == set()


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        pytest.param("import otel_oom.cli.main", {"opentelemetry", "psutil", "google", "h11"}, id="a command line"),
        pytest.param(
            "from otel_oom.agent import start\nfrom otel_oom.config.settings import load_config\n"
            "from otel_oom.kernel.recorded_log import RecordedLog\n"
            "start.prepare(load_config({}), source=RecordedLog())",
            {"grpc", "requests", "http.server", "urllib3", "http.client", "ssl", "_hashlib"},
            id="an agent over HTTP",
        ),
        pytest.param(
            "from otel_oom.agent import start\nfrom otel_oom.cli import arguments\n"
            "from otel_oom.config.settings import load_config\nfrom otel_oom.kernel.recorded_log import RecordedLog\n"
            "arguments.parser().parse_args(['run'])\nstart.prepare(load_config({}), source=RecordedLog())",
            {
                "bz2",
                "email",
                "gzip",
                "importlib.metadata",
                "importlib.resources",
                "lzma",
                "shutil",
                "tempfile",
                "zipfile",
            },
            id="modules of 2.5 MiB that the SDK's exporters, argparse and importlib.resources import",
        ),
    ],
)
def test_heavy_libraries_stay_out(code: str, heavy: set[str]) -> None:
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    # `make coverage` does not measure this process: coverage itself loads _hashlib.
    unmeasured = {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"}
    done = subprocess.run([sys.executable, "-c", script], env=unmeasured, capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()
