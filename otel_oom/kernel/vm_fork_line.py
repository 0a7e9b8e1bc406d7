"""The line by which the kernel reports that its virtual machine was forked. No I/O."""

from __future__ import annotations

from typing import Final

from otel_oom.kernel.kmsg_record import FACILITY_KERNEL, Record

# random: crng reseeded due to virtual machine fork             (5.18+ with CONFIG_VMGENID: drivers/char/random.c)
# Many platforms give a machine a new generation id at every resume, so it does not prove that a second copy exists.
VM_FORK: Final = "random: crng reseeded due to virtual machine fork"


def is_vm_fork(record: Record) -> bool:
    """Return whether the kernel wrote this line. User space can write the same text with another facility."""
    return record.facility == FACILITY_KERNEL and record.text == VM_FORK
