"""Whether this machine is still the one that it was. No I/O: `look` is passed in.

Two copies of one snapshot share boot id, machine id, kernel log and spool, so what they count must not share a series.
The kernel says that its machine was forked, but on many platforms it says so at every resume of the only copy: only a
difference of the identity counts (or each line, where the user says so).

Rules:
- The platform may give a copy its name some time after it has let it run: the identity is looked at for a minute.
- An identity that cannot be told at the moment is no difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from otel_oom.checkpoint import Origin
from otel_oom.host import Identity

SETTLES_S: Final = 60.0


class Forks:
    """identity: who this machine is at first; look: who it is now, None where that cannot be told at the moment.

    is_always: each line makes another machine; of_its_own: makes the part of an id that no other copy has, or none
    """

    def __init__(
        self,
        identity: Identity,
        look: Callable[[], Identity | None],
        *,
        is_always: bool,
        of_its_own: Callable[[], str],
    ) -> None:
        self._identity = identity
        self._look = look
        self._is_always = is_always
        self._of_its_own = of_its_own
        self._until_s = -math.inf

    def moved(self, now_s: float, *, is_forked: bool) -> Origin | None:
        """As whom the agent sends from now on, if this machine is another one; now_s: a monotonic clock."""
        if is_forked:
            self._until_s = now_s + SETTLES_S
        if now_s > self._until_s:
            return None
        before, self._identity = self._identity, self._look() or self._identity
        is_another = self._identity.instance_id != before.instance_id or (is_forked and self._is_always)
        return self._identity.origin(of_its_own=self._of_its_own()) if is_another else None
