"""Table of the settings of otel-oom alone: flag, environment variable, default and meaning of each.

The flags of the command line, the reading of the variables and docs/configuration.md are made from this table and from
`standard_variables`.

Rules:
- A setting is defined in one of the two, and nowhere else.
- An invalid value stops the start, because these variables are set for this agent alone.
- No I/O.
"""

from __future__ import annotations

from typing import Final

from otel_oom.config.setting import STOPS, Setting
from otel_oom.config.standard_variables import STANDARD

DEVICE: Final = Setting(
    "OTEL_OOM_DEVICE",
    "/dev/kmsg",
    "kernel log device to read; in a container, the path at which the host's /dev/kmsg is mounted; `/dev/stdin`: the"
    " one that a service manager opened, so that the agent needs no permission to open it",
    flag="--device",
    metavar="PATH",
)
FROM_RING: Final = Setting(
    "OTEL_OOM_FROM_RING",
    "false",
    "at the first start, also deliver the kills of this boot that the kernel log still holds, marked `oom.backlog`;"
    " a restart always continues where the previous run stopped",
    STOPS,
    flag="--from-ring",
)
SPOOL: Final = Setting(
    "OTEL_OOM_SPOOL",
    "",
    "directory in which undelivered events and the counters survive a restart; `none` keeps them in memory only",
    STOPS,
    default_note="`$STATE_DIRECTORY`, else `/var/lib/otel-oom`, else (not root) `~/.local/state/otel-oom`",
    flag="--spool",
    metavar="DIRECTORY",
)
SPOOL_REQUIRED: Final = Setting(
    "OTEL_OOM_SPOOL_REQUIRED",
    "false",
    "exit with code 73 if the spool cannot be opened, instead of running from memory",
    STOPS,
    flag="--spool-required",
)
OOM_SCORE_ADJ: Final = Setting(
    "OTEL_OOM_SCORE_ADJ",
    "-999",
    "oom_score_adj of the agent itself, from -1000 (the OOM killer never chooses it) to 1000 (it is chosen first)",
    STOPS,
    flag="--oom-score-adj",
    metavar="N",
)
IDENTITY_FILE: Final = Setting(
    "OTEL_OOM_IDENTITY_FILE",
    "",
    "file whose text distinguishes copies of this machine, in addition to host name and machine id",
    STOPS,
    flag="--identity-file",
    metavar="PATH",
)
FORK_IDENTITY: Final = Setting(
    "OTEL_OOM_FORK_IDENTITY",
    "changed",
    "when the kernel reports that the virtual machine was forked, take a new service.instance.id:"
    " `changed` only if host name, machine id or identity file changed, `always` at every fork",
    STOPS,
    flag="--fork-identity",
    metavar="WHEN",
    choices=("changed", "always"),
)
COMMAND_LINE: Final = Setting(
    "OTEL_OOM_COMMAND_LINE",
    "false",
    "add the victim's command line if /proc still has it; a command line may contain secrets",
    STOPS,
    flag="--command-line",
)
CGROUPFS: Final = Setting(
    "OTEL_OOM_CGROUPFS",
    "/",
    "where to look for the host's cgroup filesystem: mounts at this path or below it; in a container, the path at which"
    " the host's /sys/fs/cgroup is mounted",
    STOPS,
    flag="--cgroupfs",
    metavar="PATH",
)
LOG_KILLS: Final = Setting(
    "OTEL_OOM_LOG_KILLS",
    "true",
    "write one line for each kill to standard error, at most 10 in 5 s; a line then says how many more there were",
    STOPS,
    flag="--log-kills",
)
LOG_FORMAT: Final = Setting(
    "OTEL_OOM_LOG_FORMAT",
    "auto",
    "form of the agent's lines on standard error: `text`; `json`, one object a line, with the time (RFC 3339, UTC);"
    " `auto`: with the priorities of sd-daemon(3) if standard error is the journal's, else `text`",
    STOPS,
    flag="--log-format",
    metavar="FORMAT",
    choices=("auto", "text", "json"),
)

#: Settings of otel-oom alone, in the order of the help.
OWN: Final = (
    DEVICE,
    FROM_RING,
    SPOOL,
    SPOOL_REQUIRED,
    OOM_SCORE_ADJ,
    IDENTITY_FILE,
    FORK_IDENTITY,
    COMMAND_LINE,
    CGROUPFS,
    LOG_KILLS,
    LOG_FORMAT,
)

#: All settings with a flag, in the order of the help.
WITH_FLAG: Final = (*OWN, *(item for item in STANDARD if item.flag))
