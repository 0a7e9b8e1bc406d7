"""Renders /etc/otel-oom/otel-oom.env: each setting as a comment with its meaning and its default. No I/O."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from otel_oom.config.options import DEVICE, OWN
from otel_oom.config.setting import Setting
from otel_oom.config.standard_variables import STANDARD

_HEAD = """\
# Settings of otel-oom.service (EnvironmentFile=). systemd reads this file as root, so a key may stand here: chmod 600.
# Remove the # before a variable to set it, then run: systemctl restart otel-oom
# One variable a line, without `export`; quotes as in a shell; $ is not expanded.
"""


def environment_file() -> str:
    """The whole file. A flag of the unit's command wins over a variable: so the device is left out."""
    parts = [_HEAD, *_section("OpenTelemetry", STANDARD), *_section("otel-oom", [one for one in OWN if one != DEVICE])]
    return "\n".join(parts)


def _section(title: str, settings: Iterable[Setting]) -> Iterable[str]:
    yield f"# ---- {title} ----\n"
    for one in settings:
        default = one.default_note or one.default
        text = f"{one.meaning} (default: {default})" if default else one.meaning
        comment = "\n".join(textwrap.wrap(text[0].upper() + text[1:] + ".", 117, break_long_words=False))
        yield textwrap.indent(comment, "# ") + f"\n#{one.variable}={one.default}\n"
