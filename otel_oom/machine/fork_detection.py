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

from otel_oom.machine.identity import MachineIdentity
from otel_oom.totals import ResourceIdentity

SETTLES_S: Final = 60.0
_UUID_CHARACTERS: Final = 36


class ForkDetection:
    """look: who this machine is now, None where that cannot be told at the moment; it does not wait for a disk.

    is_always: each line makes another machine; unique_suffix: makes the part of an id that no other copy has, or none
    now_s: of the start, by a monotonic clock
    """

    def __init__(
        self,
        look: Callable[[], MachineIdentity | None],
        *,
        is_always: bool,
        unique_suffix: Callable[[], str],
        now_s: float,
    ) -> None:
        self._look = look
        self._is_always = is_always
        self._unique_suffix = unique_suffix
        self._until_s = now_s + SETTLES_S

    def changed_identity(self, identity: ResourceIdentity, now_s: float, *, is_forked: bool) -> ResourceIdentity | None:
        """As whom the agent sends from now on, if this machine is another one than `identity` says."""
        if is_forked:
            self._until_s = now_s + SETTLES_S
        if now_s > self._until_s:
            return None
        machine = self._look()
        is_told = machine is not None and (machine.machine_id or not identity.host_id)  # else it is written just now
        if machine and is_told and not identity.instance_id.startswith(machine.instance_id):
            return machine.resource_identity(unique_suffix=self._unique_suffix())
        if is_forked and self._is_always:
            same = identity.instance_id[:_UUID_CHARACTERS]
            return replace(identity, instance_id=f"{same}-{self._unique_suffix()}")
        return None
