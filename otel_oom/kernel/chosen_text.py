r"""Text in facility 0 that a user chose: what shows it. No I/O.

In these lines a user chooses how the record begins:

    <name>[7]: segfault at 0 ip …                 any user: 15 bytes (arch/x86/mm/fault.c and about 20 other places)
    <source>: Can't lookup blockdev               CAP_SYS_ADMIN: 4 KiB, KERN_ERR (fs/super.c, fs/fs_context.c)
    <prefix>IN=lo OUT= MAC=… SRC=127.0.0.1 …      CAP_NET_ADMIN: 127 bytes, any level (net/netfilter/nf_log_syslog.c)

Rules:
- The kernel's words behind the chosen text are a proof, but not for a mount: printk cuts a text that is longer than
  LOG_LINE_MAX, and then removes each `\x01` with a digit or `c` at its start. So a source of 1 KiB gives a record of
  any length without a word of the kernel. (Measured on 6.18; printk_parse_prefix() in kernel/printk/printk.c.)
- The level is a proof: the first level wins, and a failed mount prints KERN_ERR. Of an OOM report only the kill line,
  and the announcement before it (until 5.0), have that level. So CAP_SYS_ADMIN can still forge a kill line.
- In a user namespace of their own, users choose no beginning by a mount: `ext4: Unknown parameter '…'`.
- `\x01c` at the start of a chosen text makes the record a fragment.
- Names of network interfaces begin lines too, but hold no blank, `/` or `:`. No line of a report begins so.
- Lines without a level of their own have the default one: stack, Mem-Info, and pieces of a line. It is 4, but
  `kernel.printk = 3 3 3 3` makes it KERN_ERR. Then no pieces are joined: a line in pieces gives no fact.
"""

from __future__ import annotations

import re
from typing import Final

from otel_oom.kernel.kmsg_record import Record

_KERN_ERR: Final = 3
FOREIGN_WORDS: Final = r"(?:: (?!c|$)|IN=[^ ]{0,60} OUT=)"
"""Pattern of what follows a chosen text, as above. Statistics hold `: cache:` (until 5.2); terminals cut after `: `."""
_FOREIGN: Final = re.compile(FOREIGN_WORDS)


def has_mount_level(record: Record) -> bool:
    """Return whether a record has the level of a failed mount, KERN_ERR."""
    return record.priority & 7 == _KERN_ERR


def has_foreign_words(text: str) -> bool:
    """Return whether a text holds words that follow a chosen text.

    The name of a cgroup may hold them too. Then its line gives no fact.
    """
    return _FOREIGN.search(text) is not None
