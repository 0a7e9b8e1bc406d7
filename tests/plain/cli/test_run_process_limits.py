"""Limits of the process, and what else it inherits: each case works fully, or ends with one line and exit code 71.

The recorded kill is the kernel log. "Works" is what a receiver got: the kill, and its count.
"""

from __future__ import annotations

import itertools
import resource
import subprocess
import time
from pathlib import Path

import pytest
from support.agents import environment
from support.otlp_receiver import OtlpReceiver, Protocol
from support.played_agent import PLAYED, PLAYED_LOG, RUN, command, has_arrived, run_until_arrived, started
from support.waiting import eventually

from otel_oom import surroundings

_FEW_THREADS = """
import threading
start = threading.Thread.start
def start_one_of_few(thread):
    if threading.active_count() >= {most}:
        raise RuntimeError("can't start new thread")
    start(thread)
threading.Thread.start = start_one_of_few
"""
_WITHOUT_OVERRIDE = """
import ctypes
libc = ctypes.CDLL(None)
header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capget(header, data) == 0
data[0] &= ~(1 << 1)  # CAP_DAC_OVERRIDE
assert libc.capset(header, data) == 0
"""


def remedy(unit: str, least: int, flag: str, ulimit: int) -> str:
    """As it is where these tests run, which may be a container."""
    return surroundings.PROCESS_LIMIT.here(unit=unit, least=least, flag=flag, ulimit=ulimit)


_STACK = "the limit of the stack is {} KiB, and otel-oom needs 1024 KiB; " + remedy("LimitSTACK", 1 << 20, "-s", 1024)
_FILES = "the limit of open files is {}, and otel-oom needs 64; " + remedy("LimitNOFILE", 64, "-n", 64)
_AS = "the limit of address space is {} KiB, and otel-oom needs 262144 KiB; " + remedy(
    "LimitAS", 1 << 28, "-v", 1 << 18
)
_DATA = "the limit of data is {} KiB, and otel-oom needs 131072 KiB; " + remedy("LimitDATA", 1 << 27, "-d", 1 << 17)


@pytest.mark.parametrize(
    ("limit", "line"),
    [
        ("-s 128", _STACK.format(128)),
        ("-s 1023", _STACK.format(1023)),
        *((f"-n {number}", _FILES.format(number)) for number in (6, 9, 14, 17, 40, 63)),
        ("-v 40960", _AS.format(40960)),
        ("-v 92160", _AS.format(92160)),
        ("-d 50000", _DATA.format(50000)),
    ],
)
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_limit_that_is_too_small_is_one_line(protocol: Protocol, limit: str, line: str) -> None:
    done = subprocess.run(
        command(f"ulimit {limit};", PLAYED),
        env=environment(OTEL_EXPORTER_OTLP_PROTOCOL=protocol),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (71, 1), done.stderr
    assert done.stderr.startswith(f"otel-oom: error: {line}")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize(
    "limits",
    [
        "ulimit -S -s 128; ulimit -S -n 6;",
        "ulimit -s unlimited;",
        "ulimit -s 1024; ulimit -n 64; ulimit -v 262144; ulimit -d 131072;",
        "ulimit -l 0; ulimit -c 0;",
    ],
)
def test_the_agent_works_with_the_least_that_it_needs(limits: str, protocol: Protocol, tmp_path: Path) -> None:
    """A soft limit is raised."""
    ended = run_until_arrived(tmp_path, limits, protocol=protocol)
    assert (ended.code, ended.has_arrived) == (0, True), ended.lines
    assert not any("error" in line for line in ended.lines)


@pytest.mark.parametrize(
    ("protocol", "most"), [*(("http/protobuf", most) for most in range(1, 8)), ("grpc", 8), ("grpc", 14), ("grpc", 32)]
)
def test_too_few_threads_are_one_line(protocol: Protocol, most: int, tmp_path: Path) -> None:
    script = _FEW_THREADS.format(most=most) + PLAYED
    ended = run_until_arrived(tmp_path, script=script, protocol=protocol)
    if most >= (32 if protocol == "grpc" else 6):
        assert (ended.code, ended.has_arrived) == (0, True), ended.lines
        assert not any("error" in line for line in ended.lines)
    else:
        (line,) = ended.lines
        assert ended.code == 71
        none = f"no thread can be started; {surroundings.NO_THREAD.here()}"
        assert "more thread(s) can be started, and otel-oom needs" in line or none in line


def test_a_limit_of_the_size_of_files_is_a_warning_with_its_remedy(tmp_path: Path) -> None:
    """SQLite says no more than "disk I/O error". In the file for stderr there is place for little."""
    with OtlpReceiver("http/protobuf") as receiver:
        settings = {**receiver.settings, "OTEL_OOM_SPOOL": str(tmp_path)}
        with subprocess.Popen(
            command("ulimit -f 1;", PLAYED), env=environment(**settings), stderr=subprocess.PIPE, text=True
        ) as process:
            assert eventually(lambda: has_arrived(receiver), within_s=30)
            process.terminate()
            _, text = process.communicate(timeout=10)
    assert process.returncode == 0
    assert f"KiB, so the spool may fail; {remedy('LimitFSIZE', 64 << 20, '-f', 1 << 16)}\n" in text


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_descriptors_that_run_out_later_are_no_end(protocol: Protocol, tmp_path: Path) -> None:
    """No connection can be made. gRPC's text for it is not UTF-8: its library logged a traceback for each attempt."""
    with (
        OtlpReceiver(protocol) as receiver,
        started(receiver, tmp_path, OTEL_METRIC_EXPORT_INTERVAL="500") as process,
    ):
        assert eventually(lambda: has_arrived(receiver), within_s=30)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, 1024))
        receiver.stop()
        assert eventually(lambda: "cannot deliver" in (tmp_path / "stderr").read_text(), within_s=10)
        receiver.start()
        time.sleep(1.0)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (1024, 1024))
        assert eventually(lambda: "metrics are delivered again" in (tmp_path / "stderr").read_text(), within_s=20)
        process.terminate()
        assert process.wait(10) == 0
    text = (tmp_path / "stderr").read_text()
    assert "Too many open files" in text
    assert "Traceback" not in text


_STREAMS = ("0<&-", "1>&-", "2>&-")


@pytest.mark.parametrize(
    "closed", [" ".join(itertools.compress(_STREAMS, chosen)) for chosen in itertools.product((0, 1), repeat=3)]
)
def test_no_file_of_the_agent_gets_the_number_of_a_closed_stream(closed: str, tmp_path: Path) -> None:
    """Else a log line would be written into the spool."""
    before = f"exec {closed};" if closed else ""
    with OtlpReceiver("http/protobuf") as receiver, started(receiver, tmp_path, before) as process:
        assert eventually(lambda: has_arrived(receiver), within_s=30)
        links = [Path(f"/proc/{process.pid}/fd/{number}").readlink() for number in range(3)]
        process.terminate()
        assert process.wait(10) == 0
    for link, stream in zip(links, _STREAMS, strict=True):
        assert stream not in closed or link == Path("/dev/null")


@pytest.mark.parametrize(("closed", "lines"), [("1>&-", 1), ("0<&- 1>&-", 1), ("2>&-", 0), ("0<&- 1>&- 2>&-", 0)])
def test_a_closed_stream_without_a_null_device_ends_the_start(closed: str, lines: int) -> None:
    done = subprocess.run(
        command(f"exec {closed};", 'import os\nos.devnull = "/no/such/null"\n' + PLAYED),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (71, lines), done.stderr
    assert not lines or "a standard stream is closed, and [Errno 2] No such file" in done.stderr


@pytest.mark.parametrize(
    ("before", "variables"),
    [
        ("umask 0777;", {}),
        ("umask 0;", {}),
        ("unset HOME;", {}),
        ('mkdir "$GONE"; cd "$GONE"; rmdir "$GONE";', {}),
        ("", {"TMPDIR": "/no/such", "TZ": "no/such:zone\1", "LC_ALL": "xx_YY.none"}),
        ("", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        ("trap '' PIPE INT HUP;", {}),
    ],
)
def test_what_a_process_inherits_stops_nothing(before: str, variables: dict[str, str], tmp_path: Path) -> None:
    script = _WITHOUT_OVERRIDE + PLAYED
    ended = run_until_arrived(tmp_path, before, script, "http/protobuf", GONE=str(tmp_path / "gone"), **variables)
    assert (ended.code, ended.has_arrived) == (0, True), ended.lines
    assert not any("error" in line for line in ended.lines), ended.lines
    spool = tmp_path / "spool"
    assert {path.stat().st_mode & 0o777 for path in (spool, *spool.iterdir())} == {0o700, 0o600}


_INTERRUPTED = """
import runpy, signal, sys
class Interrupts:
    def find_spec(self, name, *_):
        if name == "otel_oom.cli.arguments":
            signal.raise_signal(signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
sys.meta_path.insert(0, Interrupts())
sys.argv = ["otel-oom", "schema"]
runpy.run_module("otel_oom", run_name="__main__")
"""


def test_an_interrupt_while_modules_load_ends_without_a_traceback() -> None:
    done = subprocess.run(
        command("", _INTERRUPTED), env=environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-2, "", "")


@pytest.mark.parametrize("where", ["start.prepare", "build_sender.resource_builder"])
def test_a_shortage_later_in_the_start_is_one_line(where: str, tmp_path: Path) -> None:
    script = f"""
from otel_oom.agent import start
from otel_oom.otlp import build_sender
def fail(*_, **__): raise RuntimeError("can't start new thread")
{where} = fail
"""
    ended = run_until_arrived(tmp_path, script=PLAYED_LOG + script + RUN)
    assert ended.code == 71
    assert ended.lines == [f"otel-oom: error: no thread can be started; {surroundings.NO_THREAD.here()}"]
