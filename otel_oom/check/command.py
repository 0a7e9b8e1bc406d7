"""Runs `otel-oom check` with the settings of `otel-oom run`."""

from __future__ import annotations

import argparse
import os

from otel_oom.check import live
from otel_oom.config import options
from otel_oom.config.flags import with_flags
from otel_oom.config.spool_directory import spool_directory


def run(arguments: argparse.Namespace) -> int:
    """Run the checks and print their results. Returns 0, or 1 if one has failed. Raises: UsageError."""
    flags = {setting.name: getattr(arguments, setting.name) for setting in options.WITH_FLAG}
    is_root, is_json = os.geteuid() == 0, arguments.output == "json"
    if arguments.live:
        return live.run(spool_directory(with_flags(os.environ, flags), is_root=is_root), is_json=is_json)
    from otel_oom.check import preconditions  # with the SDK, which `--live` does not need

    return preconditions.run(flags, is_root=is_root, is_json=is_json)
