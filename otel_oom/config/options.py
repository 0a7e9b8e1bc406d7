"""Table of every setting of `otel-oom run`: its flag, its environment variable, its default and its meaning.

The flags of the command line, the reading of the variables and docs/configuration.md are made from this table.
Sources: OpenTelemetry environment variable specification; OTLP exporter specification.

Rules:
- A setting is defined here and nowhere else.
- No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

_OTLP: Final = "OTEL_EXPORTER_OTLP_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    variable: name of the environment variable
    default: the value that applies without it, as a user would write it; empty if there is none
    default_note: the default in words, where it depends on something else
    meaning: one phrase that starts in lower case
    flag: of `otel-oom run`; empty for a variable without a flag
    metavar: what the help calls the value of the flag; empty for a flag that is on or off
    choices: the words that are allowed; empty if the value is no fixed word
    difference: how the behaviour differs from the OpenTelemetry specification; empty if it is the same
    """

    variable: str
    default: str
    meaning: str
    default_note: str = ""
    flag: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    difference: str = ""

    @property
    def name(self) -> str:
        """Name of the flag's value in Python, such as `from_ring`."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def is_per_signal(self) -> bool:
        """Whether OTEL_EXPORTER_OTLP_LOGS_… and OTEL_EXPORTER_OTLP_METRICS_… override it for their signal."""
        return self.variable.startswith(_OTLP) and not self.variable.startswith(f"{_OTLP}METRICS_")

    def variables(self, signal: str = "") -> tuple[str, ...]:
        """The variables to look at, the one that wins first. signal: `logs` or `metrics`."""
        if not (self.is_per_signal and signal):
            return (self.variable,)
        return self.variable.replace(_OTLP, f"{_OTLP}{signal.upper()}_"), self.variable


DEVICE: Final = Setting(
    "OTEL_OOM_DEVICE",
    "/dev/kmsg",
    "kernel log device to read; in a container, the path at which the host's /dev/kmsg is mounted",
    flag="--device",
    metavar="PATH",
)
FROM_RING: Final = Setting(
    "OTEL_OOM_FROM_RING",
    "false",
    "at the first start, also deliver the kills of this boot that the kernel log still holds, marked `oom.backlog`;"
    " a restart always continues where the previous run stopped",
    flag="--from-ring",
)
SPOOL: Final = Setting(
    "OTEL_OOM_SPOOL",
    "",
    "directory in which undelivered events and the counters survive a restart; `none` keeps them in memory only",
    default_note="`$STATE_DIRECTORY`, else `/var/lib/otel-oom`, else (not root) `~/.local/state/otel-oom`",
    flag="--spool",
    metavar="DIRECTORY",
)
SPOOL_REQUIRED: Final = Setting(
    "OTEL_OOM_SPOOL_REQUIRED",
    "false",
    "exit with code 73 if the spool cannot be opened, instead of running from memory",
    flag="--spool-required",
)
OOM_SCORE_ADJ: Final = Setting(
    "OTEL_OOM_SCORE_ADJ",
    "-999",
    "oom_score_adj of the agent itself, from -1000 (the OOM killer never chooses it) to 1000 (it is chosen first)",
    flag="--oom-score-adj",
    metavar="N",
)
IDENTITY_FILE: Final = Setting(
    "OTEL_OOM_IDENTITY_FILE",
    "",
    "file whose text distinguishes copies of this machine, in addition to host name and machine id",
    flag="--identity-file",
    metavar="PATH",
)
FORK_IDENTITY: Final = Setting(
    "OTEL_OOM_FORK_IDENTITY",
    "changed",
    "when the kernel reports that the virtual machine was forked, take a new service.instance.id:"
    " `changed` only if host name, machine id or identity file changed, `always` at every fork",
    flag="--fork-identity",
    metavar="WHEN",
    choices=("changed", "always"),
)
COMMAND_LINE: Final = Setting(
    "OTEL_OOM_COMMAND_LINE",
    "false",
    "add the victim's command line if /proc still has it; a command line may contain secrets",
    flag="--command-line",
)

#: Settings of otel-oom alone, in the order of the help.
OWN: Final = (DEVICE, FROM_RING, SPOOL, SPOOL_REQUIRED, OOM_SCORE_ADJ, IDENTITY_FILE, FORK_IDENTITY, COMMAND_LINE)

ENDPOINT: Final = Setting(
    f"{_OTLP}ENDPOINT",
    "http://localhost:4318",
    "URL of the collector. Over HTTP, `/v1/logs` and `/v1/metrics` are appended to its path; the URL of one signal is"
    " used as it is. gRPC also takes its own forms, such as `unix:///run/collector.sock` and `dns:///host:4317`",
    default_note="`http://localhost:4318`, with gRPC `http://localhost:4317`",
)
PROTOCOL: Final = Setting(
    f"{_OTLP}PROTOCOL",
    "http/protobuf",
    "`http/protobuf` or `grpc`",
    choices=("grpc", "http/protobuf"),
    difference="`http/json` is refused at the start",
)
TIMEOUT: Final = Setting(
    f"{_OTLP}TIMEOUT",
    "4000",
    "time limit of one request with its answer, in milliseconds; `0`: one hour",
    difference="the specification's default is 10000, and its `0` is no limit",
)
COMPRESSION: Final = Setting(
    f"{_OTLP}COMPRESSION",
    "none",
    "`none` or `gzip`; over HTTP also `deflate`",
    choices=("none", "gzip", "deflate"),
)
INSECURE: Final = Setting(
    f"{_OTLP}INSECURE",
    "false",
    "`true`: no TLS for a gRPC endpoint that is written without `http://` or `https://`",
    difference="a unix socket has no TLS unless `false` is set",
)
_ONE_EXPORTER: Final = "one exporter; a list is refused at the start"
LOGS_EXPORTER: Final = Setting(
    "OTEL_LOGS_EXPORTER",
    "otlp",
    "where the events go: `otlp`, `console` (standard output) or `none`",
    choices=("otlp", "console", "none"),
    difference=_ONE_EXPORTER,
)
METRICS_EXPORTER: Final = replace(
    LOGS_EXPORTER, variable="OTEL_METRICS_EXPORTER", meaning=LOGS_EXPORTER.meaning.replace("events", "metrics")
)
METRIC_EXPORT_INTERVAL: Final = Setting(
    "OTEL_METRIC_EXPORT_INTERVAL",
    "60000",
    "time between two heartbeats, in milliseconds",
    difference="a kill is exported at once, without waiting for the interval",
)
SDK_DISABLED: Final = Setting("OTEL_SDK_DISABLED", "false", "`true`: nothing is exported")

#: Variables of the OpenTelemetry specification that work, in the order of the documentation.
#: Those without a name of their own are read by the exporters and by the SDK.
STANDARD: Final = (
    ENDPOINT,
    PROTOCOL,
    Setting(
        f"{_OTLP}HEADERS",
        "",
        "headers of every request, such as the key of a backend: `x-honeycomb-team=…`",
    ),
    TIMEOUT,
    COMPRESSION,
    Setting(
        f"{_OTLP}CERTIFICATE",
        "",
        "file with the CA certificates (PEM) that the collector's certificate is checked against",
        default_note="those of the system",
    ),
    Setting(f"{_OTLP}CLIENT_CERTIFICATE", "", "file with the client's certificate (PEM), for mutual TLS"),
    Setting(f"{_OTLP}CLIENT_KEY", "", "file with its private key (PEM, without a passphrase)"),
    INSECURE,
    Setting(
        f"{_OTLP}METRICS_TEMPORALITY_PREFERENCE",
        "cumulative",
        "`cumulative`: counters are exported as totals; `delta`: as increases; `lowmemory`: as totals",
    ),
    LOGS_EXPORTER,
    METRICS_EXPORTER,
    METRIC_EXPORT_INTERVAL,
    Setting(
        "OTEL_RESOURCE_ATTRIBUTES",
        "",
        "attributes of the resource, such as `host.name=…`; they override those of the agent",
    ),
    Setting("OTEL_SERVICE_NAME", "otel-oom", "`service.name` of the resource"),
    Setting("OTEL_ATTRIBUTE_COUNT_LIMIT", "128", "greatest number of attributes of a log record"),
    Setting(
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "",
        "greatest length of an attribute's text, in characters; below 36 it also cuts `log.record.uid`",
    ),
    SDK_DISABLED,
)


def own_settings() -> str:
    """The settings of otel-oom alone as a Markdown table."""
    return _table(
        ("flag of `run`", "variable", "default", "meaning"),
        (
            (f"`{item.flag} {item.metavar}`".replace(" `", "`"), f"`{item.variable}`", _default(item), item.meaning)
            for item in OWN
        ),
    )


def standard_variables() -> str:
    """The variables of the OpenTelemetry specification that work, as a Markdown table."""
    return _table(
        ("variable", "default", "per signal", "meaning", "difference from the specification"),
        (
            (
                f"`{item.variable}`",
                _default(item),
                "yes" if item.is_per_signal else "",
                item.meaning,
                item.difference,
            )
            for item in STANDARD
        ),
    )


def _default(item: Setting) -> str:
    return item.default_note or (f"`{item.default}`" if item.default else "")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows))
