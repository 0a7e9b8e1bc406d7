"""The one thread that touches the disk: it mirrors the queue into the journal, behind everybody's back.

Rules:
- Nobody waits for it. Events go to the sender at once; what was delivered before the commit is never written.
- It gathers for `_GATHER_S` and commits once. The cursor alone is not worth a write: it goes with news, with
  heartbeats, and where the log has run on by a good part of its ring.
- A disk that fails is said, shown in a metric and tried again; the first commit that succeeds then writes all that is
  undelivered, so nothing depends on what the failure left behind.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Final

from otel_oom.health import Health
from otel_oom.spool.spool import Commit, Spool
from otel_oom.spool.sqlite_store import SqliteStore, Stored, StoreHeldError

log = logging.getLogger(__name__)

_GATHER_S: Final = 0.03
_RETRY_S: Final = 5.0
_TAKE_S: Final = 1.0


class SpoolWriter(threading.Thread):
    """Opens the journal, then follows a spool until it is stopped."""

    def __init__(self, directory: Path, health: Health, heartbeat_s: float) -> None:
        super().__init__(name="spool-writer", daemon=True)
        self._directory = directory
        self._health = health
        self._heartbeat_s = heartbeat_s
        self._journal = SqliteStore(directory)
        self._tried = threading.Event()
        self._attached = threading.Event()
        self._handover = threading.Lock()
        self._stored: Stored | None = None
        self._held: StoreHeldError | None = None
        self._spool: Spool | None = None
        self._is_late = False
        self._is_stopping = threading.Event()
        self.failure = "the disk does not answer"
        """Why nothing was loaded."""

    def load(self, patience_s: float) -> Stored | None:
        """Start the thread and wait for what the journal holds. None: not to be had in this time, see `failure`.

        Raises: JournalHeldError.
        """
        self.start()
        self._tried.wait(patience_s)
        with self._handover:
            if self._held is not None:
                raise self._held
            self._is_late = self._stored is None
            return self._stored

    def follow(self, spool: Spool) -> None:
        """Mirror this queue from now on."""
        self._spool = spool
        self._attached.set()

    def stop(self, patience_s: float) -> bool:
        """Write what is left and end. False: the disk does not let go of the thread, and it may hold the process."""
        self._is_stopping.set()
        self._attached.set()
        if self._spool is not None:
            self._spool.wake()
        self.join(patience_s)
        return not self.is_alive()

    def run(self) -> None:
        """Open, hand over, follow."""
        try:
            stored = self._journal.open()
        except StoreHeldError as held:
            self._held = held
        except Exception as error:  # noqa: BLE001 the disk's, or a bug: the agent lives without
            self.failure = str(error)
        else:
            with self._handover:
                self._stored = stored
            self._log_unreadable_file(stored)
        self._tried.set()
        self._attached.wait()
        if self._spool is not None:
            self._follow(self._spool)
        self._journal.close()

    def _follow(self, spool: Spool) -> None:
        is_open, replaces_all = self._stored is not None, self._is_late
        if self._is_late and self._stored is not None:
            self._adopt(spool, self._stored)
        while True:
            is_last = self._is_stopping.is_set()
            is_open = self._write(spool, is_open=is_open, replaces_all=replaces_all)
            replaces_all = not is_open
            if is_last:
                return
            if not is_open:
                self._is_stopping.wait(_RETRY_S)
            elif spool.wait_unsaved(self._heartbeat_s):
                self._is_stopping.wait(_GATHER_S)

    def _write(self, spool: Spool, *, is_open: bool, replaces_all: bool) -> bool:
        """Write what is to be written, in a journal that is opened again if need be; returns whether it is there."""
        change: Commit | None = None
        try:
            if not is_open:
                stored = self._journal.open()
                self._log_unreadable_file(stored)
                self._adopt(spool, stored)
            _require_read(spool)
            change = spool.unsaved(replaces_all=replaces_all)
            self._journal.commit(change)
        except Exception as error:  # noqa: BLE001 whatever it is, this thread goes on
            self._journal.close(keep_lock=True)
            spool.not_saved(f"{self._directory}: {error}", change)
            return False
        spool.saved(change)
        return True

    def _adopt(self, spool: Spool, stored: Stored) -> None:
        """Take over what an earlier agent left, found late: its events here, its place in the log by the reader."""
        spool.put([event for _, event in stored.events])
        spool.earlier = stored.checkpoint or spool.earlier
        spool.wake_reader()
        deadline_s = time.monotonic() + _TAKE_S
        while spool.earlier is not None and time.monotonic() < deadline_s and not self._is_stopping.wait(0.01):
            pass

    def _log_unreadable_file(self, stored: Stored) -> None:
        if stored.unreadable_file is not None:
            log.warning(
                "the spool could not be read, and is kept as %s; an empty one takes its place", stored.unreadable_file
            )


def _require_read(spool: Spool) -> None:
    """A commit before the reader has taken what an earlier agent left would forget where that one stood."""
    if spool.earlier is not None:
        raise TimeoutError("what the log holds from before this agent was not read yet")
