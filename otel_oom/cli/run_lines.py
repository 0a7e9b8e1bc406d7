"""Lines of `otel-oom run` about its spool and its deliveries, at the start and at the stop. No I/O.

otel-oom 1.0.0, pid 4711, Linux 6.18.5, Python 3.11.2
spool /var/lib/otel-oom; 3 undelivered event(s), counting goes on from 17 kill(s)
…
delivered 12 event(s) since the start
1 undelivered event(s) and the counts stay in the spool /var/lib/otel-oom for the next start
"""

from __future__ import annotations

from dataclasses import dataclass

from otel_oom import __version__


@dataclass(frozen=True, slots=True)
class SpoolState:
    """What the spool holds.

    directory: None without a spool; is_written: all undelivered events are on disk
    pending: undelivered events; kills: counted in the totals that go on
    """

    directory: str | None
    is_written: bool
    pending: int
    kills: int


@dataclass(frozen=True, slots=True)
class StopLine:
    """One line of a stop. is_loss: what it names is lost."""

    text: str
    is_loss: bool = False


def version_line(pid: int) -> str:
    """Which program runs."""
    import platform  # the SDK has loaded it by then; the other commands start without it

    return f"otel-oom {__version__}, pid {pid}, Linux {platform.release()}, Python {platform.python_version()}"


def spool_line(spool: SpoolState) -> str:
    """What this start takes over."""
    if spool.directory is None:
        where = "no spool: undelivered events and counts end with this process"
    elif spool.is_written:
        where = f"spool {spool.directory}"
    else:
        where = f"spool {spool.directory} (not open yet)"
    counting = f"counting goes on from {spool.kills} kill(s)" if spool.kills else "counting begins at 0 kills"
    return f"{where}; {spool.pending} undelivered event(s), {counting}"


def stop_lines(spool: SpoolState, delivered: int, *, has_delivered_totals: bool) -> list[StopLine]:
    """What was delivered, and what becomes of the rest.

    delivered: events since the start; has_delivered_totals: a collector acknowledged the newest counts
    """
    is_counted = has_delivered_totals or not spool.kills
    left = [
        *([f"{spool.pending} undelivered event(s)"] if spool.pending else []),
        *([] if is_counted else [f"the newest counts ({spool.kills} kill(s) in all)"]),
    ]
    lines = [StopLine(f"delivered {delivered} event(s) since the start{'' if left else '; nothing is left'}")]
    if not left:
        return lines
    if spool.directory is None:
        loss = f"gave up {' and '.join(left)}: they were in memory only; name a directory with --spool to keep them"
        return [*lines, StopLine(loss, is_loss=True)]
    if not spool.is_written:
        loss = f"gave up {' and '.join(left)}: the spool {spool.directory} could not be written; repair its disk"
        return [*lines, StopLine(loss, is_loss=True)]
    return [*lines, StopLine(f"{' and '.join(left)} stay in the spool {spool.directory} for the next start")]
