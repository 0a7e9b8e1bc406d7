"""memory.oom.group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from otel_oom.kernel.oom_kill import OomKill

EPISODE_US: Final = 5_000_000


@dataclass(slots=True)
class Episode:
    """A kill whose group, if it has one, may still be dying.

    pids: whose second line is a repeat; begin_us: envelope time of the first kill that is remembered here
    begin: sequence of the first record of its report
    """

    first: OomKill
    pids: frozenset[int]
    begin_us: int
    begin: int
    is_group: bool = False
    lost: bool = False
