"""`otel-oom parse` as people and scripts use it: files, pipes, exit codes, both outputs."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import json
import lzma
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import klog
from support.hostile_text import HOSTILE
from support.klog import CAPTURES

from otel_oom import schema
from otel_oom.errors import UsageError
from otel_oom.parse import command
from otel_oom.parse.input_files import shown
from otel_oom.parse.text_layout import Style, fold, size, width

LOG = b"".join(
    b"[   37.%06d] %s\n" % (us, line)
    for us, line in [
        (0, b"java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"),
        (1, b"CPU: 1 PID: 7 Comm: java Not tainted 6.1.0 #1"),
        (2, b"memory: usage 6144kB, limit 12288kB, failcnt 82"),
        (3, b"[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"),
        (4, b"[      7]  1000     7     9000     2048    65536        0             0 java"),
        (5, b"[      8]  1000     8     9000     1024    65536        0             0 sh"),
        (
            6,
            (
                b"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
                b"oom_memcg=/a,task_memcg=/a/b,task=java,pid=7,uid=1000"
            ),
        ),
        (
            411555,
            (
                b"Memory cgroup out of memory: Killed process 7 (java) total-vm:36000kB, anon-rss:8192kB, file-rss:0kB,"
                b" shmem-rss:0kB, UID:1000 pgtables:64kB oom_score_adj:0"
            ),
        ),
    ]
)
QUIET = b"[    1.000000] nothing of note\n"
CAPTURE = next(path for path in CAPTURES if path.stem == "v61-system")


#: a line with a path or an id, which is not folded
COPIED = re.compile(r" +(?:whose limit +|whose process +)?(?:in cgroup /|cgroup /|container |pod uid |unit )")


class Terminal(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined,no-any-return]


def file(directory: Path, name: str, content: bytes) -> str:
    path = directory / name
    path.write_bytes(content)
    return str(path)


def test_text_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert command.run([file(tmp_path, "log", LOG)], "text", 4096) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1. java (pid 7, cgroup /a/b) was OOM-killed: the 12 MiB limit of its ancestor",
        "cgroup /a was reached, it held 8 MiB RSS",
        "  line 8 · 37.411555 s after the boot",
        "  why             ##################.................. 6.0 MiB of 12.0 MiB (50%)",
        "  whose limit     cgroup /a",
        "  who asked       java (pid 7) for 1 page (4.0 KiB), 0xcc0(GFP_KERNEL)",
        "  the victim      8.0 MiB anonymous, 0 B file, 0 B shared, 64.0 KiB page tables,",
        "                  35.2 MiB address space",
        "                  user id 1000, oom_score_adj 0",
        "                  in cgroup /a/b",
        "  largest tasks   7 java █████████████████████████████████████    8.0 MiB killed",
        "                  8 sh   ██████████████████▌                      4.0 MiB",
        "",
        "Text proves nothing about who wrote it: anyone who could write to this log could",
        "write these lines. Pages are taken for 4096 bytes (--page-size).",
    ]


def test_json_has_the_attributes_of_the_contract_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run([file(tmp_path, "log", LOG + LOG)], "json", 4096) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row[schema.PID.name] for row in rows] == [7, 7]
    assert rows[0].keys() <= {attribute.name for attribute in schema.ATTRIBUTES}
    assert {schema.RECORD_UID.name, schema.BOOT_ID.name, schema.KMSG_SEQUENCE.name} & rows[0].keys() == set()
    assert rows[0][schema.KMSG_TIMESTAMP.name] == 37.411555
    assert rows[0][schema.TOP_TASKS.name][0] == {"pid": 7, "comm": "java", "rss": 2048 * 4096, "score_adj": 0}


def test_json_has_the_boot_of_a_journal_and_the_sequence_of_a_capture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = "\n".join(
        json.dumps({"_TRANSPORT": "kernel", "MESSAGE": line.partition("] ")[2], "_BOOT_ID": "b0"})
        for line in LOG.decode().splitlines()
    )
    command.run([file(tmp_path, "journal", journal.encode()), str(CAPTURE)], "json", 4096)
    of_journal, of_device = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert of_journal[schema.BOOT_ID.name] == "b0"
    assert schema.KMSG_TIMESTAMP.name not in of_journal
    assert schema.KMSG_SEQUENCE.name in of_device
    assert schema.BOOT_ID.name not in of_device


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress])
def test_compression_is_detected_by_content(tmp_path: Path, capsys: pytest.CaptureFixture[str], pack: object) -> None:
    assert callable(pack)
    assert command.run([file(tmp_path, "log.txt", pack(LOG))], "json", 4096) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_a_text_without_a_kill_is_read_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert command.run([file(tmp_path, "log", QUIET)], "text", 4096) == 0
    assert caplog.messages == ["no OOM kill found"]


def test_a_report_without_its_kill_line_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert command.run([file(tmp_path, "log", b"\n".join(LOG.splitlines()[:-1]))], "text", 4096) == 0
    assert "1 report begins without a `Killed process` line" in caplog.text


def test_a_report_that_found_no_process_to_kill_is_complete(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    lines = [*LOG.splitlines()[:-2], b"[   37.000006] Out of memory and no killable processes...", b""]
    assert command.run([file(tmp_path, "log", b"\n".join(lines))], "text", 4096) == 0
    assert caplog.messages == ["no OOM kill found; 1 time the kernel found no process to kill"]


@pytest.mark.parametrize(
    ("lines", "unsaid"),
    [
        (slice(7, 8), "all but the victim: the kernel prints at most ten reports in 5 s, or this text lost it"),
        (slice(0, 8, 7), "whose limit, how full, where the victim lived, the largest tasks (the report is not whole)"),
        (slice(1, 8), "who asked, how full, the largest tasks (the report is not whole)"),
    ],
)
def test_missing_facts_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lines: slice, unsaid: str
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    command.run([file(tmp_path, "log", b"\n".join(LOG.splitlines()[lines]))], "text", 4096)
    assert f"  not said        {unsaid}" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone", None, "there is no"),
        ("log.gz", gzip.compress(QUIET * 1000, mtime=0)[:60], "is damaged"),
        ("log.gz", b"\x1f\x8bnonsense", "is damaged"),
        ("log.xz", lzma.compress(QUIET * 1000)[:60], "is damaged"),
        ("log.zst", b"\x28\xb5\x2f\xfd123", "compressed with zstd"),
    ],
)
def test_an_unreadable_file_is_reported_and_the_others_are_read(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    name: str,
    content: bytes | None,
    said: str,
) -> None:
    bad = str(tmp_path / name) if content is None else file(tmp_path, name, content)
    assert command.run([bad, file(tmp_path, "log", LOG)], "json", 4096) == 66
    assert capsys.readouterr().out.count("\n") == 1
    assert said in caplog.text
    assert "; " in caplog.text


def test_kills_before_the_damage_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = gzip.compress(LOG * 2 + QUIET * 100_000)
    assert command.run([file(tmp_path, "log.gz", whole[:-20])], "json", 4096) == 66
    assert capsys.readouterr().out.count("\n") == 2


def test_a_directory_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert command.run([str(tmp_path)], "json", 4096) == 66
    assert "is a directory" in caplog.text


@pytest.mark.parametrize("files", [[], ["-"]])
def test_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, files: list[str]
) -> None:
    with (tmp_path / "log").open("w+") as log:
        log.write(LOG.decode())
        log.seek(0)
        monkeypatch.setattr(sys, "stdin", log)
        assert command.run(files, "json", 4096) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_no_file_at_a_terminal_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(UsageError, match="journalctl -k"):
        command.run([], "text", 4096)


@pytest.mark.parametrize("page_size", [0, -4096, 5000])
def test_a_page_size_is_a_power_of_two(page_size: int) -> None:
    with pytest.raises(UsageError, match="power of two"):
        command.run(["log"], "text", page_size)


def test_pages_of_another_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.run([file(tmp_path, "log", LOG)], "json", 65536)
    assert json.loads(capsys.readouterr().out)[schema.TOP_TASKS.name][0]["rss"] == 2048 * 65536


def test_the_page_size_of_a_report_is_used_before_that_of_the_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = klog.system_report(order=3)
    report.insert(report.index("Free swap  = 24kB"), "Node 0 DMA: 3*64kB (U) 0*128kB = 192kB")
    text = "".join(f"[   37.411555] {line}\n" for line in report)
    command.run([file(tmp_path, "log", text.encode())], "text", 4096)
    out = " ".join(capsys.readouterr().out.split())
    assert "8 pages in a row (512.0 KiB)" in out
    assert "--page-size" not in out


def test_many_files_have_headings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [file(tmp_path, "a", LOG), file(tmp_path, "b\x1b", LOG), file(tmp_path, "c", QUIET)]
    command.run(names, "text", 4096)
    out = capsys.readouterr().out
    assert str(tmp_path / "a") in out
    assert r"b\x1b" in out
    assert "\x1b" not in out


def test_a_capture_of_the_device_is_not_called_text_without_proof(capsys: pytest.CaptureFixture[str]) -> None:
    command.run([str(CAPTURE)], "text", 4096)
    out = " ".join(capsys.readouterr().out.split())
    assert "facility 0" in out
    assert "Text proves nothing" not in out


def test_refused_kill_lines_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    command.run([file(tmp_path, "log", LOG.replace(b"[", b"<12>["))], "text", 4096)
    assert "1 kill line refused: user space wrote them" in caplog.text


@pytest.mark.parametrize(("variable", "colour"), [("X", "\x1b["), ("NO_COLOR", "")])
def test_colour_is_for_terminals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, colour: str) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(variable, "1")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    command.run([file(tmp_path, "log", LOG)], "text", 4096)
    assert terminal.text().startswith(colour)
    assert ("\x1b" in terminal.text()) is bool(colour)


def test_a_terminal_without_utf8_gets_ascii(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    command.run([file(tmp_path, "log", LOG.replace(b"(java)", "(jäva)".encode()))], "text", 4096)
    assert b"j\\xe4va (pid 7, cgroup /a/b) was OOM-killed" in out.buffer.getvalue()
    assert b"####" in out.buffer.getvalue()


def capture(stem: str) -> Path:
    return next(path for path in CAPTURES if path.stem == stem)


@pytest.mark.parametrize("columns", [40, 80, 100, 140])
def test_what_filled_the_memory_is_a_bar_of_letters(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    command.run([str(capture("v618-cgroup-v1-mixed"))], "text", 4096)
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.endswith("48.0 MiB of 48.0 MiB (100%)")]
    bar = re.findall(r"([A-Z.]+) ", line)[0]
    assert re.fullmatch(r"A+T+C+K?", bar)
    assert len(bar) == min(60, columns - 2 - (16 if columns >= 60 else 0) - len(" 48.0 MiB of 48.0 MiB (100%)"))
    assert abs(bar.count("T") - len(bar) * 16 / 48) < 2
    legend = " ".join(out.split())
    for words in ("A anonymous memory 17.3 MiB", "T tmpfs and shared memory 16.0 MiB", "C page cache 14.0 MiB"):
        assert words in legend


def test_paths_and_owners_can_be_copied_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    command.run([str(capture("v618-cgroup-v1-pod"))], "text", 4096)
    lines = capsys.readouterr().out.splitlines()
    command.run([str(capture("v618-cgroup-v1-pod"))], "json", 4096)
    row = json.loads(capsys.readouterr().out.splitlines()[0])
    for attribute in (schema.CONTAINER_ID, schema.POD_UID, schema.MEMCG_PATH, schema.VICTIM_CGROUP):
        assert any(line.endswith(row[attribute.name]) for line in lines), attribute


def test_a_terminal_without_utf8_gets_a_sentence_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    command.run([str(capture("v618-storm"))], "text", 4096)
    assert b"2 x storm hold 9.52" in b" ".join(out.buffer.getvalue().split())
    assert b"\\xd7" not in out.buffer.getvalue()


@pytest.mark.parametrize("columns", [40, 59, 60, 80, 200])
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: str(path.stem))
def test_no_line_is_wider_than_the_terminal(
    columns: int, path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    command.run([str(path)], "text", 4096)
    out = capsys.readouterr().out
    assert "was OOM-killed" in " ".join(out.split())
    folded = [line for line in out.splitlines() if not COPIED.match(line)]
    assert max(width(line) for line in folded) <= columns
    assert out.replace("\n", "").isprintable()


def test_the_bar_is_drawn_for_large_files_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("otel_oom.parse.input_files.LARGE", 1 << 20)
    monkeypatch.setattr("otel_oom.parse.input_files._BAR_INTERVAL_S", 0.0)
    log = file(tmp_path, "log", QUIET * 100_000)
    command.run([log], "json", 4096)
    assert "% of 3 MiB" in terminal.text()
    assert terminal.text().endswith("\r\x1b[K")
    monkeypatch.setattr("otel_oom.parse.input_files.LARGE", 1 << 30)
    before = terminal.text()
    command.run([log], "json", 4096)
    assert terminal.text() == before


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [("a b c", 3, ["a b", "c"]), ("abcdefg", 3, ["abc", "def", "g"]), ("", 3, [""]), ("日本語", 4, ["日本", "語"])],
)
def test_folding(text: str, columns: int, lines: list[str]) -> None:
    assert lines == fold(text, columns)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (2**20 - 1, "1.0 MiB"), (2**40, "1.0 TiB")]
)
def test_sizes(value: int, text: str) -> None:
    assert text == size(value)


@pytest.mark.parametrize(
    ("share", "bar"), [(0, "    "), (0.5, "██  "), (0.4, "█▋  "), (1, "████"), (9, "████"), (-1, "    ")]
)
def test_bars(share: float, bar: str) -> None:
    assert bar == Style().bar(share, 4)


@pytest.mark.parametrize("is_colored", [False, True])
def test_a_line_keeps_no_escape_but_the_colours_of_its_style(*, is_colored: bool) -> None:
    style = Style(is_colored=is_colored)
    line = style.line(f"{style.alarm('java')} {style.faint(HOSTILE)} {style.strong('7')} name")
    for colour in ("\x1b[1;31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"):
        assert (colour in line) is is_colored
        line = line.replace(colour, "")
    assert line.isprintable()
    assert style.line("") == ""


def test_a_device_is_read_without_waiting(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal has no end, like /dev/kmsg."""
    master, slave = os.openpty()
    try:
        os.write(master, LOG)
        assert command.run([os.ttyname(slave)], "json", 4096) == 0
    finally:
        os.close(master)
        os.close(slave)
    assert capsys.readouterr().out.count("\n") == 1


def test_a_terminal_that_hangs_up_does_not_end_the_process() -> None:
    """The first terminal that a session leader opens controls it: a hang-up is then a SIGHUP."""
    script = (
        "import os\nfrom otel_oom.parse import command\nmaster, slave = os.openpty()\n"
        "command.run([os.ttyname(slave)], 'json', 4096)\nos.close(master)\nos.close(slave)\nprint('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], start_new_session=True, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_overwritten_records_do_not_end_the_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read of /dev/kmsg fails with EPIPE once when records were overwritten before they were read."""
    readings: list[bytes | None] = [None, LOG, None, b""]

    class Overtaken(io.BufferedIOBase):
        def read1(self, _: int = -1) -> bytes:
            reading = readings.pop(0)
            if reading is None:
                raise BrokenPipeError(errno.EPIPE, "overrun")
            return reading

    monkeypatch.setattr("otel_oom.parse.input_files._decompressed", lambda *_: Overtaken())
    assert command.run([file(tmp_path, "log", LOG)], "json", 4096) == 0
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x04\x22\x4d\x18xyz", "lz4 -dc FILE"),
        (b"7z\xbc\xaf\x27\x1cxyz", "7z x -so FILE"),
        (b"Rar!xyz", "unrar"),
        (b"LPKSHHRHxyz", "journalctl --file=FILE"),
        (bytes(range(256)) * 40, "is no text"),
        (b"\x7fELF\2\1\1\0" + bytes(4000), "is no text"),
        (b"PK\x03\x04 nonsense", "is damaged"),
    ],
)
def test_what_cannot_be_text_is_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, said: str
) -> None:
    caplog.set_level("INFO")
    assert command.run([file(tmp_path, "x", content)], "text", 4096) == 66
    assert said in caplog.text
    assert "no OOM kill" not in caplog.text


@pytest.mark.parametrize("nuls", [1, 4096])
def test_nuls_in_a_log_that_a_crash_left_are_no_reason_to_refuse_it(tmp_path: Path, nuls: int) -> None:
    assert command.run([file(tmp_path, "log", QUIET * 500 + bytes(nuls) + LOG)], "json", 4096, fail_if_none=True) == 0


@pytest.mark.parametrize(("content", "code"), [(QUIET, 1), (b"", 1), (LOG, 0)])
def test_a_script_can_ask_whether_there_is_a_kill(tmp_path: Path, content: bytes, code: int) -> None:
    assert command.run([file(tmp_path, "log", content)], "json", 4096, fail_if_none=True) == code
    assert command.run([file(tmp_path, "log", content)], "json", 4096) == 0


@pytest.mark.parametrize("head", ["Nov 29 05:18:58 n1 myapp[7]: ", "node1: "])
def test_a_kill_line_that_is_not_read_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture, head: str) -> None:
    log = QUIET * 2 + head.encode() + LOG.splitlines()[-1].partition(b"] ")[2]
    command.run([file(tmp_path, "log", log + b"\n")], "text", 4096)
    assert "1 kill line not read, because other words than the kernel's stand before it" in caplog.text
    assert f"the first is in line 3, behind `{head}`" in caplog.text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("systemd-oomd[612]: Killed /user.slice/app.scope due to memory pressure for /user.slice", "systemd-oomd"),
        ('earlyoom[9]: sending SIGTERM to process 7 uid 0 "java": badness 900, VmRSS 5 MiB', "earlyoom"),
        ("lowmemorykiller: Kill 'com.android.x' (7), uid 10042, oom_score_adj 900", "lmkd"),
        ("kubelet[1]: I0615 eviction_manager.go:395] eviction manager: pods default/x evicted", "kubelet's eviction"),
        ("    Reason:       OOMKilled", "OOMKilled"),
        ("[    1.000000] Out of memory and no killable processes...", "1 time the kernel found no process to kill"),
    ],
)
def test_what_else_kills_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture, line: str, said: str) -> None:
    caplog.set_level("INFO")
    command.run([file(tmp_path, "log", QUIET + line.encode() + b"\n")], "text", 4096)
    assert said in caplog.text
    caplog.clear()
    command.run([file(tmp_path, "log", LOG + line.encode() + b"\n")], "text", 4096)
    assert said not in caplog.text


def test_a_path_is_never_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = b"/kubepods" + b"/x" * 90
    command.run([file(tmp_path, "log", LOG.replace(b"=/a", b"=" + path))], "text", 4096)
    assert path.decode() in capsys.readouterr().out


@pytest.mark.parametrize(("turned", "number"), [(False, 8), (True, 1)])
def test_lines_have_the_numbers_of_the_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, turned: bool, number: int
) -> None:
    lines = LOG.splitlines()
    command.run([file(tmp_path, "log", b"\n".join(lines[::-1] if turned else lines) + b"\n")], "text", 4096)
    assert f"  line {number} ·" in capsys.readouterr().out


def test_memory_is_flat_in_a_line_without_an_end(tmp_path: Path) -> None:
    log = tmp_path / "loki.json"
    entry = ",".join(json.dumps([str(n), line]) for n, line in enumerate(LOG.decode().splitlines()))
    noise = ",".join('["1","%s"]' % ("x" * 300) for _ in range(30_000))
    log.write_text('{"data":{"result":[{"values":[' + ",".join([entry, noise] * 8) + "]}]}}")
    script = (
        f"from otel_oom.parse import command; command.run([{str(log)!r}], 'json', 4096);"
        "import re, sys; sys.stderr.write(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 8
    assert int(done.stderr.split()[-1]) < 64 << 10


def test_names_of_files_are_shown_printable() -> None:
    assert (shown("a\x1b\udcff"), shown("-")) == (r"a\x1b\xff", "standard input")
