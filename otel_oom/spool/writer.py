"""Background thread that writes the spool to SQLite. No other thread waits for it.

Rules:
- Events go to the sender at once. What was delivered before the commit is never written.
- The writer gathers changes for `_GATHER_S` and commits them together. A moved cursor alone is committed with
  heartbeats, and every 500 records: that is a quarter of the smallest kernel log.
- A disk that fails is logged, shown in a metric and tried again. The first commit that succeeds then writes all that is
  undelivered, so nothing depends on what the failure left behind.
- A spool that could not be opened in time is taken over when it opens. Nothing is committed before the reader has taken
  the earlier agent's checkpoint: after a crash the next agent must find that checkpoint, not this agent's.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from otel_oom.spool.directory_lock import StoreHeldError
from otel_oom.spool.spool import Commit, Spool
from otel_oom.spool.sqlite_store import SqliteStore, Stored

_GATHER_S: Final = 0.03
_RETRY_S: Final = 5.0
_TAKE_S: Final = 1.0


class SpoolWriter(threading.Thread):
    """Opens the store, then writes a spool to it until it is stopped.

    directory: of the store; heartbeat_s: commit at least this often
    """

    def __init__(self, directory: Path, heartbeat_s: float) -> None:
        super().__init__(name="spool-writer", daemon=True)
        self._directory = directory
        self._heartbeat_s = heartbeat_s
        self._store = SqliteStore(directory)
        self._tried = threading.Event()
        self._attached = threading.Event()
        self._loading = threading.Lock()
        self._stored: Stored | None = None
        self._held: StoreHeldError | None = None
        self._spool: Spool | None = None
        self._is_late = False
        self._untaken: list[Stored] = []
        """What was opened late and is not taken over yet: it stays if memory runs out on the way."""
        self._is_stopping = threading.Event()
        self.failure = "the disk does not answer"
        """Why `load` returned None."""

    def load(self, timeout_s: float) -> Stored | None:
        """Start the thread and return what the store holds. None: it could not be read in timeout_s, see `failure`.

        Raises: StoreHeldError.
        """
        self.start()
        self._tried.wait(timeout_s)
        with self._loading:
            if self._held is not None:
                raise self._held
            self._is_late = self._stored is None
            return self._stored

    def follow(self, spool: Spool) -> None:
        """Write this spool from now on."""
        self._spool = spool
        self._attached.set()

    def stop(self, timeout_s: float) -> bool:
        """Write what is left and end. False: the thread still waits for the disk, and may keep the process alive."""
        self._is_stopping.set()
        self._attached.set()
        if self._spool is not None:
            self._spool.wake()
        self.join(timeout_s)
        return not self.is_alive()

    def run(self) -> None:
        """Open the store, give what it holds to `load`, write the spool that `follow` names."""
        try:
            stored = self._store.open()
        except StoreHeldError as held:
            self._held = held
        except Exception as error:  # noqa: BLE001 the disk's, or a bug: the agent runs without a spool
            self.failure = str(error)
        else:
            with self._loading:
                self._stored = stored
        self._tried.set()
        self._attached.wait()
        if self._spool is not None:
            self._follow(self._spool)
        self._store.close()

    def _follow(self, spool: Spool) -> None:
        is_open = self._stored is not None
        replaces_all = self._is_late
        if self._is_late and self._stored is not None:
            self._untaken.append(self._stored)
        while spool.earlier_checkpoint is None:  # else the stop came first, and a commit would overwrite it
            is_last = self._is_stopping.is_set()
            is_open = self._write(spool, is_open=is_open, replaces_all=replaces_all)
            replaces_all = not is_open
            if is_last:
                return
            if not is_open:
                self._is_stopping.wait(_RETRY_S)
            elif spool.wait_unsaved(self._heartbeat_s, self._is_stopping.is_set):
                self._is_stopping.wait(_GATHER_S)

    def _write(self, spool: Spool, *, is_open: bool, replaces_all: bool) -> bool:
        """Commit what is to be written. Opens the store again if it is not open; returns whether it is open now."""
        commit: Commit | None = None
        try:
            if not is_open:
                self._untaken.append(self._store.open())
            while self._untaken:
                if not self._take_over(spool, self._untaken[0]):
                    self._store.close(keep_lock=True)
                    return False
                del self._untaken[0]
            commit = spool.take_unsaved(replaces_all=replaces_all)
            self._store.commit(commit)
        except Exception as error:  # noqa: BLE001 whatever it is, this thread goes on
            self._store.close(keep_lock=True)
            spool.not_saved(f"{self._directory}: {error}", commit)
            return False
        spool.saved(commit)
        return True

    def _take_over(self, spool: Spool, stored: Stored) -> bool:
        """Take over what an earlier agent left: its events here, its place in the kernel log through the reader.

        Returns whether the reader has taken it; False: the agent stops before, and nothing may be committed.
        """
        spool.put([event for _, event in stored.events])
        if stored.damage:
            spool.store_damaged(stored.damage, stored.lost)
        if stored.checkpoint is None:
            return True
        spool.hand_over(stored.checkpoint)
        while not spool.wait_taken(_TAKE_S, self._is_stopping.is_set):
            spool.not_saved(f"{self._directory}: what the log holds from before this agent was not read yet")
            if self._is_stopping.is_set():
                return False
        return True
