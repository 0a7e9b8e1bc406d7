r"""Tells systemd, or another service manager, the state of this agent: sd_notify(3), without libsystemd.

    READY=1\nSTATUS=watching /dev/kmsg        the kernel log is open; `systemctl start` returns
    WATCHDOG=1                               the reading loop completed a turn (WatchdogSec= in the unit)
    STOPPING=1\nSTATUS=…                      a signal asked for a stop

Rules:
- No message waits: a manager that does not read its socket must not stop the reading of the kernel log.
- The watchdog adds no timer. The loop calls `turned` after each turn, and bounds its waits by `longest_wait_s`.
- The variables are removed from the environment, because later processes must not use them.

Source: sd_notify(3), sd_watchdog_enabled(3). `vsock:` addresses are for virtual machines, and are not used.
"""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import MutableMapping
from typing import Final

log = logging.getLogger(__name__)

# A message is due after a third, and a wait lasts a third at most: so two thirds pass at most between two messages.
_DUE: Final = 3.0


class ServiceManager:
    """Sends the state to the address of a service manager.

    address: a path, or a name in the abstract namespace that begins with `@`; None: there is no service manager
    watchdog_s: without a message for so long the manager restarts this process; None: it does not
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address and address[0] == "@" else address
        self._due_s = 0.0
        self._has_failed = False
        self.longest_wait_s = math.inf if watchdog_s is None or address is None else watchdog_s / _DUE
        """How long the loop may wait without a turn, s."""

    def ready(self, status: str) -> None:
        """The agent watches the kernel log. status: one line for `systemctl status`."""
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self, status: str) -> None:
        """The agent stops."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def turned(self, now_s: float) -> None:
        """The loop completed a turn. Tells it to the watchdog, if that is due. now_s: a monotonic clock."""
        if self.longest_wait_s < math.inf and now_s >= self._due_s:
            self._due_s = now_s + self.longest_wait_s
            self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        """Send a message. A failure is logged once, until a message was sent again."""
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(state.encode("utf-8", "replace"), socket.MSG_DONTWAIT, self._address)
        except OSError as error:
            self._due_s = 0.0  # the next turn tries again
            if not self._has_failed:
                log.warning(
                    "the service manager does not take the state of this agent (%s), and may restart it; "
                    "set NotifyAccess=main in its unit, or Type=exec without WatchdogSec=",
                    error.strerror or error,
                )
            self._has_failed = True
        else:
            self._has_failed = False


NO_SERVICE_MANAGER: Final = ServiceManager()


def find_service_manager(environ: MutableMapping[str, str], pid: int) -> ServiceManager:
    """Return the service manager of this process, and remove its variables. pid: of this process.

    An address that is neither a path nor abstract, and a watchdog of another process, are ignored.
    """
    address = environ.pop("NOTIFY_SOCKET", "")
    watchdog_us, watchdog_pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", str(pid))
    if address[:1] not in {"/", "@"} or len(address) < 2:
        if address:
            log.warning("NOTIFY_SOCKET is neither a path nor an abstract name, and is not used")
        return NO_SERVICE_MANAGER
    is_watched = watchdog_us.isascii() and watchdog_us.isdigit() and int(watchdog_us) > 0 and watchdog_pid == str(pid)
    return ServiceManager(address, int(watchdog_us) / 1e6 if is_watched else None)
