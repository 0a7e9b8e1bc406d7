"""Runs `otel-oom check --live` with the settings of `otel-oom run`."""

from __future__ import annotations

import argparse
import os

from otel_oom.check import live
from otel_oom.config import options
from otel_oom.config.flags import with_flags
from otel_oom.config.spool_directory import spool_directory


def run(arguments: argparse.Namespace) -> int:
    """Run the check and print its result. Returns 0, or 1 if something is not as it must be. Raises: UsageError."""
    env = with_flags(os.environ, {setting.name: getattr(arguments, setting.name) for setting in options.WITH_FLAG})
    return live.run(spool_directory(env, is_root=os.geteuid() == 0), is_json=arguments.output == "json")
