"""A report's lines in the forms in which incidents leave them: exports of log stores, tools, mails, events.

Sources: Grafana `logs/utils.ts` (txt, csv, json), Loki's and CloudWatch's API references, logcli, the file exporter of
the Collector, ansible's callback `json`, `kubectl logs --help`, docker compose, Datadog's log explorer, fluent-bit's
`out_stdout`, Android's `logcat -v threadtime` and vendors' printk, grep(1), fold(1).
"""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Callable, Sequence

Form = Callable[[Sequence[str]], bytes]

NS = 1_795_929_538_000_000_000
ISO = "2026-11-29T05:18:58"
SYSLOG = "Nov 29 05:18:58 node1 kernel: "


def _each(head: str, tail: str = "") -> Form:
    """Every line behind a prefix; `%d` in it is the number of the line."""
    return lambda lines: "".join(
        f"{head.replace('%d', str(n))}{line}{tail}\n" for n, line in enumerate(lines, 1)
    ).encode()


def _json_of(records: Callable[[Sequence[str]], object], indent: int | None = None, *, is_compact: bool = True) -> Form:
    separators = (",", ":") if is_compact and indent is None else None
    return lambda lines: json.dumps(records(lines), indent=indent, separators=separators).encode() + b"\n"


def _json_lines(record: Callable[[int, str], object]) -> Form:
    return lambda lines: "".join(json.dumps(record(n, line)) + "\n" for n, line in enumerate(lines)).encode()


def _csv(row: Callable[[int, str], Sequence[str]], header: str, *, quotes_all: bool = True) -> Form:
    def form(lines: Sequence[str]) -> bytes:
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL if quotes_all else csv.QUOTE_MINIMAL).writerows(
            [header.split(","), *(row(n, line) for n, line in enumerate(lines))]
        )
        return text.getvalue().encode()

    return form


def _loki(lines: Sequence[str]) -> object:
    values = [[str(NS + n), line] for n, line in enumerate(lines)]
    stream = {"stream": {"job": "kern", "host": "node1"}, "values": values}
    return {"status": "success", "data": {"resultType": "streams", "result": [stream], "stats": {}}}


def _cloudwatch(lines: Sequence[str]) -> object:
    events = [
        {"logStreamName": "i-0a", "timestamp": NS // 10**6 + n, "message": line, "ingestionTime": 1, "eventId": str(n)}
        for n, line in enumerate(lines)
    ]
    return {"events": events, "searchedLogStreams": []}


def _otelcol(lines: Sequence[str]) -> object:
    records = [
        {
            "observedTimeUnixNano": str(NS + n),
            "body": {"stringValue": line},
            "attributes": [{"key": "log.file.name", "value": {"stringValue": "kern.log"}}],
            "traceId": "",
            "spanId": "",
        }
        for n, line in enumerate(lines)
    ]
    return {"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": records}]}]}


def _ansible(lines: Sequence[str]) -> dict[str, object]:
    return {"changed": True, "cmd": "dmesg", "rc": 0, "stdout": "\n".join(lines), "stdout_lines": list(lines)}


def _grafana(lines: Sequence[str]) -> object:
    return [
        {"line": line, "timestamp": str(NS + n), "date": f"{ISO}.000Z", "fields": {"job": "kern"}}
        for n, line in enumerate(lines)
    ]


def _wrapped(columns: int) -> Form:
    """As fold(1): every line is cut after so many columns."""

    def form(lines: Sequence[str]) -> bytes:
        return "".join(
            f"{line[at : at + columns]}\n" for line in lines for at in range(0, max(1, len(line)), columns)
        ).encode()

    return form


def _mailed(columns: int, quote: str = "") -> Form:
    """As mail programs do: lines are broken at blanks."""

    def form(lines: Sequence[str]) -> bytes:
        return "".join(
            f"{quote}{part}\n"
            for line in lines
            for part in textwrap.wrap(line, columns, break_long_words=False, break_on_hyphens=False) or [""]
        ).encode()

    return form


def _of_syslog(form: Form) -> Form:
    return lambda lines: form([SYSLOG + line for line in lines])


FORMS: dict[str, Form] = {
    "plain": _each(""),
    "grafana txt": lambda lines: (
        b'Common labels: {"job":"kern"}\nLine limit: "1000 (9 displayed)"\n\n\n' + _each(f"{ISO}+01:00\t")(lines)
    ),
    "grafana csv": _csv(
        lambda n, line: ['{"job":"kern"}', f"{ISO}.000Z", line, str(NS + n), f"{NS + n}_ab"], "labels,Time,Line,tsNs,id"
    ),
    "grafana json": _json_of(_grafana),
    "grafana json, pretty": _json_of(_grafana, 2),
    "loki": _json_of(_loki),
    "loki, with blanks": _json_of(_loki, is_compact=False),
    "loki, pretty": _json_of(_loki, 2),
    "logcli": _each(f'{ISO}+01:00 {{filename="/var/log/kern.log", job="kern"}} '),
    "logcli jsonl": _json_lines(lambda _, line: {"labels": {"job": "kern"}, "line": line, "timestamp": f"{ISO}+01:00"}),
    "cloudwatch": _json_of(_cloudwatch),
    "cloudwatch, pretty": _json_of(_cloudwatch, 4),
    "otelcol": _json_of(_otelcol),
    "otelcol, pretty": _json_of(_otelcol, 2),
    "ansible": lambda lines: b"node1 | CHANGED => " + _json_of(_ansible, 4)(lines),
    "ansible, one line": lambda lines: b"PLAY [all] ***\n\nok: [node1] => " + _json_of(_ansible)(lines),
    "ansible, callback json": _json_of(
        lambda lines: {"plays": [{"tasks": [{"hosts": {"node1": _ansible(lines)}}]}]}, 4
    ),
    "elastic": _json_of(
        lambda lines: {
            "hits": {"hits": [{"_id": "a", "_source": {"@timestamp": ISO, "message": line}} for line in lines]}
        }
    ),
    "docker": _json_lines(lambda _, line: {"log": line + "\n", "stream": "stdout", "time": f"{ISO}.1Z"}),
    "json of a program": _json_lines(lambda n, line: {"n": n, "what": {"deep": [line]}}),
    "gcp, array": _json_of(
        lambda lines: [
            {"insertId": str(n), "jsonPayload": {"MESSAGE": line, "_TRANSPORT": "kernel"}, "timestamp": ISO}
            for n, line in enumerate(lines)
        ]
    ),
    "journal, array": _json_of(lambda lines: [{"_TRANSPORT": "kernel", "MESSAGE": line} for line in lines]),
    "journal, pretty": lambda lines: b"".join(
        json.dumps({"_TRANSPORT": "kernel", "MESSAGE": line}, indent="\t").encode() + b"\n" for line in lines
    ),
    "kubectl logs": _each(f"{ISO}.123456789Z "),
    "kubectl logs of a journal": _each(f"{ISO}.123456789Z {SYSLOG}"),
    "kubectl logs of a journal with a clock": _each(f"{ISO}.123456789Z Nov 29 05:18:58.123456 node1 kernel: "),
    "kubectl logs --prefix": _each(f"[pod/reader-x/main] {ISO}.123456789Z "),
    "docker compose": _each("klog-1  | "),
    "docker compose of syslog": _each(f"klog-1  | {SYSLOG}"),
    "datadog csv": _csv(lambda _, line: [f"{ISO}.000Z", "node1", "kernel", line], "Date,Host,Service,Message"),
    "datadog csv, quoted where needed": _csv(
        lambda _, line: [f"{ISO}.000Z", "node1", "kernel", line], "Date,Host,Service,Message", quotes_all=False
    ),
    "fluent-bit": lambda lines: "".join(
        f'[{n}] kube.kern: [[1795929538.{n:09}, {{}}], {{"log"=>{json.dumps(line)}}}]\n' for n, line in enumerate(lines)
    ).encode(),
    "fluent-bit 1": lambda lines: "".join(
        f'[{n}] kern: [1795929538.{n:09}, {{"priority"=>"6", "msg"=>{json.dumps(line)}}}]\n'
        for n, line in enumerate(lines)
    ).encode(),
    "logcat": _each("11-29 05:18:58.123     0     0 E         : "),
    "logcat of the kernel": _each("11-29 05:18:58.123     0     0 W kernel  : "),
    "grep -n": _each("%d:"),
    "grep -r": _each("/var/log/kern.log:"),
    "grep -rn": _each("var/log/kern.log.1:%d:"),
    "grep -C": _each("kern.log-%d-"),
    "grep -r of syslog": _each(f"/var/log/kern.log:{SYSLOG}"),
    "grep -n of syslog": _each(f"%d:{SYSLOG}"),
    "zgrep of syslog": _each(f"/var/log/syslog.2.gz:%d:{SYSLOG}"),
    "nl": lambda lines: "".join(f"{n:6}\t{line}\n" for n, line in enumerate(lines, 1)).encode(),
    "pdsh": _each("node1: "),
    "chat": _each("    "),
    "markdown": lambda lines: b"```\n" + _each("> ")(lines) + b"```\n",
    "html": lambda lines: b"<pre>" + _each("")(lines) + b"</pre>\n",
    "utf-16": lambda lines: "\n".join(lines).encode("utf-16"),
    "utf-16, no mark": lambda lines: "\r\n".join(lines).encode("utf-16-le"),
    "utf-16, big": lambda lines: "\r\n".join(lines).encode("utf-16-be"),
    "newest first": lambda lines: _each("")(lines[::-1]),
    "newest first, syslog": _of_syslog(lambda lines: _each("")(lines[::-1])),
    "newest first, loki": lambda lines: _json_of(_loki)(lines[::-1]),
    "newest first, grafana csv": lambda lines: FORMS["grafana csv"](lines[::-1]),
    "newest first, cloudwatch, pretty": lambda lines: _json_of(_cloudwatch, 4)(lines[::-1]),
    **{f"wrapped at {columns}": _wrapped(columns) for columns in (72, 78, 80, 100)},
    **{f"syslog wrapped at {columns}": _of_syslog(_wrapped(columns)) for columns in (76, 80, 132)},
    **{f"mailed at {columns}": _mailed(columns) for columns in (72, 78)},
    "mailed, quoted": _mailed(74, "> "),
    "mailed syslog": _of_syslog(_mailed(78)),
}
"""By name."""
