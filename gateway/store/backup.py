"""A copy of the database, taken while the daemon goes on writing to it.

SQLite copies pages a few at a time over the writer's own connection: what the writer changes in pages that are copied
already goes into the copy as well (sqlite.org/c3ref/backup_finish.html), so the copy is the database as it is when the
last page is done, and no snapshot is held meanwhile that would keep the log from being moved. Between two steps
transactions have the connection. The copy is made under another name, synced, and then named; nothing is overwritten.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import threading
import time
from pathlib import Path
from typing import Final

from gateway.store.database import lock_file
from gateway.store.info import note, noted

PAGES: Final = 64
"""Pages copied at a time: a burst waits for no more than that."""
SYNC_EVERY: Final = 16 << 20
"""Octets of the copy between two syncs of it, so that the system does not write all of it at once at the end."""
RATE: Final = 64 << 20
"""Octets a second, where nothing else is asked for."""
UNBOUNDED: Final = 1 << 40
"""The same, where nobody waits meanwhile."""
BACKUP_AT: Final = "backup_at"
"""Key in ``store_info`` of a copy: when it was taken (ms)."""


class BackupError(Exception):
    """The copy cannot be made; the text says what and where. The database is as it was."""


class StoppedError(Exception):
    """The copy was given up by who asked for it."""


class Backup:
    """One copy: ``octets`` of ``total`` are done. `run` makes it, in a thread of its own.

    ``turns`` is held for each step, and by the writer for each transaction. ``rate`` is in octets a second.
    """

    def __init__(self, path: Path, turns: threading.Lock, *, rate: int = RATE, room: int = 0) -> None:
        self.path = path
        self.octets = 0
        self.total = 0
        self._part = path.with_name(path.name + ".part")
        self._turns = turns
        self._rate = rate
        self._room = room
        self._stopped = threading.Event()
        self._page = 4096
        self._from = 0.0
        self._synced = 0
        self._fd = -1

    def stop(self) -> None:
        """Gives it up at the next step; from any thread."""
        self._stopped.set()

    def open(self) -> None:
        """Makes sure of the file before anything is copied. Raises BackupError."""
        if os.path.lexists(self.path):
            raise BackupError(f"{self.path} is there already, and nothing is overwritten")
        try:
            fd = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BackupError(f"{self._part} cannot be written: {error.strerror}") from None
        try:
            # One that a kill left behind is made anew; one that is being written has the lock.
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
                raise BackupError(f"{self._part} is there, and not a file of ours")
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(fd, 0o600)
            os.ftruncate(fd, 0)
        except BlockingIOError:
            os.close(fd)
            raise BackupError(f"{self._part} is being written by another backup") from None
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def run(self, source: sqlite3.Connection, now_ms: int) -> None:
        """Copies the database of ``source``; `open` was called. Blocks. Raises BackupError, StoppedError."""
        try:
            try:
                self._copy(source)
                self._finish(now_ms)
            except (sqlite3.Error, OSError) as error:
                raise BackupError(f"{self.path}: {error}") from error
            self._name()
        finally:
            self._part.unlink(missing_ok=True)
            os.close(self._fd)

    def _copy(self, source: sqlite3.Connection) -> None:
        with self._turns:
            self._page, pages = (source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count"))
        self.total = self._page * pages
        disk = os.statvfs(self.path.parent)
        if (free := disk.f_bavail * disk.f_frsize) < self.total + self._room:
            kept = f", and {self._room >> 20} have to stay free (store.min_free_disk)" if self._room else ""
            raise BackupError(
                f"{self.path.parent} has {free >> 20} MiB free; {-(-self.total >> 20)} are to be copied{kept}"
            )
        target = sqlite3.connect(self._part, isolation_level=None, check_same_thread=False)
        try:
            # No journal and no syncs: a copy that is not whole has no name.
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -2048"):
                target.execute(f"PRAGMA {pragma}")
            self._from = time.monotonic()
            self._turns.acquire()
            try:
                source.backup(target, pages=PAGES, progress=self._between, sleep=0.001)
            finally:
                self._turns.release()
        finally:
            target.close()

    def _between(self, status: int, left: int, pages: int) -> None:
        """After each step: others have the connection, for as long as keeps us within the rate."""
        self._turns.release()
        try:
            self.total = self._page * pages
            self.octets = self.total - self._page * left
            if abs(self.octets - self._synced) >= SYNC_EVERY:  # less than before where it begins anew
                os.fdatasync(self._fd)
                self._synced = self.octets
            ahead = self.octets / self._rate - (time.monotonic() - self._from)
            if self._stopped.wait(max(0.0, min(ahead, 1.0))):
                raise StoppedError
        finally:
            self._turns.acquire()

    def _finish(self, now_ms: int) -> None:
        # One file in itself, without a log beside it; when it was taken is in it.
        target = sqlite3.connect(self._part, isolation_level=None)
        try:
            target.execute("PRAGMA synchronous = OFF")
            target.execute("PRAGMA journal_mode = DELETE")
            note(target, BACKUP_AT, str(now_ms))
        finally:
            target.close()
        os.fsync(self._fd)

    def _name(self) -> None:
        try:
            os.link(self._part, self.path)
        except FileExistsError:
            raise BackupError(f"{self.path} is there already, and nothing is overwritten") from None
        except OSError as error:
            raise BackupError(f"{self.path} cannot be named: {error.strerror}") from None
        sync_directory(self.path.parent)


def copied(source: Path, path: Path, now_ms: int) -> Backup:
    """Copies a database file to ``path``; no daemon may have it, and it is locked meanwhile. Blocks.

    Raises BackupError, and StoreError where a daemon has it.
    """
    lock = lock_file(source)
    try:
        copy = Backup(path, threading.Lock(), rate=UNBOUNDED)
        copy.open()
        con = sqlite3.connect(source, isolation_level=None)
        try:
            copy.run(con, now_ms)
        finally:
            con.close()
    finally:
        lock.release()
    return copy


def backup_at(con: sqlite3.Connection) -> int | None:
    """When a copy was taken (ms), if it says."""
    found = noted(con, BACKUP_AT)
    return int(found) if found is not None else None


def sync_directory(path: Path) -> None:
    """The names in a directory are on disk when this returns."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
