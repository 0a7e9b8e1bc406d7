"""Detects that this machine has another identity: it is a copy, made by a fork of a running VM. No I/O, no clock.

Two copies of one snapshot have the same boot id, machine id, kernel log and spool. Their counts must not be in one
series. The kernel logs the fork of its virtual machine, but on many platforms it logs that at every resume of the only
copy. So only a changed identity counts, or each such record if the user says so.

Rules:
- The platform may give a copy its name some time after the copy runs. The identity is read for a minute: every 5 s
  after a fork, and 0, 5, 10, 20, 40 and 60 s after the agent's start.
- An identity that cannot be read now is no change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from otel_oom.machine.identity import MachineIdentity
from otel_oom.totals import ResourceIdentity

IDENTITY_READ_S: Final = 60.0
_AFTER_START_S: Final = (0.0, 5.0, 10.0, 20.0, 40.0, IDENTITY_READ_S)
_AFTER_FORK_S: Final = tuple(5.0 * number for number in range(1, 13))


class ForkDetection:
    """Compares the identity under which the agent exports with the machine's.

    read_machine: the machine's identity, None where it cannot be read now, within 50 ms
    is_always: every fork record starts a new identity
    random_part: makes a part of the identity that no other copy has, or an empty text
    now_s: when the agent started, monotonic seconds
    """

    def __init__(
        self,
        read_machine: Callable[[], MachineIdentity | None],
        *,
        is_always: bool,
        random_part: Callable[[], str],
        now_s: float,
    ) -> None:
        self._read_machine = read_machine
        self._is_always = is_always
        self._random_part = random_part
        self._times_s = [now_s + after_s for after_s in _AFTER_START_S]

    @property
    def due_s(self) -> float:
        """When the identity is read next, monotonic seconds; inf: only after a fork."""
        return self._times_s[0] if self._times_s else math.inf

    def changed_identity(self, identity: ResourceIdentity, now_s: float, *, is_forked: bool) -> ResourceIdentity | None:
        """The new identity to export under, None if it has not changed or is not due. identity: the current one."""
        if is_forked:
            self._times_s = [now_s + after_s for after_s in _AFTER_FORK_S]
        elif now_s < self.due_s:
            return None
        else:
            self._times_s = [at_s for at_s in self._times_s if at_s > now_s]
        machine = self._read_machine()
        # Without a machine id, where there was one, the file is being written just now.
        is_readable = machine is not None and (machine.machine_id or not identity.host_id)
        if machine and is_readable and not identity.is_of_machine(machine.instance_ids):
            return machine.resource_identity(random_part=self._random_part())
        if is_forked and self._is_always:
            return identity.with_random_part(self._random_part())
        return None
