"""Whether this machine is still the one that it was. No I/O, no clock: `look` is passed in.

Two copies of one snapshot share boot id, machine id, kernel log and spool, so what they count must not share a series.
The kernel says that its machine was forked, but on many platforms it says so at every resume of the only copy: only a
difference of the identity counts (or each line, where the user says so).

Rules:
- The platform may give a copy its name some time after it has let it run: the identity is looked at for a minute, after
  a fork and after the agent's start.
- An identity that cannot be told at the moment is no difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from otel_oom.checkpoint import Origin
from otel_oom.host import Identity

SETTLES_S: Final = 60.0
_UUID_CHARACTERS: Final = 36


class Forks:
    """look: who this machine is now, None where that cannot be told at the moment; it does not wait for a disk.

    is_always: each line makes another machine; of_its_own: makes the part of an id that no other copy has, or none
    now_s: of the start, by a monotonic clock
    """

    def __init__(
        self,
        look: Callable[[], Identity | None],
        *,
        is_always: bool,
        of_its_own: Callable[[], str],
        now_s: float,
    ) -> None:
        self._look = look
        self._is_always = is_always
        self._of_its_own = of_its_own
        self._until_s = now_s + SETTLES_S

    def moved(self, origin: Origin, now_s: float, *, is_forked: bool) -> Origin | None:
        """As whom the agent sends from now on, if this machine is another one than `origin` says."""
        if is_forked:
            self._until_s = now_s + SETTLES_S
        if now_s > self._until_s:
            return None
        identity = self._look()
        is_told = identity is not None and (identity.machine_id or not origin.host_id)  # else it is written just now
        if identity and is_told and not origin.instance_id.startswith(identity.instance_id):
            return identity.origin(of_its_own=self._of_its_own())
        if is_forked and self._is_always:
            same = origin.instance_id[:_UUID_CHARACTERS]
            return replace(origin, instance_id=f"{same}-{self._of_its_own()}")
        return None
