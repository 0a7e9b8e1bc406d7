"""What each command writes to both of its streams, if everything that others choose is hostile to a terminal."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest
from support.agents import environment
from support.hostile_text import HOSTILE, SHORT, left_in
from support.otlp_receiver import OtlpReceiver
from support.otlp_servers import Answer
from support.played_agent import PLAYED

_NO_DEVICE = ("--device", "/no/such/kmsg")
_KILL = (
    "Out of memory: Killed process 7 ({comm}) total-vm:9kB, anon-rss:8kB, file-rss:0kB, shmem-rss:0kB, UID:0"
    " pgtables:4kB oom_score_adj:0"
)
#: an answer with another control character passes for binary data, and is not shown
_WORDS = "\x1b[2J\notel-oom: error: forged \x9b\u202e\u2028\u200b"


def streams(command: Sequence[str], variables: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """Both streams of `otel-oom` with these arguments."""
    done = subprocess.run(
        [sys.executable, "-m", "otel_oom", *command],
        env={"PYTHONUTF8": "1", **environment(**variables)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    assert done.stdout, "it said nothing"
    return done.stdout


def streams_of_run(variables: Mapping[str, str], words: bytes, times: int = 1) -> bytes:
    """Both streams of `otel-oom run` with the recorded kill, which is stopped when these words came so often."""
    output = b""
    with subprocess.Popen(
        [sys.executable, "-c", PLAYED],
        env={"PYTHONUTF8": "1", **environment(**variables)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stdout
        for line in process.stdout:
            output += line
            if output.count(words) >= times:
                process.terminate()
        watchdog.cancel()
    assert output.count(words) >= times
    return output


@pytest.mark.parametrize(
    "command",
    [
        ("parse", HOSTILE),
        ("parse", f"/{HOSTILE}"),
        ("parse", "--output", HOSTILE),
        ("parse", "--page-size", HOSTILE),
        ("parse", f"--{HOSTILE.replace(' ', '')}"),
        ("parse", f"--{HOSTILE.replace(' ', '')}=value"),
        (HOSTILE,),
        ("run", HOSTILE),
        ("run", f"-{HOSTILE.replace(' ', '')}"),
        ("run", "--device", HOSTILE),
        ("run", "--device", f"/{HOSTILE}"),
        ("run", "--spool", HOSTILE),
        ("run", "--spool", f"/proc/{HOSTILE}", "--spool-required"),
        ("run", "--oom-score-adj", HOSTILE),
        ("run", "--identity-file", f"/{HOSTILE}", *_NO_DEVICE),
        ("schema", "--output", HOSTILE),
    ],
    ids=lambda command: " ".join(command).replace(HOSTILE, "…").replace(HOSTILE.replace(" ", ""), "…"),
)
def test_arguments(command: tuple[str, ...]) -> None:
    assert left_in(streams(command)) == []


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_OOM_DEVICE": HOSTILE},
        {"OTEL_OOM_DEVICE": f"/{HOSTILE}"},
        {"OTEL_OOM_SPOOL": HOSTILE},
        {"OTEL_OOM_SPOOL": f"/proc/{HOSTILE}", "OTEL_OOM_SPOOL_REQUIRED": "true"},
        {f"OTEL_OOM_{HOSTILE}": "a"},
        {f"OTEL_{HOSTILE}": "a"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": HOSTILE},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://a{HOSTILE}:4318"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": f"unix:{HOSTILE}"},
        {"OTEL_EXPORTER_OTLP_CERTIFICATE": f"/{SHORT}", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://localhost:1"},
        {"OTEL_EXPORTER_OTLP_HEADERS": f"{HOSTILE}=a"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": HOSTILE},
        {"OTEL_LOGS_EXPORTER": HOSTILE},
        {"OTEL_LOG_LEVEL": HOSTILE},
        {"OTEL_RESOURCE_ATTRIBUTES": HOSTILE},
        {"OTEL_SERVICE_NAME": HOSTILE},
        {"HTTP_PROXY": f"http://{HOSTILE}:1"},
    ],
    ids=lambda variables: " ".join(map("=".join, variables.items())).replace(HOSTILE, "…").replace(SHORT, "…"),
)
def test_variables(variables: Mapping[str, str]) -> None:
    flags = () if "OTEL_OOM_DEVICE" in variables else _NO_DEVICE
    assert left_in(streams(("run", *flags), variables)) == []


@pytest.mark.parametrize("output", ["text", "json"])
def test_names_of_files(output: str, tmp_path: Path) -> None:
    """A file that holds a kill, one that is damaged, one in another format, and a directory."""
    kill = _KILL.format(comm="java").encode()
    contents = {"a": kill, "b": gzip.compress(kill)[:-9], "c": b"\x28\xb5\x2f\xfd"}
    names = [str(tmp_path / f"{letter}{SHORT}") for letter in contents]
    for name, content in zip(names, contents.values(), strict=True):
        Path(name).write_bytes(content)
    directory = tmp_path / f"d{SHORT}"
    directory.mkdir()
    assert left_in(streams(("parse", "--output", output, *names, str(directory)))) == []


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize(
    "comm",
    [HOSTILE.replace("\n", ""), "\x1b[2J", "\x9b\u202e\u2028", "\x7f\udcff\u200b"],
    ids=["every", "commands", "C1", "bytes"],
)
def test_text_of_a_log(output: str, comm: str, tmp_path: Path) -> None:
    """Names, cgroups, times and the boot of a log, each of them hostile, in the forms that `parse` reads."""
    raw = comm.encode("utf-8", "surrogateescape")
    oom = (
        b"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/%s,task_memcg=/%s/b,"
        b"task=%s,pid=7,uid=0" % (raw, raw, raw)
    )
    kill = _KILL.format(comm="%s").encode() % raw
    journal = [
        {"MESSAGE": line.decode("utf-8", "replace"), "_BOOT_ID": comm.replace("\udcff", ""), "_TRANSPORT": "kernel"}
        for line in (oom, kill)
    ]
    posted = {"textPayload": kill.decode("utf-8", "replace"), "timestamp": f"2026-11-21T05:18:58Z{comm}"[:64]}
    texts = (
        b"%s\n%s\n" % (oom, kill),
        b"Nov 21 05:18:58 %s kernel: [    1.000000] %s\n" % (raw, kill),
        b"6,1,1,-%s;%s\n6,2,2,-,caller=%s;%s\n" % (raw, oom, raw, kill),
        b"\n".join(json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") for entry in journal),
        json.dumps(posted).encode(),
    )
    files = [tmp_path / str(number) for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_bytes(text)
    assert left_in(streams(("parse", "--output", output, *map(str, files)))) == []


def test_the_holder_of_a_spool(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.pwrite(lock, b"1\x1b[2J\n\x7fotel-oom: error: forged", 0)
        output = streams_of_run({"OTEL_OOM_SPOOL": str(tmp_path)}, b"another otel-oom")
    finally:
        os.close(lock)
    assert left_in(output) == []


def test_the_console() -> None:
    """Its JSON shows the resource, which the user may choose; percent signs encode it."""
    encoded = "".join(f"%{byte:02x}" for byte in HOSTILE.replace("\udc80", "").replace("\udcff", "").encode())
    variables = {
        "OTEL_LOGS_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "console",
        "OTEL_RESOURCE_ATTRIBUTES": f"team={encoded}",
    }
    assert left_in(streams_of_run(variables, rb"\u202e", times=2)) == []


def test_words_of_a_server() -> None:
    with OtlpReceiver("http/protobuf") as server:
        server.script.otherwise = Answer(status=400, details=_WORDS, content_type="text/plain")
        output = streams_of_run(server.settings, b"forged")
    assert left_in(output) == []
