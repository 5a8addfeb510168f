"""The database file: its lock, its connections and their settings, migrations, and the checkpointing of its WAL.

SQLite runs in WAL mode with synchronous=FULL, so a commit is on disk when it returns. Checkpoints run on a
connection of their own, never inside a commit of the hot path, and are passive but for the moment in which the log
starts over.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from gateway.store.info import note, noted
from gateway.store.revision import bring_to_newest

MINIMUM_SQLITE: Final = (3, 35, 0)  # UPDATE ... FROM came with 3.33, RETURNING with 3.35
BUSY_TIMEOUT_MS: Final = 2000
WRITER_PAGES: Final = 32_768
"""KiB of the database that the writer keeps in memory."""
READER_PAGES: Final = 4096
"""KiB that each connection for reading keeps. It begins anew with every commit of the writer, and the system has the
pages anyway: more would only be taken by the first long search, and never be given back."""
INSTALL: Final = "install"
"""Key in ``store_info`` of the number of this database."""
RESTART_WAIT_MS: Final = 50
"""For readers of the log. The writer waits meanwhile, and who waits for it; it is tried again soon."""

# What is no number and no text sqlite3 asks for another form before it is bound, each time by attributes that are not
# there: 0.4 us for a None and 0.5 for octets. Where one is registered, though it is the value itself, it is a third.
_NOTHING: Final[dict[None, None]] = {}
sqlite3.register_adapter(type(None), _NOTHING.get)  # in C, and the least that takes a None and returns it
sqlite3.register_adapter(bytes, bytes)


class StoreError(Exception):
    """The database cannot be opened; the text says what and where, for the operator."""


def file_of(url: str) -> Path | None:
    """The path of a ``sqlite://`` URL, or None for an in-memory database.

    Raises StoreError for another dialect.
    """
    scheme, _, rest = url.partition("://")
    if scheme != "sqlite":
        raise StoreError(f"store.url: only sqlite:// is supported, not {scheme}://")
    name = unquote(rest.removeprefix("/"))
    return Path(name) if name not in ("", ":memory:") else None


class FileLock:
    """An advisory lock that the kernel gives up with the process, so a kill leaves nothing to clean up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def acquire(self, what: str) -> None:
        """Takes the lock or raises StoreError naming the process that has it; ``what`` is what it protects."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot open the lock file {self.path}: {error.strerror}") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise StoreError(f"{what} is in use by another smsgw (process {holder}); lock file {self.path}") from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Gives the lock up; the file stays, since removing it would race with the next owner."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def lock_file(path: Path) -> FileLock:
    """The lock of a database file, taken. Raises StoreError naming the process that has it."""
    lock = FileLock(path.with_name(path.name + ".lock"))
    lock.acquire(f"the database {path}")
    return lock


class Database:
    """One SQLite database: opened, locked, migrated. Connections are made here and nowhere else.

    An in-memory database (``sqlite://``) has one connection, for reads and writes in one thread; tests use it.
    """

    def __init__(self, url: str, *, synchronous: str = "full") -> None:
        if sqlite3.sqlite_version_info < MINIMUM_SQLITE:
            needed = ".".join(map(str, MINIMUM_SQLITE))
            raise StoreError(f"SQLite {needed} or later is needed, this Python has {sqlite3.sqlite_version}")
        self.url = url
        self.path = file_of(url)
        self.synchronous = synchronous
        self._lock: FileLock | None = None
        self._memory: sqlite3.Connection | None = None
        if self.path is not None:
            directory = self.path.parent
            if not directory.is_dir():
                raise StoreError(f"store.url: the directory {directory} does not exist")
            if not os.access(directory, os.W_OK):
                raise StoreError(f"store.url: the directory {directory} is not writable")
            self._lock = lock_file(self.path)
        try:
            self._create_private()
            self._migrate()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise StoreError(f"cannot open the database {self.path}: {error}") from error
        except LookupError as error:
            self.close()
            raise StoreError(
                f"the database {self.path} was made by a later version of smsgw, and this one cannot use it ({error})"
            ) from error
        except BaseException:
            self.close()
            raise

    def _create_private(self) -> None:
        # Message texts are in it: readable by the daemon's user alone, whatever the umask.
        if self.path is not None:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        """A connection in autocommit mode with the settings of this database.

        It may be used from any thread, but from one at a time.
        """
        if self.path is None:
            if self._memory is None:
                self._memory = self._open(":memory:", WRITER_PAGES)
            return self._memory
        con = self._open(str(self.path), READER_PAGES if read_only else WRITER_PAGES)
        if read_only:
            con.execute("PRAGMA query_only = ON")
        return con

    def _open(self, name: str, pages: int) -> sqlite3.Connection:
        con = sqlite3.connect(name, isolation_level=None, check_same_thread=False, cached_statements=512)
        try:
            con.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            con.execute("PRAGMA journal_mode = WAL")
            con.execute(f"PRAGMA synchronous = {'NORMAL' if self.synchronous == 'normal' else 'FULL'}")
            con.execute("PRAGMA wal_autocheckpoint = 0")
            con.execute(f"PRAGMA cache_size = -{pages}")
            con.execute("PRAGMA temp_store = MEMORY")
        except BaseException:
            con.close()
            raise
        return con

    def _migrate(self) -> None:
        if self.path is None:
            bring_to_newest(self.connect())
            return
        # Without the settings of our connections: the file of another program is left as it is.
        con = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
        try:
            bring_to_newest(con)
        finally:
            con.close()

    def wal_size(self) -> int:
        """Octets in the write-ahead log."""
        if self.path is None:
            return 0
        try:
            return os.stat(f"{self.path}-wal").st_size
        except FileNotFoundError:
            return 0

    def free_disk(self) -> int:
        """Octets free for us on the database's file system."""
        if self.path is None:
            return 1 << 62
        stat = os.statvfs(self.path.parent)
        return stat.f_bavail * stat.f_frsize

    def close(self) -> None:
        """Gives up the lock; connections are closed by those who made them."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None
        if self._lock is not None:
            self._lock.release()


def checkpoint(con: sqlite3.Connection, turns: threading.Lock, wal_size: int, wal_limit: int) -> int:
    """Moves committed pages from the WAL into the database; returns the octets that were in the log.

    Waits for nobody as a rule. A log that has come to a quarter of its limit is made to start over: for that it holds
    ``turns``, as the writer does for each transaction, since the moments between two of these are too short to be met
    by trying now and then. The file keeps the size that it once had, and is reused; it is cut where that,
    ``wal_size``, is over the limit, or intake would wait for ever.
    """
    _, frames, _ = con.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    octets: int = frames * con.execute("PRAGMA page_size").fetchone()[0]
    if wal_size > wal_limit:
        _restart(con, turns, "TRUNCATE")
    elif octets > wal_limit // 4:
        _restart(con, turns, "RESTART")
    return octets


def _restart(con: sqlite3.Connection, turns: threading.Lock, mode: str) -> bool:
    """Has the log start over; whether it could, or else a reader needed it for longer than `RESTART_WAIT_MS`."""
    # First what was written since, or while the most of it was moved: the writer waits for the little that is left.
    con.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    con.execute(f"PRAGMA busy_timeout = {RESTART_WAIT_MS}")
    with turns:
        return bool(con.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0] == 0)


def cut_log(database: Database, turns: threading.Lock, tries: int = 20) -> bool:
    """Moves all of the log into the database and empties it, so that nothing that was removed is left in it.

    Returns whether that was done: each try waits up to `RESTART_WAIT_MS` for readers, and the writer waits meanwhile.
    """
    con = database.connect()
    try:
        for _ in range(tries):
            if _restart(con, turns, "TRUNCATE"):
                return True
            time.sleep(RESTART_WAIT_MS / 1000)  # the writer has its turn
        return False
    finally:
        con.close()


@contextmanager
def transaction(con: sqlite3.Connection) -> Iterator[None]:
    """Within it all is written or nothing: for what is done before the writer runs, or without a daemon."""
    con.execute("BEGIN IMMEDIATE")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        if con.in_transaction:  # SQLite ends it by itself where the disk is at fault
            con.execute("ROLLBACK")
        raise


def install_number(con: sqlite3.Connection) -> int:
    """53 random bits of this database, drawn at its first start; they end up in every message id."""
    found = noted(con, INSTALL)
    if found is None:
        found = str(secrets.randbits(53))
        note(con, INSTALL, found)
    return int(found)


def next_epoch(con: sqlite3.Connection, node: int) -> int:
    """Takes the lease of a single node over all carriers and shards; returns its new epoch.

    What an earlier epoch left as `submitting` is in doubt from here on.
    """
    con.execute(
        "INSERT INTO lease (kind, carrier, shard, node, epoch, until) VALUES ('node', '', 0, ?, 1, 0)"
        " ON CONFLICT (kind, carrier, shard) DO UPDATE SET epoch = epoch + 1, node = excluded.node",
        (node,),
    )
    return int(con.execute("SELECT epoch FROM lease WHERE kind = 'node' AND carrier = '' AND shard = 0").fetchone()[0])
