"""A report out of any form that an incident leaves behind is the same report: each form, each kernel's capture."""

from __future__ import annotations

import gzip
import io
import tarfile
import textwrap
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from support import corpus, klog
from support.container_forms import FORMS
from support.parsing import facts, kills, kills_of_file, recovered, report, stamped

from otel_oom.kernel import kmsg_record
from otel_oom.kernel.text_escapes import unescape
from otel_oom.parse.json_documents import Documents
from otel_oom.telemetry.container_from_cgroup import Owner
from otel_oom.telemetry.event_bodies import kill_body

#: its names hold line feeds, and its paths come in fragments: a text shows neither
NOT_IN_TEXT = {"v618-name", "v618-long-path"}
CAPTURES = [path for path in klog.CAPTURES if path.stem not in NOT_IN_TEXT]


def lines_of(capture: Path, *, has_clock: bool) -> list[str]:
    """The lines that dmesg prints for a capture."""
    lines = []
    for raw in corpus.records(capture.read_bytes()):
        record = kmsg_record.parse(raw)
        assert isinstance(record, kmsg_record.Record)
        seconds, us = divmod(record.monotonic_us, 1_000_000)
        head = f"[{seconds:5}.{us:06}] " if has_clock else ""
        lines += [head + part for part in unescape(record.text).decode("utf-8", "replace").split("\n")]
    return lines


@pytest.mark.parametrize("has_clock", [True, False], ids=["clock", "bare"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: str(path.stem))
def test_the_same_kills_come_out(tmp_path: Path, capture: Path, form: str, *, has_clock: bool) -> None:
    lines = lines_of(capture, has_clock=has_clock)
    expected = facts(kills("\n".join(lines).encode()))
    assert expected
    path = tmp_path / "text"
    path.write_bytes(FORMS[form](lines))
    found = facts(kills_of_file(path))
    if form == "pdsh" and not has_clock:
        assert found == [], "`node1: ` may be a program's tag: refused, and said"
        return
    if not has_clock and any(one in form for one in ("wrapped", "mailed", "where needed")):
        # Not every line shows where it began.
        expected, found = [kill[:3] for kill in expected], [kill[:3] for kill in found]
    assert expected == found


@pytest.mark.parametrize("form", [form for form in FORMS if not form.startswith(("mailed", "wrapped", "syslog wrap"))])
def test_names_that_look_like_a_form_stay_whole(tmp_path: Path, form: str) -> None:
    for comm in ("a: b", "12:x", '},{"a', "x | y", "a,b", "k/0:1-ev", "] x", "kernel: x", '"q"', "\\n"):
        lines = stamped(report(7, comm=comm)).decode().splitlines()
        path = tmp_path / "text"
        path.write_bytes(FORMS[form](lines))
        assert facts(kills("\n".join(lines).encode())) == facts(kills_of_file(path)), comm


@pytest.mark.parametrize("form", ["loki", "cloudwatch", "otelcol", "ansible, one line", "grafana csv", "utf-16"])
def test_where_reads_end_does_not_matter(form: str) -> None:
    text = FORMS[form](stamped(report(7, rows=30)).decode().splitlines())
    for size in (1, 7, 100, 4_000):
        assert recovered(text) == recovered(text, size), size


LOG = stamped(report(7))


def packed_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../etc/kern.log", LOG)
        archive.writestr("kern.log.1.gz", gzip.compress(LOG))
        archive.writestr("core", bytes(range(256)) * 99)
    return file.getvalue()


def packed_tar(mode: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in (
            ("/var/log/kern.log", LOG),
            ("kern.log.1.gz", gzip.compress(LOG)),
            ("core", b"\1\2\3" * 99),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize("packed", [packed_zip(), packed_tar("w:gz"), packed_tar("w"), packed_tar("w:xz")])
def test_archives(tmp_path: Path, caplog: pytest.LogCaptureFixture, packed: bytes) -> None:
    path = tmp_path / "logs"
    path.write_bytes(packed)
    assert [kill.pid for kill in kills_of_file(path)] == [7, 7]
    assert "members that are no text, not read: 1" in caplog.text
    assert [file.name for file in tmp_path.iterdir()] == ["logs"]


OLD = "anon-rss:3000kB, file-rss:0kB, shmem-rss:0kB"
EVENT = (
    "Memory cgroup out of memory: Kill process 12 (java) score 1900 or sacrifice child{}"
    f"Killed process 12 (java) total-vm:4000kB, {OLD}"
)


@pytest.mark.parametrize(
    "text",
    [
        "5m  Warning  OOMKilling  node/n1  " + EVENT.format(" "),
        "  Warning  OOMKilling  5m  kernel-monitor, n1  " + EVENT.format("\\n"),
        '{"reason":"OOMKilling","message":"' + EVENT.format("\\n") + '"}',
        '    "message": "' + EVENT.format("\\n") + '",',
        f"message: 'Memory cgroup out of memory: Killed process 12 (java) total-vm:4000kB, {OLD}'",
    ],
)
def test_an_event_of_kubernetes(text: str) -> None:
    assert [(kill.pid, kill.comm, kill.scope, kill.line.rss_anon) for kill in kills(text.encode())] == [
        (12, "java", "cgroup", 3000 * 1024)
    ]


@pytest.mark.parametrize(
    "end", ["", ":", ": gfp_mask=0x", ": gfp_mask=0xcc0(GFP_KER", ": gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_"]
)
@pytest.mark.parametrize("head", ["[    1.000000] ", "", "Nov 29 05:18:58 n1 kernel: ", "12:"])
def test_an_opener_whose_end_was_cut_hides_no_kill(head: str, end: str) -> None:
    text = "\n".join(head + line for line in [f"java invoked oom-killer{end}", *report(7)[4:]])
    found = kills(text.encode())
    assert [(kill.pid, kill.cgroup, kill.context.memcg_path) for kill in found] == [(7, "/a", "/a")]
    if "0xcc0" in end:
        assert [(kill.context.trigger_gfp_mask or "")[:5] for kill in found] == ["0xcc0"]
        assert len(found[0].context.top_tasks) == 5


@pytest.mark.parametrize(
    "head",
    [
        "myapp[123]: ",
        "Nov 29 05:18:58 n1 myapp[123]: ",
        "Nov 29 05:18:58 n1 myapp: ",
        "Nov 29 05:18:58 n1 myapp[123]: [   37.411555] ",
        "Nov 29 05:18:58 n1 myapp[123]: Nov 29 05:18:58 n1 kernel: ",
        "2026-11-29T05:18:58Z Nov 29 05:18:58 n1 myapp[123]: kernel: ",
        "myapp-1  | myapp[7]: ",
        "kern.log:12:Nov 29 05:18:58 n1 sshd[9]: ",
        "[   37.411555] myapp: ",
        "[   37.411555] [   37.411555] ",
        "11-29 05:18:58.123   900   900 E myapp   : ",
        "Nov 29 05:18:58 n1 myapp[123]: 4,1,37411555,-;",
        "Nov 29 05:18:58 n1 sudo:  joe : TTY=pts/0 ; COMMAND=/bin/echo ",
    ],
)
def test_what_another_program_wrote_is_not_the_kernels(head: str) -> None:
    text = "\n".join(head + line for line in report(7))
    assert kills(text.encode()) == []
    for form in ("loki", "docker", "cloudwatch", "grafana csv", "fluent-bit", "newest first"):
        assert kills(FORMS[form](text.splitlines())) == [], form


@pytest.mark.parametrize("transport", ["syslog", "stdout", "journal"])
def test_a_journals_writer_is_seen_in_any_shape(transport: str) -> None:
    message = report(7)[-1]
    for text in (
        f'[{{"_TRANSPORT":"{transport}","MESSAGE":"{message}"}},{{"_TRANSPORT":"{transport}","MESSAGE":"{message}"}}]',
        f'[0] j: [[1795929538.0, {{}}], {{"_TRANSPORT"=>"{transport}", "MESSAGE"=>"{message}"}}]',
        f'{{"a":{{"jsonPayload":{{"_TRANSPORT":"{transport}","MESSAGE":"{message}"}}}}}}',
    ):
        assert kills(text.encode()) == [], text
        assert kills(text.replace(transport, "kernel").encode()) != [], text


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: str(path.stem))
@pytest.mark.parametrize("head", ["[2026-11-29 05:18:58] ", "[Sun Nov 29 05:18:58 2026] "])
def test_a_terminals_time_may_stand_before_the_kernels(capture: Path, head: str) -> None:
    lines = lines_of(capture, has_clock=True)
    found = facts(kills("\n".join(head + line for line in lines).encode()))
    assert found == facts(kills("\n".join(lines).encode()))
    assert found


@pytest.mark.parametrize(
    ("head", "columns"),
    [(syslog, columns) for columns in (72, 76, 80) for syslog in ("", "Nov 29 05:18:58 n1 kernel: ")]
    + [("pod-x debug ", 400), ("12  ", 400), ("Node 9 x ", 400)],
)
def test_the_counts_of_the_machine_survive_a_mail(head: str, columns: int) -> None:
    capture = next(path for path in CAPTURES if path.stem == "v612-system-slab")
    lines = [head + line for line in lines_of(capture, has_clock=False)]
    found = kills(FORMS["plain"](lines) if columns == 400 else _mailed(lines, columns))
    assert [one.context.machine.slab_unreclaimable for one in found] == [154_099_712]
    assert "unreclaimable kernel slab" in kill_body(found[0], Owner(), None)


def _mailed(lines: list[str], columns: int) -> bytes:
    return "".join(f"> {part}\n" for line in lines for part in textwrap.wrap(line, columns) or [""]).encode()


def test_a_quote_around_each_line_is_none_of_the_line() -> None:
    lines = lines_of(next(path for path in CAPTURES if path.stem == "v61-system"), has_clock=True)
    text = "\n".join(f"  - '{line}'" for line in lines)
    assert facts(kills(text.encode())) == facts(kills("\n".join(lines).encode()))


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: str(path.stem))
def test_lines_behind_an_unknown_prefix_may_end_as_on_windows(capture: Path) -> None:
    lines = lines_of(capture, has_clock=False)
    found = facts(kills("\r\n".join("n1,kern," + line for line in lines).encode()))
    assert found == facts(kills("\n".join(lines).encode()))


def test_a_prefix_that_is_known_is_not_shortened_to_the_shape_of_other_lines() -> None:
    capture = next(path for path in CAPTURES if path.stem == "v61-nodemask")
    lines = [line if line.startswith(" ") else f"    MESSAGE={line}" for line in lines_of(capture, has_clock=False)]
    found = kills("\n".join(lines).encode())
    assert [one.context.machine.hugepages_total for one in found] == [0]


def test_long_lines_of_a_long_document_are_not_kept() -> None:
    documents = Documents()
    tracemalloc.start()
    for n in range(10, 22):
        documents.lines(b'["' * (n == 10) + b"%d" % n * (1 << 19) + b'\\n", "', is_last=False)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 6 << 20
