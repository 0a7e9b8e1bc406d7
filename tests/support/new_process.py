"""Runs a script in a new Python process, for state that a whole process has: modules, limits, threads."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from support.agents import environment

_BEGINNING = """
import ctypes, json, os, resource, sys, threading
from pathlib import Path
def answer(value): print(json.dumps(value))
def status(name): return next(
    int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))
def drop_capability(number):  # PR_CAPBSET_DROP would take effect at an exec only: capset(2) does at once
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, data) == 0
    for word in (0, 1, 2):  # effective, permitted, inheritable
        data[3 * (number // 32) + word] &= ~(1 << number % 32)
    assert libc.capset(header, data) == 0
"""


def answer(script: str) -> Any:
    """Run a script, and return the value that it passes to `answer`."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _BEGINNING + script],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
