"""Facts from /proc about a victim. The victims here are live processes, and a zombie."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import klog
from support.waiting import eventually

from otel_oom import schema
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.text_escapes import escape
from otel_oom.machine.victim_process import look_at_victim

FACTS = {
    schema.PARENT_PID.name,
    schema.CREATION_TIME.name,
    schema.EXECUTABLE_PATH.name,
    schema.EXECUTABLE_NAME.name,
}


def killed(pid: int, comm: bytes) -> OomKill:
    (kill,) = klog.kills([klog.killed(pid, escape(comm))])
    return kill


def comm_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/comm").read_bytes().removesuffix(b"\n")


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps, with a name that is neither printable nor its executable's."""
    script = r"import time; open('/proc/self/comm', 'wb').write(b'a)\x01\xc3\xa9\\'); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script, "secret\n"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_process_with_the_victims_name_gives_its_facts(victim: subprocess.Popen[bytes]) -> None:
    found = look_at_victim(killed(victim.pid, b"a)\x01\xc3\xa9\\"), with_command_line=False)
    assert set(found) == FACTS
    assert found[schema.PARENT_PID.name] == os.getpid()
    path = os.path.realpath(sys.executable)
    assert (found[schema.EXECUTABLE_PATH.name], found[schema.EXECUTABLE_NAME.name]) == (path, Path(path).name)
    assert str(found[schema.CREATION_TIME.name]).endswith("+00:00")


@pytest.mark.parametrize("comm", [b"other", b"", b"a)", b"python3"])
def test_a_process_with_another_name_is_another_process(victim: subprocess.Popen[bytes], comm: bytes) -> None:
    """A pid is used again after its process has ended."""
    assert look_at_victim(killed(victim.pid, comm), with_command_line=True) == {}


def test_a_command_line_is_read_only_if_wanted_and_is_printable(victim: subprocess.Popen[bytes]) -> None:
    found = look_at_victim(killed(victim.pid, comm_of(victim.pid)), with_command_line=True)
    assert set(found) == FACTS | {schema.COMMAND_ARGS.name}
    arguments = found[schema.COMMAND_ARGS.name]
    assert isinstance(arguments, tuple)
    assert (arguments[0], arguments[1], arguments[-1]) == (sys.executable, "-c", r"secret\x0a")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-a b", "", "c"], ("-a b", "", "c")),
        (["a", "", ""], ("a",)),  # as a title that was written over the arguments: NULs to the end
        (["\xff\x1b[31m"], (r"\xff\x1b[31m",)),
        (["é" * 5000], (None,)),
        ([""] * 3000 + ["z"], ("",) * 252),
    ],
)
def test_arguments_are_separate_printable_and_bounded(arguments: list[str], expected: tuple[str | None, ...]) -> None:
    command = ["tail", "-f", "/dev/null", "--", *arguments]
    raw = [argument.encode("utf-8" if "é" in argument else "latin-1") for argument in command]
    with subprocess.Popen(["sh", "-c", 'exec "$@"', "sh", *raw], stderr=subprocess.DEVNULL) as process:
        assert eventually(lambda: Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"tail"))
        found = look_at_victim(killed(process.pid, comm_of(process.pid)), with_command_line=True)
        process.kill()
    first = ("tail", "-f", "/dev/null", "--")
    known = found[schema.COMMAND_ARGS.name]
    assert isinstance(known, tuple)
    if expected == (None,):
        assert known[:4] == first
        assert len(known) == 5
        assert 4000 < len(known[4].encode()) <= 4 * 4096
    else:
        assert known == first + expected


def test_a_process_without_a_path_gives_the_other_facts(
    victim: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """psutil gives an empty path where /proc/PID/exe names no file."""
    monkeypatch.setattr("psutil.Process.exe", lambda _: "")
    found = look_at_victim(killed(victim.pid, comm_of(victim.pid)), with_command_line=True)
    assert set(found) == {schema.PARENT_PID.name, schema.CREATION_TIME.name, schema.COMMAND_ARGS.name}


def test_a_process_that_has_ended_gives_what_is_left() -> None:
    with subprocess.Popen(["true"]) as process:
        assert eventually(lambda: Path(f"/proc/{process.pid}/stat").read_text().split(") ")[1][0] == "Z")
        found = look_at_victim(killed(process.pid, b"true"), with_command_line=True)
        assert set(found) == {schema.PARENT_PID.name, schema.CREATION_TIME.name}
    assert look_at_victim(killed(process.pid, b"true"), with_command_line=True) == {}
