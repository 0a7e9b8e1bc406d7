"""The facts that the rules of `oom_reason` look at, the form of a rule, and how sizes and names are written. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from otel_oom.kernel.kill_context import Context
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.telemetry.container_from_cgroup import Owner
from otel_oom.telemetry.memory_parts import Parts

MAX_NAME_CHARS: Final = 48
MAX_PATH_CHARS: Final = 80
NEARLY_ALL: Final = 0.9
"""A limit is full from this share on: other CPUs may give memory back before the kernel prints the usage."""
_SYSRQ_ORDER: Final = -1
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the conditions look at.

    cgroup: path of the victim's cgroup, printable; owner: read out of it; parts: see `memory_parts`
    """

    kill: OomKill
    owner: Owner
    cgroup: str | None
    parts: Parts | None

    @property
    def context(self) -> Context:
        """The facts of the report."""
        return self.kill.context

    @property
    def is_system(self) -> bool:
        """Whether the machine was out of memory, and not a cgroup."""
        return self.kill.scope == "system"

    @property
    def is_sysrq(self) -> bool:
        """Whether SysRq-f asked for the kill (kernels from 4.1 on print it)."""
        return self.is_system and self.context.trigger_order == _SYSRQ_ORDER

    @property
    def largest(self) -> str | None:
        """The largest part of the memory, if the report prints them."""
        return self.parts.sizes[0][0] if self.parts and self.parts.sizes else None


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on the facts, and words.

    name: for tests; when: the condition in words, for docs/parse.md; holds: the condition
    words: a part of the sentence, only called if it holds
    """

    name: str
    when: str
    holds: Callable[[Facts], bool]
    words: Callable[[Facts], str]


def size(value: int) -> str:
    """Return bytes with three digits, or four before the next unit: `498 MiB`, `1.45 GiB`, `1020 MiB`."""
    amount, unit = float(value), 0
    while amount >= 1023.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.0f} {_UNITS[unit]}" if amount >= 99.95 else f"{amount:.3g} {_UNITS[unit]}"


def shortened(text: str, most: int) -> str:
    """Return the end of a text: the last names of a path are those that tell."""
    return text if len(text) <= most else f"…{text[1 - most :]}"
