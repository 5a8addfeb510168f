"""The database of a simulation: in memory, slow, sometimes in trouble, kept from one life of the daemon to the next.

A commit is atomic and at one instant: the executor waits before and after it. A failed one is one of three kinds: the
transaction never began; it failed at its COMMIT and is gone; or it failed there and is found again after a crash, as a
write-ahead log whose sync failed can hold a whole transaction that nobody was told of (a *ghost*). Committed, with an
error reported, and visible to the process that goes on: that SQLite does not do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, Final

import trio
from outcome import Outcome, capture

from gateway.store.begun import Begun
from gateway.store.database import Database
from gateway.store.reader import Reader
from tests.sim.ledger import Ledger

INSTALL: Final = 0x1234567890ABC
"""The number of the installation, drawn at random in real life; ids contain it."""
FLOOR: Final = 64 << 20

_TROUBLES: Final = {
    "busy": ("database is locked", sqlite3.SQLITE_BUSY),
    "full": ("database or disk is full", sqlite3.SQLITE_FULL),
    "io": ("disk I/O error", sqlite3.SQLITE_IOERR),
}


class Killed(BaseException):
    """The process is gone: raised where it would have gone on. Not an Exception, as nothing shall handle it."""


def trouble(kind: str) -> sqlite3.OperationalError:
    """An error as SQLite raises it."""
    text, code = _TROUBLES[kind]
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@cache
def empty() -> bytes:
    """The image of a database that was just made, with an installation number that is always the same."""
    database = Database("sqlite://")
    try:
        con = database.connect()
        con.execute("INSERT INTO store_info (key, value) VALUES ('install', ?)", (str(INSTALL),))
        return con.serialize()
    finally:
        database.close()


class _Connection(sqlite3.Connection):
    """Tells the disk of the ends of transactions, some of which it lets fail."""

    disk: Disk

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:  # type: ignore[override]
        if sql == "COMMIT":
            self.disk.committing(self)
            cursor = super().execute(sql, *args)
            self.disk.committed()
            return cursor
        if sql == "ROLLBACK":
            self.disk.rolled_back()
        elif sql.startswith("SAVEPOINT "):
            self.disk.saved(sql.removeprefix("SAVEPOINT "))
        elif sql.startswith("ROLLBACK TO "):
            self.disk.rolled_back(sql.removeprefix("ROLLBACK TO "))
        return super().execute(sql, *args)


class DiskMood:
    """How slow and how bad a disk is. Delays in seconds; chances are for each transaction."""

    def __init__(self, rng: Random) -> None:
        self.slow = rng.choice((0.002, 0.01, 0.05))
        self.before = rng.choice((0.0, 0.0, 0.002, 0.02))  # the chance of an error before the transaction
        self.at_commit = rng.choice((0.0, 0.0, 0.01))
        self.spells = rng.choice((0, 0, 1, 2))  # of seconds in which nothing can be written
        self.low = rng.random() < 0.15  # whether free disk is below its floor for a while


class Transaction:
    """A transaction that was begun: ``early`` it is committed before whoever began it goes on, else while they wait.

    Between the two lies all that a thread may do beside Trio's.
    """

    def __init__(self, disk: Disk, function: Callable[[], object], *, early: bool) -> None:
        self._disk = disk
        self._function = function
        self._result: Outcome[object] | None = capture(disk.transact, function) if early else None

    async def wait(self) -> object:
        """Its result; or raises its error."""
        await self._disk.wait()
        if self._result is not None:
            return self._result.unwrap()
        result = self._disk.transact(self._function)
        await self._disk.wait()
        return result


class Disk:
    """Survives the daemon: `open` for each life of it, `crash` at its sudden end."""

    def __init__(self, rng: Random, ledger: Ledger, mood: DiskMood, until: float) -> None:
        self._rng = rng
        self._ledger = ledger
        self._mood = mood
        self.image = empty()
        self.honest = False
        self.faults = 0
        self._con: _Connection | None = None
        self._armed: str | None = None  # the trouble of the COMMIT to come
        self._before: bytes | None = None  # the image under a transaction that will be a ghost
        self._ghost: bytes | None = None
        self.dead = trio.Event()
        self._spells = [_spell(rng, until) for _ in range(mood.spells)]
        self._low = _spell(rng, until) if mood.low else (0.0, 0.0, "")

    # --- one life -----------------------------------------------------------------------------------------------------

    def open(self) -> SimDatabase:
        """The database as the last life left it."""
        con = sqlite3.connect(":memory:", isolation_level=None, cached_statements=512, factory=_Connection)
        con.deserialize(self.image)
        con.execute("PRAGMA journal_mode = MEMORY")
        con.disk = self
        self._ledger.watch(con)
        self._con = con
        self.dead = trio.Event()
        return SimDatabase(self, con)

    def connection(self) -> sqlite3.Connection:
        """The one that is open."""
        assert self._con is not None
        return self._con

    def crash(self) -> None:
        """The process is killed: what was committed stays, and a ghost perhaps."""
        assert self._con is not None
        self.image = self._con.serialize()
        if self._ghost is not None and self._rng.random() < 0.5:
            self.image = self._ghost
            self._ledger.adopt()
        self._ledger.forget()
        self._ghost = None
        self.dead.set()

    def closed(self) -> None:
        """The daemon closed its database."""
        if self._con is not None:
            if not self.dead.is_set():
                self.image = self._con.serialize()
                self._ghost = None
                self._ledger.forget()
            self._con.close()
            self._con = None

    # --- transactions -------------------------------------------------------------------------------------------------

    def begin(self, function: Callable[[], object]) -> Begun:
        """What the writer has in place of its thread."""
        return Transaction(self, function, early=self._rng.random() < 0.3)

    def transact(self, function: Callable[[], object]) -> object:
        """Runs a transaction, or lets it fail."""
        if not self.honest:
            kind = self._spell_now()
            if kind or self._rng.random() < self._mood.before:
                self.faults += 1
                kind = kind or self._rng.choice(("busy", "full", "io"))
                self._ledger.note("disk", f"{kind} before the transaction")
                raise trouble(kind)
            if self._rng.random() < self._mood.at_commit:
                self.faults += 1
                self._armed = self._rng.choice(("full", "io", "ghost"))
                if self._armed == "ghost":
                    self._before = self.connection().serialize()
        try:
            return function()
        finally:
            self._armed = self._before = None

    async def read(self, query: Callable[[sqlite3.Connection], Any]) -> Any:
        """What the reader has in place of its threads."""
        await self.wait()
        if not self.honest and self._rng.random() < self._mood.before / 4:
            self.faults += 1
            self._ledger.note("disk", "a read failed")
            raise trouble("io")
        assert self._con is not None
        return query(self._con)

    async def wait(self) -> None:
        """As long as the disk takes. Raises Killed."""
        with trio.move_on_after(self._rng.uniform(0.0, self._mood.slow)):
            await self.dead.wait()
        if self.dead.is_set():
            raise Killed

    def _spell_now(self) -> str:
        now = trio.current_time()
        return next((kind for begin, end, kind in self._spells if begin <= now < end), "")

    def free(self) -> int:
        """Octets free, below the floor for a while."""
        begin, end, _ = self._low
        low = not self.honest and begin <= trio.current_time() < end
        return FLOOR // 2 if low else FLOOR * 100

    # --- what the connection tells ------------------------------------------------------------------------------------

    def committing(self, con: _Connection) -> None:
        armed, before = self._armed, self._before
        self._armed = self._before = None
        if armed is None:
            return
        self._ledger.note("disk", f"{armed} at the commit")
        if before is None:
            raise trouble(armed)
        # A copy as it would be with this transaction, which is taken back all the same.
        sqlite3.Connection.execute(con, "COMMIT")
        self._ghost = con.serialize()
        self._ledger.unwatch(con)
        con.deserialize(before)
        self._ledger.haunted()
        self._ledger.watch(con)
        raise trouble("io")

    def committed(self) -> None:
        self._ghost = None
        self._ledger.committed()

    def saved(self, name: str) -> None:
        self._ledger.saved(name)

    def rolled_back(self, to: str | None = None) -> None:
        self._ledger.rolled_back(to)


def _spell(rng: Random, until: float) -> tuple[float, float, str]:
    begin = rng.uniform(0, until)
    return begin, begin + rng.uniform(0.5, 6), rng.choice(("busy", "full", "io"))


class SimDatabase(Database):
    """A database that is open already."""

    def __init__(self, disk: Disk, con: sqlite3.Connection) -> None:
        self.url = "sqlite://"
        self.path = None
        self.synchronous = "full"
        self._disk = disk
        self._con = con

    def connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        return self._con

    def free_disk(self) -> int:
        return self._disk.free()

    def close(self) -> None:
        self._disk.closed()


class SimReader(Reader):
    """Reads with the delays and the trouble of the disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    async def read(self, query: Callable[[sqlite3.Connection], Any]) -> Any:
        return await self._disk.read(query)

    def close(self) -> None:
        return None
